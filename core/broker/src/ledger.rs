//! The scratch layer that one command works on: rows as they are, and what the command would change.

use crate::account::{Account, AccountKey};
use crate::actor::Actor;
use crate::amount::Amount;
use crate::code::{Phase, TransferCode};
use crate::draft::{Draft, Made};
use crate::event::Event;
use crate::id::{Id, Ids};
use crate::log::{Entry, Head};
use crate::once::{Once, OnceKey};
use crate::refusal::{Refusal, RefusalCode};
use crate::rules::Rules;
use crate::store::{Keys, Loaded};
use crate::transfer::Transfer;
use crate::visa::Visa;
use std::collections::BTreeMap;

/// What one command would change.
#[derive(Default)]
pub(crate) struct Overlay {
    pub(crate) accounts: BTreeMap<crate::account::AccountId, Account>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) visas: BTreeMap<Id, Visa>,
    pub(crate) once: BTreeMap<OnceKey, Once>,
}

/// One command's view of the rows.
pub(crate) struct Ledger<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) now_ms: i64,
    /// The log as it is before the command.
    pub(crate) head: &'a Head,
    pub(crate) actor: &'a Actor,
    ids: &'a mut dyn Ids,
    rows: &'a Loaded,
    asked: &'a Keys,
    overlay: Overlay,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(
        rules: &'a Rules,
        (now_ms, head): (i64, &'a Head),
        actor: &'a Actor,
        ids: &'a mut dyn Ids,
        rows: &'a Loaded,
        asked: &'a Keys,
    ) -> Self {
        Self { rules, now_ms, head, actor, ids, rows, asked, overlay: Overlay::default() }
    }

    /// Whether this transfer is pending and nothing has resolved it.
    pub(crate) fn is_pending(&self, id: Id) -> Result<bool, Refusal> {
        Ok(self.transfer(id)?.phase == Phase::Pending && !self.rows.resolutions.contains_key(&id))
    }

    pub(crate) fn into_overlay(self) -> Overlay {
        self.overlay
    }

    /// The account, when there is one.
    pub(crate) fn account(&self, key: &AccountKey) -> Result<Option<&Account>, Refusal> {
        let id = key.id();
        asked(self.asked.accounts.contains(&id))?;
        Ok(self.overlay.accounts.get(&id).or_else(|| self.rows.accounts.get(&id)))
    }

    /// Keeps a changed account.
    pub(crate) fn put_account(&mut self, account: Account) {
        self.overlay.accounts.insert(account.id, account);
    }

    /// A transfer that was there before this command. Refusal: `transfer.not_found`.
    pub(crate) fn transfer(&self, id: Id) -> Result<&'a Transfer, Refusal> {
        asked(self.asked.transfers.contains(&id))?;
        self.rows.transfers.get(&id).ok_or_else(|| RefusalCode::TransferNotFound.into())
    }

    /// An entry of the log that is an event.
    pub(crate) fn logged_event(&self, seq: u64) -> Result<Option<&'a Event>, Refusal> {
        asked(self.asked.events.contains(&seq))?;
        Ok(self.rows.events.get(&seq))
    }

    /// A visa. Refusal: `visa.not_found`.
    pub(crate) fn visa(&self, jti: Id) -> Result<Visa, Refusal> {
        asked(self.asked.visas.contains(&jti))?;
        let visa = self.overlay.visas.get(&jti).or_else(|| self.rows.visas.get(&jti));
        visa.cloned().ok_or_else(|| RefusalCode::VisaNotFound.into())
    }

    /// Keeps a changed visa.
    pub(crate) fn put_visa(&mut self, visa: Visa) {
        self.overlay.visas.insert(visa.jti, visa);
    }

    /// A name that has been used and still counts.
    pub(crate) fn once(&self, key: &OnceKey) -> Result<Option<&'a Once>, Refusal> {
        asked(self.asked.once.contains(key))?;
        let counts = |once: &&Once| once.expires_at.is_none_or(|expires| self.now_ms < expires);
        Ok(self.rows.once.get(key).filter(counts))
    }

    /// Uses a name.
    pub(crate) fn put_once(&mut self, key: OnceKey, transfer: Option<Id>, expires_at: Option<i64>) {
        let once = Once { key: key.clone(), transfer, created_at: self.now_ms, expires_at };
        self.overlay.once.insert(key, once);
    }

    /// What the log says that the time is: it never goes back, also when another server's clock is a little ahead.
    pub(crate) fn logged_at(&self) -> i64 {
        self.now_ms.max(self.head.last_at)
    }

    /// Notes an event.
    pub(crate) fn event(&mut self, event: Event) {
        self.overlay.entries.push(Entry::Event(event));
    }

    /// An id that the caller did not choose.
    pub(crate) fn next_id(&mut self) -> Id {
        self.ids.next(self.now_ms)
    }

    /// Makes a single or pending transfer, or finds that it was made before under the caller's id.
    ///
    /// Refusals: `asset.unknown`, `amount.range`, `transfer.illegal`, `account.*`, `idempotency.mismatch`.
    pub(crate) fn make(&mut self, draft: Draft) -> Result<Made, Refusal> {
        let asset = draft.debit.asset();
        // What is there already must be able to move on when its asset is no longer offered.
        if !matches!(draft.code, TransferCode::Fee | TransferCode::Unlock | TransferCode::Slash) {
            self.rules.assets.scale(asset)?;
        }
        let id = match draft.id {
            Some(id) => id,
            None => self.next_id(),
        };
        let transfer = Transfer {
            id,
            asset,
            code: draft.code,
            phase: draft.phase,
            pending_id: None,
            debit: draft.debit.id(),
            credit: draft.credit.id(),
            amount: draft.amount,
            reference: draft.reference,
            memo: draft.memo,
            actor: self.actor.clone(),
            seq: 0,
            created_at: self.logged_at(),
        };
        if draft.id.is_some()
            && let Some(before) = self.before(&transfer)?
        {
            return Ok(Made::Before(before.clone()));
        }
        if draft.amount.is_zero() {
            return Err(Refusal::new(RefusalCode::AmountRange, "nothing cannot be transferred"));
        }
        let mut debit = self.account_or_new(&draft.debit)?;
        let mut credit = self.account_or_new(&draft.credit)?;
        draft.code.check(draft.phase, &debit, &credit)?;
        standing(&debit, draft.code, true)?;
        standing(&credit, draft.code, false)?;
        if debit.kind != crate::account::Kind::Outside
            && debit.spendable().and_then(|spendable| spendable.checked_sub(draft.amount)).is_none()
        {
            return Err(RefusalCode::AccountInsufficient.into());
        }
        match draft.phase {
            Phase::Single => {
                debit.debits_posted = debit.debits_posted.checked_add(draft.amount)?;
                credit.credits_posted = credit.credits_posted.checked_add(draft.amount)?;
            }
            _ => {
                debit.debits_pending = debit.debits_pending.checked_add(draft.amount)?;
                credit.credits_pending = credit.credits_pending.checked_add(draft.amount)?;
            }
        }
        // That what is pending can be posted is promised now, not found out later.
        debit.debits_posted.checked_add(debit.debits_pending)?;
        credit.credits_posted.checked_add(credit.credits_pending)?;
        self.put_account(debit);
        self.put_account(credit);
        self.overlay.entries.push(Entry::Transfer(transfer));
        Ok(Made::New(id))
    }

    /// Ends a pending transfer: posts a part or all of it, or, without an amount, voids it.
    ///
    /// Refusals: `transfer.not_found`, `transfer.not_pending` also when its code is another, `transfer.already_resolved`, `amount.range`.
    pub(crate) fn resolve(
        &mut self,
        pending: Id,
        code: TransferCode,
        debit: &AccountKey,
        credit: &AccountKey,
        post: Option<Amount>,
    ) -> Result<(), Refusal> {
        let held = self.transfer(pending)?;
        if held.phase != Phase::Pending || held.code != code {
            return Err(RefusalCode::TransferNotPending.into());
        }
        let ended =
            |entry: &Entry| matches!(entry, Entry::Transfer(made) if made.pending_id == Some(pending));
        if self.rows.resolutions.contains_key(&pending) || self.overlay.entries.iter().any(ended) {
            return Err(RefusalCode::TransferAlreadyResolved.into());
        }
        if (held.debit, held.credit) != (debit.id(), credit.id()) {
            return Err(broken("a pending transfer is between other accounts"));
        }
        if post.is_some_and(|amount| amount.is_zero() || amount > held.amount) {
            return Err(Refusal::new(
                RefusalCode::AmountRange,
                "more than what is pending cannot be posted, nor nothing",
            ));
        }
        let (Some(debit), Some(credit)) = (self.account(debit)?, self.account(credit)?) else {
            return Err(broken("an account of a pending transfer is missing"));
        };
        let (mut debit, mut credit) = (debit.clone(), credit.clone());
        let less = |pending: Amount| {
            pending
                .checked_sub(held.amount)
                .ok_or_else(|| broken("an account has less pending than its transfers"))
        };
        debit.debits_pending = less(debit.debits_pending)?;
        credit.credits_pending = less(credit.credits_pending)?;
        if let Some(amount) = post {
            debit.debits_posted = debit.debits_posted.checked_add(amount)?;
            credit.credits_posted = credit.credits_posted.checked_add(amount)?;
        }
        self.put_account(debit);
        self.put_account(credit);
        let transfer = Transfer {
            id: self.next_id(),
            phase: if post.is_some() { Phase::Post } else { Phase::Void },
            pending_id: Some(pending),
            amount: post.unwrap_or(held.amount),
            memo: None,
            actor: self.actor.clone(),
            seq: 0,
            created_at: self.logged_at(),
            ..held.clone()
        };
        self.overlay.entries.push(Entry::Transfer(transfer));
        Ok(())
    }

    /// The keys of the two accounts of a transfer. Refusal: `ledger.broken` when they are missing.
    pub(crate) fn sides(&self, transfer: &Transfer) -> Result<(AccountKey, AccountKey), Refusal> {
        let key = |id| {
            asked(self.asked.accounts.contains(&id))?;
            self.rows.accounts.get(&id).ok_or_else(|| broken("an account of a transfer is missing"))?.key()
        };
        Ok((key(transfer.debit)?, key(transfer.credit)?))
    }

    fn account_or_new(&self, key: &AccountKey) -> Result<Account, Refusal> {
        match self.account(key)? {
            Some(account) => Ok(account.clone()),
            None => {
                let account = Account::new(key, self.now_ms);
                if account
                    .owner
                    .as_ref()
                    .is_some_and(|owner| owner.as_str().bytes().any(|byte| byte.is_ascii_uppercase()))
                {
                    let message = "the owner of an account is a domain name in lower case";
                    return Err(Refusal::new(RefusalCode::TextMalformed, message));
                }
                Ok(account)
            }
        }
    }

    /// The transfer that has this id already. Refusal: `idempotency.mismatch` when it is about something else.
    fn before(&self, wanted: &Transfer) -> Result<Option<&'a Transfer>, Refusal> {
        asked(self.asked.transfers.contains(&wanted.id))?;
        match self.rows.transfers.get(&wanted.id) {
            None => Ok(None),
            Some(before) if before.same_content(wanted) => Ok(Some(before)),
            Some(_) => {
                let message = format!("the id `{}` was used for another transfer", wanted.id);
                Err(Refusal::new(RefusalCode::IdempotencyMismatch, message))
            }
        }
    }
}

/// Refuses what an account's flags forbid.
fn standing(account: &Account, code: TransferCode, takes: bool) -> Result<(), Refusal> {
    if account.closed {
        return Err(RefusalCode::AccountClosed.into());
    }
    if takes && account.frozen && !code.ignores_freeze() {
        return Err(RefusalCode::AccountFrozen.into());
    }
    Ok(())
}

/// A row that was not asked for looks like one that does not exist; that must never be taken for an answer.
fn asked(asked: bool) -> Result<(), Refusal> {
    if asked { Ok(()) } else { Err(broken("a row was not loaded before it was needed")) }
}

pub(crate) fn broken(message: &'static str) -> Refusal {
    Refusal::new(RefusalCode::LedgerBroken, message)
}

#[cfg(test)]
mod tests;
