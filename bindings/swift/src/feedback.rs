//! Feedback: what an agent thinks of what it got.

use crate::error::ImagxpError;
use crate::identity::{Identity, random_uuid};
use crate::replay::{ReplayAnswer, ReplayInsertion};
use crate::verdict::Verdict;
use crate::{boundary, digest, time};
use imagxp::feedback as core;
use imagxp::replay::{Insert, ReplayEntry};
use imagxp::{Error, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use imagxp::feedback::Reason as FeedbackReason;

/// Why the score is what it is.
#[uniffi::remote(Enum)]
pub(crate) enum FeedbackReason {
    /// Low quality, generated in bulk (`LOW_QUALITY_SPAM`).
    LowQualitySpam,
    /// Made for search engines, not for readers (`SEO_SPAM`).
    SeoSpam,
    /// Wrong (`INACCURATE`).
    Inaccurate,
    /// Hateful (`HATE_SPEECH`).
    HateSpeech,
    /// Good (`HIGH_QUALITY`).
    HighQuality,
    /// Something else (`OTHER`).
    Other,
}

/// The wire name of a reason, for example `SEO_SPAM`; `FeedbackReason.description` is the same.
#[uniffi::export]
pub(crate) fn feedback_reason_name(reason: FeedbackReason) -> String {
    reason.as_str().to_owned()
}

/// The reason with this exact wire name; `FeedbackReason(_:)` is the same.
#[uniffi::export]
pub(crate) fn feedback_reason_from_name(name: &str) -> Option<FeedbackReason> {
    FeedbackReason::from_name(name)
}

/// What an agent thinks of what it got (PROTOCOL §11).
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Eq)]
pub(crate) struct Feedback {
    /// The absolute URL that was read.
    pub(crate) url: String,
    /// How good it was, in millionths: 0 to 1 000 000.
    pub(crate) score_millionths: u32,
    /// Why.
    pub(crate) reason: FeedbackReason,
    /// The visa that paid.
    #[uniffi(default = None)]
    pub(crate) jti: Option<String>,
    /// The SHA-256 of what was read, 32 bytes.
    #[uniffi(default = None)]
    pub(crate) content_sha256: Option<Vec<u8>>,
    /// Who says so; nil before it is signed, and in the seed's form. `sign` writes its own.
    #[uniffi(default = None)]
    pub(crate) agent_id: Option<String>,
    /// When it was signed; nil before. `sign` writes its own.
    #[uniffi(default = None)]
    pub(crate) ts: Option<Timestamp>,
}

#[uniffi::export]
impl Feedback {
    /// Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker.
    ///
    /// `now` is the clock's time and `nonce` a random UUID unless given. Throws `usage.argument` for a score above 1 000 000.
    #[uniffi::method(default(now = None, nonce = None))]
    pub(crate) fn sign(
        &self,
        identity: Arc<Identity>,
        now: Option<Timestamp>,
        nonce: Option<String>,
    ) -> Result<Vec<u8>, ImagxpError> {
        let content_sha256 = self.content_sha256.as_deref().map(digest::sha256).transpose()?;
        boundary::call(|| {
            let score = core::Score::from_millionths(self.score_millionths)
                .ok_or_else(|| Error::argument("the score is more than 1 000 000 millionths"))?;
            let mut feedback = core::Feedback::new(self.url.clone(), score, self.reason);
            feedback.jti = self.jti.clone();
            feedback.content_sha256 = content_sha256;
            let nonce = nonce.map_or_else(random_uuid, Ok)?;
            feedback.sign(&identity.inner, time::or_now(now), &nonce)
        })
    }
}

/// A score as text: 0 to 1 with at most six digits after the point, without an exponent; in millionths. Throws `usage.argument`.
#[uniffi::export]
pub(crate) fn feedback_score(text: &str) -> Result<u32, ImagxpError> {
    let score = core::Score::parse(text);
    Ok(score
        .ok_or_else(|| ImagxpError::argument("the score is not 0 to 1 with at most six digits"))?
        .millionths())
}

/// The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned.
#[uniffi::export]
pub(crate) fn feedback_header(feedback: &[u8]) -> String {
    core::header_value(feedback)
}

/// Feedback that waits for a replay store which answered `.later`.
#[derive(uniffi::Object)]
pub(crate) struct FeedbackInsertion {
    entry: ReplayEntry,
    answer: Mutex<Option<Insert>>,
}

#[uniffi::export]
impl FeedbackInsertion {
    /// What the store has to insert.
    pub(crate) fn entry(&self) -> ReplayInsertion {
        ReplayInsertion::of(&self.entry)
    }

    /// Records what the store answered; nil when it failed, and `.later` is no answer. Then call `Publisher.feedback` again, with this.
    pub(crate) fn inserted(&self, answer: Option<ReplayAnswer>) {
        let mut kept = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(answer.map_or(Insert::Error, ReplayAnswer::core));
    }
}

impl FeedbackInsertion {
    /// Takes the answer: once, because one insertion is one feedback.
    pub(crate) fn take(&self) -> Result<(ReplayEntry, Insert), ImagxpError> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer =
            answer.ok_or_else(|| ImagxpError::argument("the insertion has no answer, or has counted"))?;
        Ok((self.entry, answer))
    }
}

/// The result of `Publisher.feedback`: a verdict on the feedback, and the feedback itself when it holds.
#[derive(uniffi::Record)]
pub(crate) struct FeedbackVerification {
    /// Whether the feedback is this agent's, new, and about this site.
    pub(crate) verdict: Verdict,
    /// What it says; only when the verdict allows.
    pub(crate) feedback: Option<Feedback>,
    /// What the replay store has to insert, when it answered `.later` and the verdict needs `.replay`.
    pub(crate) insertion: Option<Arc<FeedbackInsertion>>,
}

impl FeedbackVerification {
    pub(crate) fn of(verification: imagxp::publisher::FeedbackVerification) -> Self {
        let feedback = verification.feedback.map(|feedback| Feedback {
            url: feedback.url,
            score_millionths: feedback.quality_score.millionths(),
            reason: feedback.reason,
            jti: feedback.jti,
            content_sha256: feedback.content_sha256.map(Vec::from),
            agent_id: feedback.agent_id.map(|agent| agent.to_string()),
            ts: feedback.signed_at.map(|(ts, _)| ts),
        });
        let insertion = verification
            .insertion
            .map(|entry| Arc::new(FeedbackInsertion { entry, answer: Mutex::default() }));
        Self { verdict: Verdict::of(verification.verdict), feedback, insertion }
    }
}
