//! Corrections: two operators, who are not the same, may move money between any two accounts (BROKER §1).

use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::code::{Phase, TransferCode};
use crate::command::Act;
use crate::draft::{Draft, Move};
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::pending;
use crate::refusal::Refusal;
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Reference};

/// The first operator says what is to be moved; it is reserved until a second one has decided. The transfer's id names the correction.
///
/// Refusals: `actor.denied`, `account.insufficient`, `account.closed`, `amount.range`, `asset.unknown`, `transfer.illegal`,
/// `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correct {
    /// The id that the transfer gets; a new one when absent.
    pub id: Option<Id>,
    /// From.
    pub debit: AccountKey,
    /// To, in the same asset.
    pub credit: AccountKey,
    /// How much.
    pub amount: Amount,
    /// What is corrected: a transfer or a case.
    pub reference: Option<Reference>,
    /// Why.
    pub memo: Memo,
}

impl Move for Correct {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_operate()
    }

    fn draft(&self) -> Draft {
        Draft {
            id: self.id,
            code: TransferCode::Correction,
            phase: Phase::Pending,
            debit: self.debit.clone(),
            credit: self.credit.clone(),
            amount: self.amount,
            reference: self.reference.clone(),
            memo: Some(self.memo.clone()),
        }
    }
}

/// The second operator agrees: the money moves.
///
/// Refusals: `actor.denied`, `admin.second_needed` to the first operator, `transfer.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApproveCorrection {
    /// The correction.
    pub id: Id,
}

impl Act for ApproveCorrection {
    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        pending::keys(self.id, loaded, keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        pending::end(ledger, self.id, TransferCode::Correction, true)
    }
}

/// Any operator, also the first, gives the correction up.
///
/// Refusals: `actor.denied`, `transfer.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectCorrection {
    /// The correction.
    pub id: Id,
}

impl Act for RejectCorrection {
    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        pending::keys(self.id, loaded, keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        pending::end(ledger, self.id, TransferCode::Correction, false)
    }
}
