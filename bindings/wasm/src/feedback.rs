//! Feedback: what an agent thinks of what it got.

use crate::errors::{self, Thrown, raise};
use crate::identity::{self, Identity};
use crate::json;
use crate::options::Options;
use crate::prepared::Prepared;
use crate::time;
use imagxp::Timestamp;
use imagxp::encoding::hex_encode;
use imagxp::feedback as core;
use imagxp::json::{Object, Value};
use wasm_bindgen::prelude::*;

/// What an agent thinks of what it got, to be signed.
#[wasm_bindgen]
pub struct Feedback(core::Feedback);

#[wasm_bindgen]
impl Feedback {
    /// `qualityScore`: 0 to 1 with at most six digits after the point, as a string or a number. `reason`: one of `feedbackReasons()`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: String,
        #[wasm_bindgen(unchecked_param_type = "string | number")] quality_score: JsValue,
        reason: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "FeedbackOptions")] options: JsValue,
    ) -> Result<Feedback, Thrown> {
        let options = Options::new(options, &["jti", "contentSha256"])?;
        let text =
            quality_score.as_string().or_else(|| quality_score.as_f64().map(|score| score.to_string()));
        let score = text
            .and_then(|text| core::Score::parse(&text))
            .ok_or_else(|| errors::argument("the score is not 0 to 1 with at most six digits"))?;
        let reason = core::Reason::from_name(reason)
            .ok_or_else(|| errors::argument(&format!("`{reason}` is not a reason")))?;
        let mut feedback = core::Feedback::new(url, score, reason);
        feedback.jti = options.text("jti")?;
        feedback.content_sha256 = options.sha256("contentSha256")?;
        Ok(Self(feedback))
    }

    /// Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker.
    pub fn sign(
        &self,
        identity: &Identity,
        #[wasm_bindgen(unchecked_optional_param_type = "NonceOptions")] options: JsValue,
    ) -> Result<String, Thrown> {
        let (nonce, now) = read(options)?;
        self.0.sign(&identity.0, now, &nonce).map(json::text).map_err(raise)
    }

    /// What `sign` would sign, for a key that answers later; completing it gives the JSON object.
    pub fn prepare(
        &self,
        identity: &Identity,
        #[wasm_bindgen(unchecked_optional_param_type = "NonceOptions")] options: JsValue,
    ) -> Result<Prepared, Thrown> {
        let (nonce, now) = read(options)?;
        self.0.prepare(&identity.0, now, &nonce).map(Prepared::json).map_err(raise)
    }
}

fn read(options: JsValue) -> Result<(String, Timestamp), Thrown> {
    let options = Options::new(options, &["nonce", "now"])?;
    Ok((options.text("nonce")?.map_or_else(identity::random_uuid, Ok)?, options.now()?))
}

/// The wire name of every reason.
#[wasm_bindgen(js_name = feedbackReasons)]
pub fn feedback_reasons() -> Vec<String> {
    core::Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect()
}

/// The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned.
#[wasm_bindgen(js_name = feedbackHeader)]
pub fn feedback_header(signed: &str) -> String {
    core::header_value(signed.as_bytes())
}

/// Feedback that holds, as a publisher gets it.
pub(crate) fn taken(feedback: &core::Feedback) -> Result<JsValue, Thrown> {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let mut object = Object::new();
    object.insert("url", feedback.url.as_str());
    object.insert("qualityScore", feedback.quality_score.to_string());
    object.insert("scoreMillionths", feedback.quality_score.millionths());
    object.insert("reason", feedback.reason.as_str());
    object.insert("agentId", text(feedback.agent_id.as_ref().map(ToString::to_string)));
    object.insert("jti", text(feedback.jti.clone()));
    object.insert("contentSha256", text(feedback.content_sha256.as_ref().map(|hash| hex_encode(hash))));
    object.insert("ts", text(feedback.signed_at.as_ref().map(|(ts, _)| time::text(*ts))));
    json::object(&object)
}
