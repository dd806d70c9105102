//! The end of a dispute.

use super::VisaState;
use super::settle::{Settlement, keys, settle, wrong_state};
use crate::amount::Amount;
use crate::command::Act;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::Memo;

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All to the publisher.
    Release,
    /// All back to the agent.
    Refund,
    /// A part to the publisher, the rest back to the agent.
    Split {
        /// The publisher's part before the fee: more than nothing, less than all.
        amount: Amount,
    },
}

/// An operator ends a dispute.
///
/// Refusals: `actor.denied`, `visa.not_found`, `visa.state`, `amount.range` for a part that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decide {
    /// Which visa.
    pub jti: Id,
    /// How it ends.
    pub decision: Decision,
    /// Why.
    pub memo: Option<Memo>,
}

impl Act for Decide {
    fn keys(&self, loaded: &Loaded, named: &mut Keys) {
        keys(self.jti, loaded, named);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let visa = ledger.visa(self.jti)?;
        if visa.state != VisaState::Disputed {
            return Err(wrong_state(&visa));
        }
        let settlement = match self.decision {
            Decision::Release => Settlement::Release,
            Decision::Refund => Settlement::Refund,
            Decision::Split { amount } if amount.is_zero() || amount >= visa.amount => {
                let message = "the publisher's part is more than nothing and less than all";
                return Err(Refusal::new(RefusalCode::AmountRange, message));
            }
            Decision::Split { amount } => Settlement::Split(amount),
        };
        let details = self.memo.as_ref().map(|memo| ("memo", memo.as_str().into())).into_iter().collect();
        settle(ledger, visa, settlement, details)
    }
}
