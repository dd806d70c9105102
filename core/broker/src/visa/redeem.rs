//! Presenting a visa.

use super::VisaState;
use super::settle::{must_be, note, time, wrong_state};
use crate::command::Act;
use crate::event::EventKind;
use crate::id::Id;
use crate::ledger::{Ledger, broken};
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::FEEDBACK_WINDOW_MS;
use crate::store::{Keys, Loaded};
use imagxp::crypto::Thumbprint;

/// The publisher presents a visa that an agent has sent it, once. Accepted means: the money stands behind it.
///
/// The server has verified the visa and the agent's signed request. Up to 60 s after `exp`. A publisher that presents many sends many of
/// these, each with an idempotency key of its own when it may be sent again. Refusals: `visa.not_found`, `visa.not_yours`,
/// `visa.wrong_key`, `visa.state`, `visa.expired`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeem {
    /// Which.
    pub jti: Id,
    /// The key that signed the request; a visa that is bound to a key needs it.
    pub request_jkt: Option<Thumbprint>,
}

impl Act for Redeem {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        keys.visas.insert(self.jti);
        keys.transfers.insert(self.jti);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        let mut visa = ledger.visa(self.jti)?;
        must_be(ledger.actor, &visa.publisher)?;
        if visa.jkt.is_some() && visa.jkt != self.request_jkt {
            return Err(RefusalCode::VisaWrongKey.into());
        }
        match visa.state {
            VisaState::Issued if !visa.is_due(ledger.now_ms) => {}
            VisaState::Issued | VisaState::Expired => return Err(RefusalCode::VisaExpired.into()),
            _ => return Err(wrong_state(&visa)),
        }
        if !ledger.is_pending(visa.jti)? {
            return Err(broken("nothing is reserved for a visa that is open"));
        }
        visa.state = VisaState::Redeemed;
        visa.redeemed_at = Some(ledger.now_ms);
        visa.request_jkt = self.request_jkt;
        visa.due_at = Some(ledger.now_ms.saturating_add(FEEDBACK_WINDOW_MS));
        let key = visa.request_jkt.map(|key| ("request_jkt", key.as_str().to_owned().into()));
        let details = key.into_iter().chain([("redeemed_at", time(ledger.now_ms))]).collect();
        note(ledger, &visa, EventKind::VisaRedeemed, details);
        ledger.put_visa(visa.clone());
        Ok(Outcome { visa: Some(visa), ..Outcome::default() })
    }
}
