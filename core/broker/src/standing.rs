//! What may happen to an account: frozen, as before, closed. Operators only.

use crate::account::{Account, AccountKey, Kind};
use crate::command::{Act, name_accounts};
use crate::event::{Event, EventKind};
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::refusal::{Refusal, RefusalCode};
use crate::store::{Keys, Loaded};
use crate::text::Memo;

/// Nothing new is taken from the account; what is pending goes on, and money may come in. Freezing twice changes nothing.
///
/// Refusals: `actor.denied`, `account.not_found`, `account.closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Which account.
    pub account: AccountKey,
    /// Why.
    pub memo: Option<Memo>,
}

impl Act for Freeze {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, [&self.account]);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        change(ledger, &self.account, self.memo.as_ref(), EventKind::AccountFrozen, |account| {
            Ok(!core::mem::replace(&mut account.frozen, true))
        })
    }
}

/// The account is as before.
///
/// Refusals: `actor.denied`, `account.not_found`, `account.closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfreeze {
    /// Which account.
    pub account: AccountKey,
    /// Why.
    pub memo: Option<Memo>,
}

impl Act for Unfreeze {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, [&self.account]);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        change(ledger, &self.account, self.memo.as_ref(), EventKind::AccountUnfrozen, |account| {
            Ok(core::mem::replace(&mut account.frozen, false))
        })
    }
}

/// Ends an empty account for ever.
///
/// Refusals: `actor.denied`, `account.not_found`, `account.closed`, `account.not_empty`, `transfer.illegal` for an account without an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Which account.
    pub account: AccountKey,
    /// Why.
    pub memo: Option<Memo>,
}

impl Act for Close {
    fn keys(&self, _: &Loaded, keys: &mut Keys) {
        name_accounts(keys, [&self.account]);
    }

    fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Outcome, Refusal> {
        change(ledger, &self.account, self.memo.as_ref(), EventKind::AccountClosed, |account| {
            if !matches!(account.kind, Kind::Available | Kind::Locked) {
                let message = "only accounts that have an owner can be closed";
                return Err(Refusal::new(RefusalCode::TransferIllegal, message));
            }
            let pending = !account.debits_pending.is_zero() || !account.credits_pending.is_zero();
            if pending || account.debits_posted != account.credits_posted {
                return Err(RefusalCode::AccountNotEmpty.into());
            }
            account.closed = true;
            Ok(true)
        })
    }
}

/// Changes an account's flags; `flag` says whether they were otherwise before.
fn change(
    ledger: &mut Ledger<'_>,
    key: &AccountKey,
    memo: Option<&Memo>,
    kind: EventKind,
    flag: impl FnOnce(&mut Account) -> Result<bool, Refusal>,
) -> Result<Outcome, Refusal> {
    ledger.actor.must_operate()?;
    let mut account = ledger.account(key)?.cloned().ok_or(RefusalCode::AccountNotFound)?;
    if account.closed {
        return Err(RefusalCode::AccountClosed.into());
    }
    if flag(&mut account)? {
        let details = memo.map(|memo| ("memo", memo.as_str().into())).into_iter().collect();
        ledger.event(Event::new(kind, None, Some(account.id), ledger.actor, ledger.logged_at(), details));
        ledger.put_account(account.clone());
    }
    Ok(Outcome { account: Some(account), ..Outcome::default() })
}
