//! Bonds and stakes: an owner's money that is locked under a reference.

use crate::account::AccountKey;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::command::{Act, name_accounts};
use crate::id::Id;
use crate::ledger::{Draft, Ledger};
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Owner, Reference};

/// Locks money of an owner under a reference. The owner or an operator.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
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

impl Lock {
    fn accounts(&self) -> [AccountKey; 2] {
        [
            AccountKey::available(self.asset, self.owner.clone()),
            AccountKey::locked(self.asset, self.owner.clone(), self.bond.clone()),
        ]
    }
}

impl Act for Lock {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, &self.accounts());
        keys.transfers.extend(self.id);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_be(&self.owner)?;
        let [debit, credit] = self.accounts();
        let draft = Draft {
            id: self.id,
            code: TransferCode::Lock,
            phase: Phase::Single,
            debit,
            credit,
            amount: self.amount,
            reference: Some(self.bond.clone()),
            memo: self.memo.clone(),
        };
        Ok(ledger.make(draft)?.into())
    }
}

/// Gives locked money back to its owner. Operators only: who gave a bond cannot take it back.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlock {
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

impl Unlock {
    fn accounts(&self) -> [AccountKey; 2] {
        [
            AccountKey::locked(self.asset, self.owner.clone(), self.bond.clone()),
            AccountKey::available(self.asset, self.owner.clone()),
        ]
    }
}

impl Act for Unlock {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, &self.accounts());
        keys.transfers.extend(self.id);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let [debit, credit] = self.accounts();
        let draft = Draft {
            id: self.id,
            code: TransferCode::Unlock,
            phase: Phase::Single,
            debit,
            credit,
            amount: self.amount,
            reference: Some(self.bond.clone()),
            memo: self.memo.clone(),
        };
        Ok(ledger.make(draft)?.into())
    }
}

/// Takes locked money for the treasury, also from a frozen account. Operators only.
///
/// Refusals: `actor.denied`, `account.insufficient`, `account.closed`, `amount.range`, `asset.unknown`, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slash {
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

impl Slash {
    fn accounts(&self) -> [AccountKey; 2] {
        [
            AccountKey::locked(self.asset, self.owner.clone(), self.bond.clone()),
            AccountKey::treasury(self.asset),
        ]
    }
}

impl Act for Slash {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, &self.accounts());
        keys.transfers.extend(self.id);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let [debit, credit] = self.accounts();
        let draft = Draft {
            id: self.id,
            code: TransferCode::Slash,
            phase: Phase::Single,
            debit,
            credit,
            amount: self.amount,
            reference: Some(self.bond.clone()),
            memo: self.memo.clone(),
        };
        Ok(ledger.make(draft)?.into())
    }
}
