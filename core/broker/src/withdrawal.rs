//! Withdrawals: money that goes out to the bank, reserved until the bank has answered.

use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::command::Act;
use crate::draft::{Draft, Move};
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::pending;
use crate::refusal::Refusal;
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Owner, Reference};

/// Reserves money that is to go out. The owner or an operator. The transfer's id names the withdrawal from then on.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdraw {
    /// The id that the transfer gets; a new one when absent.
    pub id: Option<Id>,
    /// In which asset.
    pub asset: Asset,
    /// Whose money.
    pub owner: Owner,
    /// How much.
    pub amount: Amount,
    /// Where to: what the bank or payment provider calls it.
    pub reference: Option<Reference>,
    /// A note.
    pub memo: Option<Memo>,
}

impl Move for Withdraw {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_be(&self.owner)
    }

    fn draft(&self) -> Draft {
        Draft {
            id: self.id,
            code: TransferCode::Withdraw,
            phase: Phase::Pending,
            debit: AccountKey::available(self.asset, self.owner.clone()),
            credit: AccountKey::outside(self.asset),
            amount: self.amount,
            reference: self.reference.clone(),
            memo: self.memo.clone(),
        }
    }
}

/// The bank has paid the withdrawal. Operators only, and not the one who asked for it: nobody takes out alone what is somebody else's.
///
/// Refusals: `actor.denied`, `admin.second_needed` to the operator who asked, `transfer.not_found`, `transfer.not_pending`, `transfer.already_resolved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostWithdrawal {
    /// The withdrawal.
    pub id: Id,
}

impl Act for PostWithdrawal {
    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        pending::keys(self.id, loaded, keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        pending::end(ledger, self.id, TransferCode::Withdraw, true)
    }
}

/// The bank has not paid the withdrawal, and will not: the money is the owner's again. Operators only.
///
/// Refusals: `actor.denied`, `transfer.not_found`, `transfer.not_pending`, `transfer.already_resolved`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoidWithdrawal {
    /// The withdrawal.
    pub id: Id,
}

impl Act for VoidWithdrawal {
    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        pending::keys(self.id, loaded, keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        pending::end(ledger, self.id, TransferCode::Withdraw, false)
    }
}
