//! What time does to a visa.

use super::VisaState;
use super::settle::{Settlement, keys, settle};
use crate::actor::Actor;
use crate::command::Act;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};

/// Does what time has made due: a visa that nobody presented expires, one without feedback is released, a withheld one is refunded.
///
/// When nothing is due, because another server was quicker, the outcome has no transfers. The clock or an operator. Refusals:
/// `actor.denied`, `visa.not_found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which visa.
    pub jti: Id,
}

impl Act for Due {
    fn keys(&self, loaded: &Loaded, named: &mut Keys) {
        keys(self.jti, loaded, named);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        if matches!(ledger.actor, Actor::Party(_)) {
            return Err(RefusalCode::ActorDenied.into());
        }
        let visa = ledger.visa(self.jti)?;
        if !visa.is_due(ledger.now_ms) {
            return Ok(Outcome { visa: Some(visa), ..Outcome::default() });
        }
        let settlement = match visa.state {
            VisaState::Issued => Settlement::Expire,
            VisaState::Redeemed => Settlement::Release,
            VisaState::Withheld => Settlement::Refund,
            _ => return Err(crate::ledger::broken("a visa that is settled waits for a time")),
        };
        settle(ledger, visa, settlement, Vec::new())
    }
}
