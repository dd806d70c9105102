//! The claim, as a publisher's own rule sees it.

use crate::callback::Callback;
use crate::errors::Thrown;
use crate::{json, time};
use imagxp::json::{Object, Value};
use imagxp::publisher::CustomPolicy;
use imagxp::{Claim, Error, ErrorKind};
use std::borrow::Cow;
use wasm_bindgen::prelude::*;

/// A rule of the publisher's own, written in JavaScript.
pub(crate) struct Rule(pub(crate) Callback);

impl CustomPolicy for Rule {
    fn allows(&self, claim: &Claim, path: &str) -> imagxp::Result<bool> {
        let failed = || Error::new(ErrorKind::Policy, "the custom policy failed; see the log");
        let claim = to_js(claim).map_err(|_| failed())?;
        self.0
            .call("the custom policy", &claim, &path.into())
            .and_then(|answer| answer.as_bool())
            .ok_or_else(failed)
    }
}

fn to_js(claim: &Claim) -> Result<JsValue, Thrown> {
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| text.to_owned().into());
    let resource = claim.resource_text().map(Cow::into_owned);
    let mut object = Object::new();
    object.insert("agentId", claim.agent_id.as_str());
    object.insert("purpose", claim.purpose.as_str());
    object.insert("ts", time::text(claim.ts));
    object.insert("nonce", claim.nonce());
    object.insert("resource", text(resource.as_deref()));
    object.insert("method", text(claim.method()));
    object.insert("contentDigest", text(claim.content_digest()));
    object.insert("adsDisplayed", claim.ads_displayed.map_or(Value::Null, Value::Bool));
    object.insert("extra", claim.extra());
    json::object(&object)
}
