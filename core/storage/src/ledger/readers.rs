//! Connections that read: a few, used again, given out one at a time.

use super::backend::Connect;
use crate::period::Statement;
use crate::reader::{SqlReader, VisaCount};
use crate::sql::Sql;
use crate::sync::{Condvar, Mutex, MutexGuard, spawn};
use core::fmt;
use imagxp_broker::{
    Account, AccountId, DueVisa, Entry, Event, Head, Id, Leaf, LogCounts, Once, OnceKey, Owner, Reader,
    Transfer, Visa, VisaFilter,
};
use imagxp_database::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long a reader waits for a connection.
const WAIT: Duration = Duration::from_secs(2);

pub(super) struct Readers {
    connect: Connect,
    most: usize,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Box<dyn Sql + Send>>,
    given: usize,
    closed: bool,
    paused: bool,
}

/// A connection that reads. Each call sees the state of its own moment, unless [`Reading::consistent`] holds one.
pub struct Reading {
    /// Absent only while it is given back.
    sql: Option<Box<dyn Sql + Send>>,
    readers: Arc<Readers>,
    /// Whether whoever asked waits no more.
    given_up: Option<Arc<AtomicBool>>,
}

impl Readers {
    pub(super) fn new(connect: Connect, most: usize) -> Self {
        Self { connect, most, state: Mutex::default(), given_back: Condvar::new() }
    }

    pub(super) fn take(self: &Arc<Self>) -> Result<Reading> {
        let until = Instant::now() + WAIT;
        let mut state = self.lock();
        while (state.given >= self.most || state.paused) && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(ErrorKind::Busy, "all connections are in use"));
            }
            state = self.given_back.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(Error::new(ErrorKind::Busy, "the ledger is closed"));
        }
        state.given += 1;
        let idle = state.idle.pop();
        drop(state);
        let sql = match idle {
            Some(sql) => Ok(sql),
            None => (self.connect)(),
        };
        match sql {
            Ok(sql) => Ok(Reading { sql: Some(sql), readers: Arc::clone(self), given_up: None }),
            Err(error) => {
                self.give_back(None);
                Err(error)
            }
        }
    }

    /// Gives out no connection while the work is done.
    pub(super) fn paused<T>(&self, work: impl FnOnce() -> T) -> T {
        self.lock().paused = true;
        let done = work();
        self.lock().paused = false;
        self.given_back.notify_all();
        done
    }

    pub(super) fn close(&self) {
        let idle = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.idle)
        };
        self.given_back.notify_all();
        let_go(idle);
    }

    fn give_back(&self, sql: Option<Box<dyn Sql + Send>>) {
        let mut state = self.lock();
        state.given = state.given.saturating_sub(1);
        let surplus = match sql {
            Some(sql) if !state.closed => {
                state.idle.push(sql);
                None
            }
            other => other,
        };
        drop(state);
        self.given_back.notify_one();
        let_go(surplus.into_iter().collect());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends connections on a thread of their own: PostgreSQL's client must not be dropped where async functions run.
fn let_go(connections: Vec<Box<dyn Sql + Send>>) {
    if !connections.is_empty() {
        let _ = spawn("let-go", move || drop(connections));
    }
}

impl Reading {
    /// Ends what is read at the next statement once this is true: nobody waits for it any more, and others do for the connection.
    pub fn end_when(&mut self, given_up: Arc<AtomicBool>) {
        self.given_up = Some(given_up);
    }

    pub(crate) fn sql(&mut self) -> Result<&mut dyn Sql> {
        go_on(self.given_up.as_deref())?;
        match &mut self.sql {
            Some(sql) => Ok(&mut **sql),
            None => Err(Error::new(ErrorKind::Unavailable, "the connection was given back")),
        }
    }

    fn with<T>(&mut self, read: impl FnOnce(&mut SqlReader<'_>) -> Result<T>) -> Result<T> {
        read(&mut SqlReader(self.sql()?))
    }

    pub(super) fn log_size(&mut self) -> Result<u64> {
        Ok(self.head()?.size)
    }

    /// Holds one state for all that is read inside.
    pub fn consistent<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.sql()?.begin_read()?;
        let result = read(self);
        self.sql()?.rollback();
        result
    }

    /// Visas by state and asset, with what they are worth: the money by state.
    pub fn counts(&mut self) -> Result<Vec<VisaCount>> {
        self.with(|reader| reader.counts())
    }

    /// Up to `limit` events with numbers from `from` on, of one owner's visas and accounts, or of all: what a watcher has missed.
    pub fn events_from(&mut self, party: Option<&Owner>, from: u64, limit: usize) -> Result<Vec<Event>> {
        self.with(|reader| reader.events_from(party, from, limit))
    }

    /// A statement: an account's transfers with `from_ms <= created_at < until_ms`, at most `limit` of them, and the balances before and
    /// after. `None` when there is no such account, or it is not this owner's. Error: `storage.config` when there are more.
    pub fn period(
        &mut self,
        owner: Option<&Owner>,
        account: AccountId,
        from_ms: i64,
        until_ms: i64,
        limit: usize,
    ) -> Result<Option<Statement>> {
        let given_up = self.given_up.clone();
        self.with(|reader| {
            reader.period(owner, account, from_ms, until_ms, limit, &|| go_on(given_up.as_deref()))
        })
    }
}

/// Error: `store.busy` when whoever asked has given up.
fn go_on(given_up: Option<&AtomicBool>) -> Result<()> {
    match given_up {
        Some(given_up) if given_up.load(Ordering::Relaxed) => {
            Err(Error::new(ErrorKind::Busy, "nobody waits for what is read any more"))
        }
        _ => Ok(()),
    }
}

impl Reader for Reading {
    type Error = Error;

    fn head(&mut self) -> Result<Head> {
        self.with(|reader| reader.head())
    }

    fn accounts(
        &mut self,
        owner: Option<&Owner>,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        self.with(|reader| reader.accounts(owner, after, limit))
    }

    fn transfer(&mut self, id: Id) -> Result<Option<Transfer>> {
        self.with(|reader| reader.transfer(id))
    }

    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Account>> {
        self.with(|reader| reader.accounts_named(ids))
    }

    fn statement(&mut self, owner: &Owner, before: Option<u64>, limit: usize) -> Result<Vec<Transfer>> {
        self.with(|reader| reader.statement(owner, before, limit))
    }

    fn visa(&mut self, jti: Id) -> Result<Option<Visa>> {
        self.with(|reader| reader.visa(jti))
    }

    fn visas(&mut self, filter: &VisaFilter, before: Option<Id>, limit: usize) -> Result<Vec<Visa>> {
        self.with(|reader| reader.visas(filter, before, limit))
    }

    fn events(&mut self, jti: Id, limit: usize) -> Result<Vec<Event>> {
        self.with(|reader| reader.events(jti, limit))
    }

    fn entries(&mut self, from: u64, limit: usize) -> Result<Vec<(Entry, Leaf)>> {
        self.with(|reader| reader.entries(from, limit))
    }

    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Leaf>> {
        self.with(|reader| reader.leaves(from, limit))
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Leaf>> {
        self.with(|reader| reader.leaves_named(numbers))
    }

    fn due(&mut self, now_ms: i64, after: Option<DueVisa>, limit: usize) -> Result<Vec<DueVisa>> {
        self.with(|reader| reader.due(now_ms, after, limit))
    }

    fn log_counts(&mut self) -> Result<LogCounts> {
        self.with(|reader| reader.log_counts())
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Visa>> {
        self.with(|reader| reader.visas_named(names))
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Once>> {
        self.with(|reader| reader.once_named(names))
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<(Id, u64)>> {
        self.with(|reader| reader.transfers_named(ids))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut sql = self.sql.take();
        if let Some(open) = &mut sql
            && open.in_transaction()
        {
            open.rollback();
        }
        // One that was lost is not given to the next.
        let keep = sql.as_ref().is_some_and(|open| !open.is_closed());
        if keep {
            self.readers.give_back(sql);
        } else {
            let_go(sql.into_iter().collect());
            self.readers.give_back(None);
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}
