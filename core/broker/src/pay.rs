//! Payments between owners.

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

impl Pay {
    fn accounts(&self) -> [AccountKey; 2] {
        [&self.from, &self.to].map(|owner| AccountKey::available(self.asset, owner.clone()))
    }
}

impl Act for Pay {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, &self.accounts());
        keys.transfers.extend(self.id);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        ledger.actor.must_be(&self.from)?;
        let [debit, credit] = self.accounts();
        let draft = Draft {
            id: self.id,
            code: TransferCode::Pay,
            phase: Phase::Single,
            debit,
            credit,
            amount: self.amount,
            reference: self.reference.clone(),
            memo: self.memo.clone(),
        };
        Ok(ledger.make(draft)?.into())
    }
}
