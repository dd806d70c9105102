//! Payments between owners.

use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::code::{Phase, TransferCode};
use crate::draft::{Draft, Move};
use crate::id::Id;
use crate::refusal::Refusal;
use crate::text::{Memo, Owner, Reference};

/// One owner pays another, at once and without a fee. The payer or an operator.
///
/// Refusals: `actor.denied`, `account.*`, `amount.range`, `asset.unknown`, `transfer.illegal` to oneself, `idempotency.mismatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pay {
    /// The id that the transfer gets; a new one when absent.
    pub id: Option<Id>,
    /// In which asset.
    pub asset: Asset,
    /// Who pays.
    pub from: Owner,
    /// Who is paid.
    pub to: Owner,
    /// How much.
    pub amount: Amount,
    /// What it is called elsewhere.
    pub reference: Option<Reference>,
    /// A note.
    pub memo: Option<Memo>,
}

impl Move for Pay {
    fn allow(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_be(&self.from)
    }

    fn draft(&self) -> Draft {
        Draft {
            id: self.id,
            code: TransferCode::Pay,
            phase: Phase::Single,
            debit: AccountKey::available(self.asset, self.from.clone()),
            credit: AccountKey::available(self.asset, self.to.clone()),
            amount: self.amount,
            reference: self.reference.clone(),
            memo: self.memo.clone(),
        }
    }
}
