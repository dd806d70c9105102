//! Feedback: what an agent thinks of what it got.

use crate::digest::Sha256;
use crate::identity::{Identity, random_uuid};
use crate::js::{Anything, Bytes, ClassInstance, JsNumber, JsString};
use crate::options::options;
use crate::publisher::NowOptions;
use crate::replay_stores::DistantStore;
use crate::time::{self, DateTime, Time};
use crate::verdict::Verdict;
use crate::{boundary, errors, js, worker};
use imagxp::feedback as core;
use imagxp::replay::{Insert, ReplayEntry};
use napi::bindgen_prelude::{Buffer, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::{Arc, Mutex, PoisonError};

options! {
    /// What feedback also says.
    FeedbackDetails {
        /// The visa that paid.
        jti: Option<JsString>,
        /// 32 bytes, or hex, of what was read.
        content_sha256: Option<Sha256>,
    }
}

options! {
    /// What `Feedback.sign` also takes.
    FeedbackSignOptions {
        /// The clock's time unless given.
        now: Option<Time>,
        /// A random UUID unless given.
        nonce: Option<JsString>,
    }
}

/// What an agent thinks of what it got.
#[napi]
#[derive(Clone)]
pub struct Feedback(core::Feedback);

impl Feedback {
    pub(crate) const fn as_core(&self) -> &core::Feedback {
        &self.0
    }
}

#[napi]
impl Feedback {
    /// Feedback to sign.
    ///
    /// `qualityScore`: 0 to 1 with at most six digits after the point, as a number or a string. `reason`: one of `FEEDBACK_REASONS`.
    #[napi(
        constructor,
        ts_args_type = "url: string, qualityScore: number | string, reason: FeedbackReason, details?: FeedbackDetails"
    )]
    pub fn new(
        url: JsString,
        quality_score: Anything,
        reason: JsString,
        details: Option<FeedbackDetails>,
    ) -> Result<Self> {
        let text = match quality_score.read::<JsNumber>() {
            // Rust writes the shortest decimal that reads back as this number, without an exponent.
            Ok(JsNumber(number)) => number.to_string(),
            Err(_) => {
                quality_score
                    .read::<JsString>()
                    .map_err(|_| js::expected("a score as a number or a string"))?
                    .0
            }
        };
        let score = core::Score::parse(&text)
            .ok_or_else(|| errors::argument("the score is not 0 to 1 with at most six digits"))?;
        let reason = core::Reason::from_name(&reason)
            .ok_or_else(|| errors::argument(&format!("`{}` is not a reason", &*reason)))?;
        let mut feedback = core::Feedback::new(url.0, score, reason);
        if let Some(details) = details {
            feedback.jti = details.jti.map(|jti| jti.0);
            feedback.content_sha256 = details.content_sha256.map(|hash| hash.0);
        }
        Ok(Self(feedback))
    }

    /// The absolute URL that was read.
    #[napi(getter)]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// How good it was, as a decimal string.
    #[napi(getter)]
    pub fn quality_score(&self) -> String {
        self.0.quality_score.to_string()
    }

    /// How good it was, in millionths.
    #[napi(getter)]
    pub fn score_millionths(&self) -> u32 {
        self.0.quality_score.millionths()
    }

    /// Why.
    #[napi(getter, ts_return_type = "FeedbackReason")]
    pub fn reason(&self) -> &'static str {
        self.0.reason.as_str()
    }

    /// Who says so; `null` before it is signed, and in the seed's form.
    #[napi(getter)]
    pub fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// The visa that paid.
    #[napi(getter)]
    pub fn jti(&self) -> Option<&str> {
        self.0.jti.as_deref()
    }

    /// The SHA-256 of what was read, 32 bytes.
    #[napi(getter)]
    pub fn content_sha256(&self) -> Option<Buffer> {
        self.0.content_sha256.map(|hash| hash.to_vec().into())
    }

    /// When it was signed; `null` before.
    #[napi(getter)]
    pub fn ts(&self) -> Option<DateTime> {
        self.0.signed_at.as_ref().map(|(ts, _)| DateTime(*ts))
    }

    /// Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker.
    #[napi]
    pub fn sign(
        &self,
        identity: ClassInstance<Identity>,
        options: Option<FeedbackSignOptions>,
    ) -> Result<Buffer> {
        let (now, nonce) = options.map_or((None, None), |options| (options.now, options.nonce));
        let now = time::or_now(now);
        boundary::call(|| match nonce.as_deref() {
            Some(nonce) => self.0.sign(&identity.inner, now, nonce),
            None => self.0.sign(&identity.inner, now, &random_uuid()?),
        })
        .map(Buffer::from)
    }
}

/// The wire name of every reason. `index.cjs` makes the constant `FEEDBACK_REASONS` of it.
#[napi(js_name = "_feedbackReasons", skip_typescript)]
pub fn reasons() -> Vec<&'static str> {
    core::Reason::ALL.iter().map(|reason| reason.as_str()).collect()
}

/// The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned.
#[napi]
pub fn feedback_header(signed: Bytes) -> Result<String> {
    boundary::compute(|| core::header_value(&signed))
}

/// The result of `Publisher.feedback`: a verdict on the feedback, and the feedback itself when it holds.
#[napi]
pub struct FeedbackVerification {
    inner: imagxp::publisher::FeedbackVerification,
    store: Option<Arc<DistantStore>>,
    answer: Arc<Mutex<Option<Insert>>>,
}

impl FeedbackVerification {
    pub(crate) fn new(
        inner: imagxp::publisher::FeedbackVerification,
        store: Option<&Arc<DistantStore>>,
    ) -> Self {
        Self { inner, store: store.map(Arc::clone), answer: Arc::default() }
    }

    /// What had to be inserted, and the store's answer, when both are known: once, because one insertion is one feedback.
    pub(crate) fn inserted(&self) -> Option<(ReplayEntry, Insert)> {
        self.inner.insertion.zip(self.answer.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

#[napi]
impl FeedbackVerification {
    /// Whether the feedback is this agent's, new, and about this site.
    #[napi(getter)]
    pub fn verdict(&self) -> Verdict {
        Verdict::new(self.inner.verdict.clone())
    }

    /// What it says; only when the verdict allows.
    #[napi(getter)]
    pub fn feedback(&self) -> Option<Feedback> {
        self.inner.feedback.clone().map(Feedback)
    }

    /// Does what a `replay` need asks for: inserts into the publisher's store in Redis or PostgreSQL, and keeps the answer.
    #[napi(ts_args_type = "options?: NowOptions", ts_return_type = "Promise<void>")]
    pub fn insert(&self, env: Env, options: Option<NowOptions>) -> Result<PromiseRaw<'static, ()>> {
        let now = time::or_now(options.and_then(|options| options.now));
        let asked = self.store.as_ref().map(Arc::clone).zip(self.inner.insertion);
        let kept = Arc::clone(&self.answer);
        worker::run(
            &env,
            move || asked.map(|(store, entry)| store.insert(&entry, now)),
            move |answer| {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                // Asked twice: the store's first word counts.
                *kept = kept.or(answer);
                Ok(())
            },
        )
    }
}
