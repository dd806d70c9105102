//! What the agent says of what it got, and what follows from it (PROTOCOL §11).

use super::settle::{Settlement, keys, must_be, note, settle, wrong_state};
use super::{VisaFeedback, VisaState};
use crate::command::Act;
use crate::event::EventKind;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::once::{OnceKey, OnceScope};
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::{CLOCK_SKEW_MS, CONTEST_WINDOW_MS, FEEDBACK_WINDOW_MS};
use crate::store::{Keys, Loaded};
use crate::text::Reference;
use imagxp::crypto::Thumbprint;
use imagxp::encoding::hex_encode;
use imagxp::feedback::{Reason, Score};
use imagxp::json::Value;

/// The agent's verdict on what it got: 0.5 and better releases the money, less withholds it for 72 h. Once, within 24 h of the redemption.
///
/// The server has verified the signature and its time; the actor is the agent that signed. Refusals: `visa.not_found`, `visa.not_yours`,
/// `visa.state` before the redemption, `feedback.wrong_key`, `feedback.already_given` also for a nonce that was used, `feedback.closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveFeedback {
    /// On which visa.
    pub jti: Id,
    /// The key that signed it.
    pub jkt: Thumbprint,
    /// How good it was.
    pub score: Score,
    /// Why.
    pub reason: Reason,
    /// SHA-256 of the signed object.
    pub sha256: [u8; 32],
    /// Its nonce, when it has one.
    pub nonce: Option<Reference>,
}

impl GiveFeedback {
    /// A nonce is unique per key, as that of a request.
    fn once(&self) -> Option<OnceKey> {
        let name = format!("{} {}", self.jkt, self.nonce.as_ref()?);
        Some(OnceKey { scope: OnceScope::Feedback, name })
    }
}

impl Act for GiveFeedback {
    fn keys(&self, loaded: &Loaded, named: &mut Keys) {
        keys(self.jti, loaded, named);
        named.once.extend(self.once());
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        let mut visa = ledger.visa(self.jti)?;
        must_be(ledger.actor, &visa.agent)?;
        if matches!(visa.state, VisaState::Issued | VisaState::Expired) {
            return Err(wrong_state(&visa));
        }
        if visa.request_jkt.or(visa.jkt).is_some_and(|key| key != self.jkt) {
            return Err(RefusalCode::FeedbackWrongKey.into());
        }
        if visa.feedback.is_some() {
            return Err(RefusalCode::FeedbackAlreadyGiven.into());
        }
        if visa.state != VisaState::Redeemed || visa.is_due(ledger.now_ms) {
            return Err(RefusalCode::FeedbackClosed.into());
        }
        if let Some(once) = self.once() {
            if ledger.once(&once)?.is_some() {
                let message = "the nonce was used for other feedback";
                return Err(Refusal::new(RefusalCode::FeedbackAlreadyGiven, message));
            }
            let kept = FEEDBACK_WINDOW_MS.saturating_add(CLOCK_SKEW_MS);
            ledger.put_once(once, None, Some(ledger.now_ms.saturating_add(kept)));
        }
        visa.feedback = Some(VisaFeedback {
            score: self.score,
            reason: self.reason,
            sha256: self.sha256,
            given_at: ledger.now_ms,
        });
        let details: Vec<(&'static str, Value<'_>)> = vec![
            ("feedback_sha256", hex_encode(&self.sha256).into()),
            ("reason", self.reason.as_str().into()),
            ("score_millionths", self.score.millionths().into()),
        ];
        if self.score >= Score::RELEASES {
            return settle(ledger, visa, Settlement::Release, details);
        }
        visa.state = VisaState::Withheld;
        visa.due_at = Some(ledger.now_ms.saturating_add(CONTEST_WINDOW_MS));
        note(ledger, &visa, EventKind::VisaWithheld, details);
        ledger.put_visa(visa.clone());
        Ok(Outcome { visa: Some(visa), ..Outcome::default() })
    }
}
