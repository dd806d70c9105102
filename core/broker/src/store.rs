//! What the broker asks of a store: load rows, write rows, nothing else. It decides everything, the store keeps it.

use crate::account::{Account, AccountId};
use crate::event::Event;
use crate::id::Id;
use crate::idempotency::{IdempotencyKey, IdempotencyRecord};
use crate::log::{Entry, Head, Leaf};
use crate::once::{Once, OnceKey};
use crate::text::Owner;
use crate::transfer::Transfer;
use crate::visa::{Visa, VisaState};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that commands need, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Accounts.
    pub accounts: BTreeSet<AccountId>,
    /// Transfers; of each also the one that resolves it.
    pub transfers: BTreeSet<Id>,
    /// Visas.
    pub visas: BTreeSet<Id>,
    /// Idempotency records.
    pub idempotency: BTreeSet<IdempotencyKey>,
    /// Names that count once.
    pub once: BTreeSet<OnceKey>,
    /// Events, by their numbers.
    pub events: BTreeSet<u64>,
}

impl Keys {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        let Self { accounts, transfers, visas, idempotency, once, events } = self;
        accounts.is_empty()
            && transfers.is_empty()
            && visas.is_empty()
            && idempotency.is_empty()
            && once.is_empty()
            && events.is_empty()
    }

    /// Takes out what is in the other.
    pub(crate) fn remove(&mut self, other: &Self) {
        self.accounts.retain(|key| !other.accounts.contains(key));
        self.transfers.retain(|key| !other.transfers.contains(key));
        self.visas.retain(|key| !other.visas.contains(key));
        self.idempotency.retain(|key| !other.idempotency.contains(key));
        self.once.retain(|key| !other.once.contains(key));
        self.events.retain(|key| !other.events.contains(key));
    }

    /// Adds what is in the other.
    pub(crate) fn extend(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.transfers.extend(other.transfers);
        self.visas.extend(other.visas);
        self.idempotency.extend(other.idempotency);
        self.once.extend(other.once);
        self.events.extend(other.events);
    }
}

/// The rows that were found. What was asked for and is not here does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The head of the log, in every answer; an empty log's when nothing was ever written.
    pub head: Head,
    /// Accounts.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Transfers by their ids.
    pub transfers: BTreeMap<Id, Transfer>,
    /// The post or void of a pending transfer that was asked for, by the id *of the pending one* (its `pending_id`).
    pub resolutions: BTreeMap<Id, Transfer>,
    /// Visas.
    pub visas: BTreeMap<Id, Visa>,
    /// Idempotency records, also expired ones that are still there.
    pub idempotency: BTreeMap<IdempotencyKey, IdempotencyRecord>,
    /// Names that have been used.
    pub once: BTreeMap<OnceKey, Once>,
    /// Events.
    pub events: BTreeMap<u64, Event>,
}

impl Loaded {
    pub(crate) fn extend(&mut self, other: Self) {
        self.head = other.head;
        self.accounts.extend(other.accounts);
        self.transfers.extend(other.transfers);
        self.resolutions.extend(other.resolutions);
        self.visas.extend(other.visas);
        self.idempotency.extend(other.idempotency);
        self.once.extend(other.once);
        self.events.extend(other.events);
    }
}

/// Everything that a batch changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The log's size before the batch: `head.size` of the row that is replaced. A store may compare it as a last guard.
    pub size_before: u64,
    /// The new head: replace the one row.
    pub head: Head,
    /// Accounts, new ones and changed ones: insert or replace by id. Only balances, flags and version of an old one differ.
    pub accounts: Vec<Account>,
    /// Which of the accounts are new. A store may insert them empty first, so that every balance changes by a transfer that is there.
    pub opened: BTreeSet<AccountId>,
    /// New transfers, in the order of `seq`: insert; an id or `pending_id` that exists must fail the write.
    pub transfers: Vec<Transfer>,
    /// Visas, new ones and changed ones: insert or replace by `jti`.
    pub visas: Vec<Visa>,
    /// Which of the visas are new.
    pub issued: BTreeSet<Id>,
    /// New events, in the order of `seq`: insert.
    pub events: Vec<Event>,
    /// One per new transfer and event, in the order of `seq`: insert.
    pub leaves: Vec<Leaf>,
    /// Idempotency records: insert or replace by key (only expired ones are replaced).
    pub idempotency: Vec<IdempotencyRecord>,
    /// Names that count once: insert or replace by key (only expired ones are replaced).
    pub once: Vec<Once>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self { accounts, transfers, visas, events, idempotency, once, .. } = self;
        accounts.is_empty()
            && transfers.is_empty()
            && visas.is_empty()
            && events.is_empty()
            && idempotency.is_empty()
            && once.is_empty()
    }

    /// Adds the changes of a batch that was decided on top of these: both are then one.
    pub fn append(&mut self, later: Self) {
        let Self { size_before: _, head, accounts, opened, transfers, visas, issued, events, leaves, .. } =
            later;
        self.head = head;
        replace(&mut self.accounts, accounts, |row| row.id);
        self.opened.extend(opened);
        self.transfers.extend(transfers);
        replace(&mut self.visas, visas, |row| row.jti);
        self.issued.extend(issued);
        self.events.extend(events);
        self.leaves.extend(leaves);
        replace(&mut self.idempotency, later.idempotency, |row| row.key.clone());
        replace(&mut self.once, later.once, |row| row.key.clone());
    }

    /// Puts its rows, of those that `keys` names, where those were that it replaces: what is loaded is then as after the changes.
    pub fn lay_over(&self, keys: &Keys, loaded: &mut Loaded) {
        loaded.head = self.head.clone();
        for row in self.accounts.iter().filter(|row| keys.accounts.contains(&row.id)) {
            loaded.accounts.insert(row.id, row.clone());
        }
        for row in &self.transfers {
            if keys.transfers.contains(&row.id) {
                loaded.transfers.insert(row.id, row.clone());
            }
            if let Some(pending) = row.pending_id.filter(|id| keys.transfers.contains(id)) {
                loaded.resolutions.insert(pending, row.clone());
            }
        }
        for row in self.visas.iter().filter(|row| keys.visas.contains(&row.jti)) {
            loaded.visas.insert(row.jti, row.clone());
        }
        for row in self.events.iter().filter(|row| keys.events.contains(&row.seq)) {
            loaded.events.insert(row.seq, row.clone());
        }
        for row in self.idempotency.iter().filter(|row| keys.idempotency.contains(&row.key)) {
            loaded.idempotency.insert(row.key.clone(), row.clone());
        }
        for row in self.once.iter().filter(|row| keys.once.contains(&row.key)) {
            loaded.once.insert(row.key.clone(), row.clone());
        }
    }
}

/// Rows by key: later ones take the place of earlier ones.
fn replace<K: Ord, T>(rows: &mut Vec<T>, later: Vec<T>, key: impl Fn(&T) -> K) {
    if rows.is_empty() {
        *rows = later;
    } else if !later.is_empty() {
        let by_key: BTreeMap<K, T> = rows.drain(..).chain(later).map(|row| (key(&row), row)).collect();
        rows.extend(by_key.into_values());
    }
}

/// A store that batches are written to. The calls come in the order `begin`, `load` once to a few times, then `write` or `abort`.
pub trait Store {
    /// Why the store failed. What its caller learns is `store.busy`; nothing was acknowledged.
    type Error;

    /// Whether the same batch may succeed when it is begun again (SQLSTATE 40001 and 40P01, `SQLITE_BUSY`).
    fn is_conflict(error: &Self::Error) -> bool;

    /// Begins a transaction that no other writer overlaps with, and locks the head.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Everything that `keys` names, and the head, as it stands and stays until the transaction ends; what is not there is absent.
    fn load(&mut self, keys: &Keys) -> Result<Loaded, Self::Error>;

    /// Writes everything and commits, durably; or nothing, and the transaction has ended too.
    fn write(&mut self, changes: &Changes) -> Result<(), Self::Error>;

    /// Ends the transaction without a change. There is nothing that a caller could do about a failure, so none is told.
    fn abort(&mut self);
}

/// What the server reads beside: each call is a transaction of its own, or all run in one when the caller wants a consistent picture.
pub trait Reader {
    /// Why the store failed.
    type Error;

    /// The head of the log.
    fn head(&mut self) -> Result<Head, Self::Error>;

    /// Up to `limit` accounts in the order of their ids, of one owner or of all, after this id.
    fn accounts(
        &mut self,
        owner: Option<&Owner>,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, Self::Error>;

    /// The accounts with these ids that there are.
    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Account>, Self::Error>;

    /// One transfer.
    fn transfer(&mut self, id: Id) -> Result<Option<Transfer>, Self::Error>;

    /// Up to `limit` transfers to or from an account of this owner, of however many, newest first, with numbers below `before`.
    fn statement(
        &mut self,
        owner: &Owner,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Transfer>, Self::Error>;

    /// One visa.
    fn visa(&mut self, jti: Id) -> Result<Option<Visa>, Self::Error>;

    /// Up to `limit` visas, newest first, with a `jti` below `before`.
    fn visas(
        &mut self,
        filter: &VisaFilter,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Visa>, Self::Error>;

    /// Up to `limit` events of a visa, in the order of their numbers.
    fn events(&mut self, jti: Id, limit: usize) -> Result<Vec<Event>, Self::Error>;

    /// Up to `limit` entries of the log from number `from` on, each with its leaf.
    fn entries(&mut self, from: u64, limit: usize) -> Result<Vec<(Entry, Leaf)>, Self::Error>;

    /// Up to `limit` leaves from number `from` on.
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Leaf>, Self::Error>;

    /// The leaves with these numbers that there are: what proofs are made of.
    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Leaf>, Self::Error>;

    /// Up to `limit` visas whose `due_at` is not after `now_ms`, the longest due first, after this one: give each to [`crate::Due`]. One
    /// that is refused stays due; whoever goes on after the last one passes over it.
    fn due(&mut self, now_ms: i64, after: Option<DueVisa>, limit: usize)
    -> Result<Vec<DueVisa>, Self::Error>;

    /// How many rows of the log there are, whatever their numbers.
    fn log_counts(&mut self) -> Result<LogCounts, Self::Error>;

    /// The visas with these names that there are.
    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Visa>, Self::Error>;

    /// The names that count once of these that there are.
    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Once>, Self::Error>;

    /// The ids that there are of these, each as often as there are transfers with it, with the transfer's number.
    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<(Id, u64)>, Self::Error>;
}

/// A visa that is due, and since when. In the order in which visas are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueVisa {
    /// Since when, in milliseconds since 1970.
    pub due_at: i64,
    /// Which.
    pub jti: Id,
}

/// How many rows of the log there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Transfers.
    pub transfers: u64,
    /// Events.
    pub events: u64,
    /// Leaves.
    pub leaves: u64,
    /// Visas.
    pub visas: u64,
}

/// Forgetting what no longer counts.
pub trait Sweep {
    /// Why the store failed.
    type Error;

    /// Deletes up to `limit` idempotency records and names whose `expires_at` is not after `now_ms`. Returns how many.
    fn sweep(&mut self, now_ms: i64, limit: usize) -> Result<usize, Self::Error>;
}

/// Which visas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisaFilter {
    /// Of this agent or publisher.
    pub party: Option<Owner>,
    /// In this state.
    pub state: Option<VisaState>,
}
