//! Bonds and stakes: an owner's money that is locked under a reference.

use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::draft::{Draft, Move};
use crate::id::Id;
use crate::refusal::Refusal;
use crate::text::{Memo, Owner, Reference};

/// So much of an owner's money, under a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The id that the transfer gets; a new one when absent.
    pub id: Option<Id>,
    /// In which asset.
    pub asset: Asset,
    /// Whose money.
    pub owner: Owner,
    /// Under which reference it is locked.
    pub bond: Reference,
    /// How much.
    pub amount: Amount,
    /// A note.
    pub memo: Option<Memo>,
}

impl Bond {
    fn available(&self) -> AccountKey {
        AccountKey::available(self.asset, self.owner.clone())
    }

    fn locked(&self) -> AccountKey {
        AccountKey::locked(self.asset, self.owner.clone(), self.bond.clone())
    }

    fn draft(&self, code: TransferCode, debit: AccountKey, credit: AccountKey) -> Draft {
        Draft {
            id: self.id,
            code,
            phase: Phase::Single,
            debit,
            credit,
            amount: self.amount,
            reference: Some(self.bond.clone()),
            memo: self.memo.clone(),
        }
    }
}

/// Locks money of an owner under a reference. The owner or an operator.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock(pub Bond);

impl Move for Lock {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_be(&self.0.owner)
    }

    fn draft(&self) -> Draft {
        self.0.draft(TransferCode::Lock, self.0.available(), self.0.locked())
    }
}

/// Gives locked money back to its owner. Operators only: who gave a bond cannot take it back.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlock(pub Bond);

impl Move for Unlock {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_operate()
    }

    fn draft(&self) -> Draft {
        self.0.draft(TransferCode::Unlock, self.0.locked(), self.0.available())
    }
}

/// Takes locked money for the treasury, also from a frozen account. Operators only.
///
/// Refusals: `actor.denied`, `account.insufficient`, `account.closed`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slash(pub Bond);

impl Move for Slash {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_operate()
    }

    fn draft(&self) -> Draft {
        self.0.draft(TransferCode::Slash, self.0.locked(), AccountKey::treasury(self.0.asset))
    }
}
