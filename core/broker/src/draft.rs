//! Transfers that are wanted, and the commands that want just one.

use crate::account::AccountKey;
use crate::actor::Actor;
use crate::amount::Amount;
use crate::code::{Phase, TransferCode};
use crate::command::{Act, name_accounts};
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::store::{Keys, Loaded};
use crate::text::{Memo, Reference};
use crate::transfer::Transfer;

/// A transfer that is wanted; number and time are the ledger's, and the id when the caller has chosen none.
pub(crate) struct Draft {
    pub(crate) id: Option<Id>,
    pub(crate) code: TransferCode,
    pub(crate) phase: Phase,
    pub(crate) debit: AccountKey,
    pub(crate) credit: AccountKey,
    pub(crate) amount: Amount,
    pub(crate) reference: Option<Reference>,
    pub(crate) memo: Option<Memo>,
}

/// What became of a [`Draft`].
pub(crate) enum Made {
    /// It is a new transfer.
    New(Id),
    /// The caller's id names the same transfer already.
    Before(Transfer),
}

impl From<Made> for Outcome {
    /// The outcome of a command that wants just this transfer; the new one is added when the command has succeeded.
    fn from(made: Made) -> Self {
        match made {
            Made::New(_) => Self::default(),
            Made::Before(transfer) => Self { transfers: vec![transfer], repeated: true, ..Self::default() },
        }
    }
}

/// A command that wants one transfer and nothing else.
pub(crate) trait Move {
    /// Whether this actor may ask for it. Refusal: `actor.denied`.
    fn allow(&self, actor: &Actor) -> Result<(), Refusal>;

    /// The transfer.
    fn draft(&self) -> Draft;
}

impl<M: Move> Act for M {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        self.draft().name(keys);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        self.allow(ledger.actor)?;
        Ok(ledger.make(self.draft())?.into())
    }
}

impl Draft {
    /// Names its accounts, and the transfer that its id may name already.
    pub(crate) fn name(&self, keys: &mut Keys) {
        name_accounts(keys, [&self.debit, &self.credit]);
        keys.transfers.extend(self.id);
    }
}
