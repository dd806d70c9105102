//! The store in memory: for tests, and as the plainest statement of what a store does.

use crate::account::{Account, AccountId};
use crate::event::{Event, EventKind};
use crate::id::Id;
use crate::idempotency::{IdempotencyKey, IdempotencyRecord};
use crate::log::{Entry, Head, Leaf};
use crate::once::{Once, OnceKey};
use crate::store::{Changes, DueVisa, Keys, Loaded, LogCounts, Reader, Store, Sweep, VisaFilter};
use crate::text::Owner;
use crate::transfer::Transfer;
use crate::visa::Visa;
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// Rows in maps.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    head: Head,
    accounts: BTreeMap<AccountId, Account>,
    transfers: BTreeMap<Id, Transfer>,
    resolutions: BTreeMap<Id, Id>,
    visas: BTreeMap<Id, Visa>,
    due: BTreeSet<DueVisa>,
    entries: BTreeMap<u64, Place>,
    leaves: Vec<Leaf>,
    idempotency: BTreeMap<IdempotencyKey, IdempotencyRecord>,
    once: BTreeMap<OnceKey, Once>,
    open: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Transfer(Id),
    Event(Event),
}

/// What a store in memory cannot take: a call out of order, or changes that contradict what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction(&'static str);

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Contradiction {}

impl Memory {
    /// A store without rows.
    pub fn new() -> Self {
        Self::default()
    }

    fn event(&self, seq: u64) -> Option<&Event> {
        match self.entries.get(&seq)? {
            Place::Event(event) => Some(event),
            Place::Transfer(_) => None,
        }
    }

    fn leaf(&self, seq: u64) -> Option<&Leaf> {
        self.leaves.get(usize::try_from(seq).ok()?)
    }

    fn check(&self, changes: &Changes) -> Result<(), Contradiction> {
        if !self.open {
            return Err(Contradiction("no transaction was begun"));
        }
        if changes.size_before != self.head.size {
            return Err(Contradiction("the log has gone on meanwhile"));
        }
        let mut ids = BTreeSet::new();
        let put_back = |event: &Event| event.kind == EventKind::ClockReset;
        let reset = changes.events.iter().any(put_back);
        if changes.head.last_at < self.head.last_at && !reset {
            return Err(Contradiction("the time goes back"));
        }
        for transfer in &changes.transfers {
            if self.transfers.contains_key(&transfer.id) || !ids.insert(transfer.id) {
                return Err(Contradiction("the transfer's id exists"));
            }
            if transfer.pending_id.is_some_and(|pending| self.resolutions.contains_key(&pending)) {
                return Err(Contradiction("the pending transfer is resolved"));
            }
        }
        if changes.accounts.iter().any(|account| !account.is_sound()) {
            return Err(Contradiction("an account is overdrawn"));
        }
        let new = changes.transfers.len().checked_add(changes.events.len());
        let size = u64::try_from(changes.leaves.len()).ok().and_then(|new| self.head.size.checked_add(new));
        if new != Some(changes.leaves.len()) || size != Some(changes.head.size) {
            return Err(Contradiction("not every entry has a leaf"));
        }
        Ok(())
    }
}

fn pick<K: Ord + Clone, V: Clone>(rows: &BTreeMap<K, V>, keys: &BTreeSet<K>) -> BTreeMap<K, V> {
    keys.iter().filter_map(|key| Some((key.clone(), rows.get(key)?.clone()))).collect()
}

impl Store for Memory {
    type Error = Contradiction;

    fn is_conflict(_: &Contradiction) -> bool {
        false
    }

    fn begin(&mut self) -> Result<(), Contradiction> {
        if core::mem::replace(&mut self.open, true) {
            return Err(Contradiction("a transaction is open"));
        }
        Ok(())
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded, Contradiction> {
        if !self.open {
            return Err(Contradiction("no transaction was begun"));
        }
        let resolution = |pending: &Id| {
            let transfer = self.transfers.get(self.resolutions.get(pending)?)?;
            Some((*pending, transfer.clone()))
        };
        Ok(Loaded {
            head: self.head.clone(),
            accounts: pick(&self.accounts, &keys.accounts),
            transfers: pick(&self.transfers, &keys.transfers),
            resolutions: keys.transfers.iter().filter_map(resolution).collect(),
            visas: pick(&self.visas, &keys.visas),
            idempotency: pick(&self.idempotency, &keys.idempotency),
            once: pick(&self.once, &keys.once),
            events: keys.events.iter().filter_map(|seq| Some((*seq, self.event(*seq)?.clone()))).collect(),
        })
    }

    fn write(&mut self, changes: &Changes) -> Result<(), Contradiction> {
        let checked = self.check(changes);
        self.open = false;
        checked?;
        self.head = changes.head.clone();
        for account in &changes.accounts {
            self.accounts.insert(account.id, account.clone());
        }
        for transfer in &changes.transfers {
            if let Some(pending) = transfer.pending_id {
                self.resolutions.insert(pending, transfer.id);
            }
            self.entries.insert(transfer.seq, Place::Transfer(transfer.id));
            self.transfers.insert(transfer.id, transfer.clone());
        }
        for event in &changes.events {
            self.entries.insert(event.seq, Place::Event(event.clone()));
        }
        self.leaves.extend(changes.leaves.iter().cloned());
        for visa in &changes.visas {
            if let Some(due) = self.visas.get(&visa.jti).and_then(|before| before.due_at) {
                self.due.remove(&DueVisa { due_at: due, jti: visa.jti });
            }
            self.due.extend(visa.due_at.map(|due_at| DueVisa { due_at, jti: visa.jti }));
            self.visas.insert(visa.jti, visa.clone());
        }
        for record in &changes.idempotency {
            self.idempotency.insert(record.key.clone(), record.clone());
        }
        for once in &changes.once {
            self.once.insert(once.key.clone(), once.clone());
        }
        Ok(())
    }

    fn abort(&mut self) {
        self.open = false;
    }
}

impl Reader for Memory {
    type Error = Contradiction;

    fn head(&mut self) -> Result<Head, Contradiction> {
        Ok(self.head.clone())
    }

    fn accounts(
        &mut self,
        owner: Option<&Owner>,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, Contradiction> {
        let wanted = |account: &&Account| {
            after.is_none_or(|after| account.id > after)
                && owner.is_none_or(|owner| account.owner.as_ref() == Some(owner))
        };
        Ok(self.accounts.values().filter(wanted).take(limit).cloned().collect())
    }

    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Account>, Contradiction> {
        Ok(pick(&self.accounts, ids).into_values().collect())
    }

    fn transfer(&mut self, id: Id) -> Result<Option<Transfer>, Contradiction> {
        Ok(self.transfers.get(&id).cloned())
    }

    fn statement(
        &mut self,
        owner: &Owner,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Transfer>, Contradiction> {
        let entries = self.entries.range(..before.unwrap_or(u64::MAX)).rev();
        let transfers = entries.filter_map(|(_, place)| match place {
            Place::Transfer(id) => self.transfers.get(id),
            Place::Event(_) => None,
        });
        let is_theirs =
            |id| self.accounts.get(&id).is_some_and(|account| account.owner.as_ref() == Some(owner));
        let theirs = |transfer: &&Transfer| is_theirs(transfer.debit) || is_theirs(transfer.credit);
        Ok(transfers.filter(theirs).take(limit).cloned().collect())
    }

    fn visa(&mut self, jti: Id) -> Result<Option<Visa>, Contradiction> {
        Ok(self.visas.get(&jti).cloned())
    }

    fn visas(
        &mut self,
        filter: &VisaFilter,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Visa>, Contradiction> {
        let wanted = |visa: &&Visa| {
            before.is_none_or(|before| visa.jti < before)
                && filter.party.as_ref().is_none_or(|party| [&visa.agent, &visa.publisher].contains(&party))
                && filter.state.is_none_or(|state| visa.state == state)
        };
        Ok(self.visas.values().rev().filter(wanted).take(limit).cloned().collect())
    }

    fn events(&mut self, jti: Id, limit: usize) -> Result<Vec<Event>, Contradiction> {
        let events = self.entries.values().filter_map(|place| match place {
            Place::Event(event) if event.jti == Some(jti) => Some(event.clone()),
            _ => None,
        });
        Ok(events.take(limit).collect())
    }

    fn entries(&mut self, from: u64, limit: usize) -> Result<Vec<(Entry, Leaf)>, Contradiction> {
        let entry = |(seq, place): (&u64, &Place)| {
            let leaf = self.leaf(*seq)?;
            let entry = match place {
                Place::Transfer(id) => Entry::Transfer(self.transfers.get(id)?.clone()),
                Place::Event(event) => Entry::Event(event.clone()),
            };
            Some((entry, leaf.clone()))
        };
        Ok(self.entries.range(from..).filter_map(entry).take(limit).collect())
    }

    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Leaf>, Contradiction> {
        let start = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.leaves.iter().skip(start).take(limit).cloned().collect())
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Leaf>, Contradiction> {
        Ok(numbers.iter().filter_map(|seq| self.leaf(*seq).cloned()).collect())
    }

    fn due(
        &mut self,
        now_ms: i64,
        after: Option<DueVisa>,
        limit: usize,
    ) -> Result<Vec<DueVisa>, Contradiction> {
        let later = self.due.iter().filter(|due| after.is_none_or(|after| **due > after));
        Ok(later.take_while(|due| due.due_at <= now_ms).take(limit).copied().collect())
    }

    fn log_counts(&mut self) -> Result<LogCounts, Contradiction> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let transfers = self.entries.values().filter(|place| matches!(place, Place::Transfer(_))).count();
        Ok(LogCounts {
            transfers: count(transfers),
            events: count(self.entries.len().saturating_sub(transfers)),
            leaves: count(self.leaves.len()),
            visas: count(self.visas.len()),
        })
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Visa>, Contradiction> {
        Ok(pick(&self.visas, names).into_values().collect())
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Once>, Contradiction> {
        Ok(pick(&self.once, names).into_values().collect())
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<(Id, u64)>, Contradiction> {
        Ok(ids.iter().filter_map(|id| Some((*id, self.transfers.get(id)?.seq))).collect())
    }
}

impl Sweep for Memory {
    type Error = Contradiction;

    fn sweep(&mut self, now_ms: i64, limit: usize) -> Result<usize, Contradiction> {
        let mut gone = 0_usize;
        let mut stays = |expires: Option<i64>| {
            let goes = gone < limit && expires.is_some_and(|expires| expires <= now_ms);
            gone = gone.saturating_add(usize::from(goes));
            !goes
        };
        self.idempotency.retain(|_, record| stays(Some(record.expires_at)));
        self.once.retain(|_, once| stays(once.expires_at));
        Ok(gone)
    }
}
