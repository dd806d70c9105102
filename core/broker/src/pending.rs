//! Ending a pending transfer that two people or a bank decide on.

use crate::code::TransferCode;
use crate::id::Id;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};

/// Names the transfer and, when it is known, its accounts.
pub(crate) fn keys(pending: Id, loaded: &Loaded, keys: &mut Keys) {
    keys.transfers.insert(pending);
    if let Some(transfer) = loaded.transfers.get(&pending) {
        keys.accounts.extend([transfer.debit, transfer.credit]);
    }
}

/// Posts all of it, or voids it. Refusal: `admin.second_needed` to an operator who posts what he has asked for: each code that is ended here needs a
/// second one ([`TransferCode::needs_second`]).
pub(crate) fn end(
    ledger: &mut Ledger<'_>,
    pending: Id,
    code: TransferCode,
    post: bool,
) -> Result<Outcome, Refusal> {
    let transfer = ledger.transfer(pending)?;
    if post && transfer.code == code && transfer.actor == *ledger.actor {
        return Err(RefusalCode::AdminSecondNeeded.into());
    }
    let (debit, credit) = ledger.sides(transfer)?;
    ledger.resolve(pending, code, &debit, &credit, Some(transfer.amount).filter(|_| post))?;
    Ok(Outcome::default())
}
