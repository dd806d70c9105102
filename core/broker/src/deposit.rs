//! Deposits: money that has come in at the bank.

use crate::account::AccountKey;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::command::Act;
use crate::draft::{Draft, Made};
use crate::id::Id;
use crate::ledger::Ledger;
use crate::once::{OnceKey, OnceScope};
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Owner, Reference};

/// Books money that has come in. Operators only; once per asset and external reference, for ever.
///
/// The same reference with the same owner, amount and memo from the same operator is answered with the first deposit. Refusals: `actor.denied`,
/// `idempotency.mismatch`, `asset.unknown`, `amount.range`, `account.closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// The id that the transfer gets; a new one when absent.
    pub id: Option<Id>,
    /// In which asset.
    pub asset: Asset,
    /// To whom.
    pub owner: Owner,
    /// How much.
    pub amount: Amount,
    /// What the bank or payment provider calls it.
    pub reference: Reference,
    /// A note.
    pub memo: Option<Memo>,
}

impl Deposit {
    fn once(&self) -> OnceKey {
        once_key(self.asset, &self.reference)
    }

    fn draft(&self) -> Draft {
        Draft {
            id: self.id,
            code: TransferCode::Deposit,
            phase: Phase::Single,
            debit: AccountKey::outside(self.asset),
            credit: AccountKey::available(self.asset, self.owner.clone()),
            amount: self.amount,
            reference: Some(self.reference.clone()),
            memo: self.memo.clone(),
        }
    }
}

/// Under which name the reference of a deposit counts once.
pub(crate) fn once_key(asset: Asset, reference: &Reference) -> OnceKey {
    OnceKey { scope: OnceScope::Deposit, name: format!("{asset} {reference}") }
}

impl Act for Deposit {
    fn keys(&self, loaded: &Loaded, keys: &mut Keys) {
        self.draft().name(keys);
        let once = self.once();
        keys.transfers.extend(loaded.once.get(&once).and_then(|once| once.transfer));
        keys.once.insert(once);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_operate()?;
        let draft = self.draft();
        let once = self.once();
        if let Some(before) = ledger.once(&once)? {
            let id = before
                .transfer
                .ok_or_else(|| crate::ledger::broken("a deposit's reference names no transfer"))?;
            let transfer = ledger.transfer(id)?;
            let same = self.id.is_none_or(|id| id == transfer.id)
                && transfer.credit == draft.credit.id()
                && (transfer.amount, &transfer.memo) == (self.amount, &self.memo);
            if !same {
                let message = format!("the reference `{}` was used for another deposit", self.reference);
                return Err(Refusal::new(RefusalCode::IdempotencyMismatch, message));
            }
            // Two providers may number their bookings alike: what looks the same may be other money, and is not to be lost in silence.
            if transfer.actor != *ledger.actor {
                let message = format!(
                    "the reference `{}` was used by another operator; when it is another booking, put the provider's name before it",
                    self.reference
                );
                return Err(Refusal::new(RefusalCode::IdempotencyMismatch, message));
            }
            return Ok(Outcome { transfers: vec![transfer.clone()], repeated: true, ..Outcome::default() });
        }
        let made = ledger.make(draft)?;
        if let Made::New(id) = made {
            ledger.put_once(once, Some(id), None);
        }
        Ok(made.into())
    }
}
