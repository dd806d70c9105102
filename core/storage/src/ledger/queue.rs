//! The ledger that callers hold, and the queue before its thread.

use super::ahead::Ahead;
use super::answers::Answers;
use super::backend::{Connect, Writer, open};
use super::clock::Watched;
use super::line::{Answer, Line};
use super::options::{Address, Options};
use super::random::Random;
use super::readers::{Readers, Reading};
use super::ticket::Ticket;
use super::worker::Worker;
use super::writing::Desk;
use crate::sql::Sql;
use crate::sqlite::Sqlite;
use crate::sync::mpsc::{self, SyncSender};
use crate::sync::{self, JoinHandle, Mutex, RwLock};
use core::fmt;
use imagxp_broker::{Command, Outcome, Refusal, RefusalCode, Request, TimeOrdered};
use imagxp_database::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A ledger in a database: submit requests to it, and read from it. Cheap to clone; all clones are one.
///
/// Several processes may hold one PostgreSQL ledger, or one SQLite file on one machine: their batches are serial, each sees the other's.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    line: Arc<Line>,
    worker: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    gate: Arc<Gate>,
}

/// How long the end waits for what was sent.
const CLOSING: Duration = Duration::from_secs(120);

pub(super) enum Job {
    Request(Box<Request>, Answer),
    /// What time it is by the ledger's clock.
    Time(i64, SyncSender<Result<i64, Refusal>>),
    Work(Work),
}

/// What is done between two batches, on the connection that writes, or without one when it was lost.
type Work = Box<dyn FnOnce(Result<&mut dyn Sql>) + Send>;

/// Whether writes are taken, and what the thread has to tell.
pub(super) struct Gate {
    closed: RwLock<Option<Refusal>>,
    size: watch::Sender<u64>,
    pub(super) conflicts: AtomicU64,
    #[expect(clippy::type_complexity, reason = "as in the options")]
    report: Option<Arc<dyn Fn(&Error) + Send + Sync>>,
}

impl Ledger {
    /// Opens a ledger; makes it when there is none, and brings its tables up to date, unless [`Options::migrate`] forbids it. `now_ms` is noted with
    /// the migrations.
    ///
    /// Errors: `storage.unavailable`, `storage.config`, `storage.schema`.
    pub fn open(address: &Address, options: Options, now_ms: i64) -> Result<Self> {
        let (writer, connect) = open(address, &options, now_ms)?;
        Self::start(address.clone(), writer, connect, options, Desk::write)
    }

    /// `write` is what the thread that writes does: the models put a faulty one in its place.
    pub(super) fn start(
        address: Address,
        writer: Writer,
        connect: Connect,
        options: Options,
        write: fn(&Desk),
    ) -> Result<Self> {
        if options.queue == 0 || options.batch == 0 || options.readers == 0 {
            return Err(Error::new(ErrorKind::Config, "a ledger has a queue, batches and readers"));
        }
        options
            .rules
            .check()
            .map_err(|refusal| Error::new(ErrorKind::Config, refusal.message().to_owned()))?;
        // Where nobody else writes at the same time: a file, and not one in memory, whose readers would wait for it.
        let ahead = match &address {
            Address::Sqlite(path) => Some(Ahead::new(Sqlite::decider(path)?)),
            Address::Memory | Address::Postgres(_) => None,
        };
        let line = Arc::new(Line::new(options.queue, options.batch));
        let readers = Arc::new(Readers::new(connect, options.readers));
        let size = readers.take()?.log_size()?;
        let gate = Arc::new(Gate {
            closed: RwLock::new(None),
            size: watch::Sender::new(size),
            conflicts: AtomicU64::new(0),
            report: options.report.clone(),
        });
        // Drawn once, so that the thread never has to deal with a system that has no entropy left: a counter mixed by SipHash would do as
        // well, but the system's generator is there.
        getrandom::u64().map_err(no_entropy)?;
        let mut random = Random::default();
        let ids = Box::new(TimeOrdered::new(move || random.next()));
        let desk = Arc::new(Desk {
            writer: Mutex::new(writer),
            line: Arc::clone(&line),
            gate: Arc::clone(&gate),
            readers: Arc::clone(&readers),
            answers: Answers::start().map_err(no_thread)?,
        });
        let writes = match &ahead {
            Some(_) => Some(spawn("ledger-writes", {
                let desk = Arc::clone(&desk);
                move || write(&desk)
            })?),
            None => None,
        };
        let worker = Worker {
            desk,
            ahead,
            rules: options.rules,
            ids,
            tidy_at: Instant::now(),
            clock: options.clock,
            watch: Watched::default(),
            writes,
        };
        let worker = Mutex::new(Some(spawn("ledger", move || worker.run())?));
        Ok(Self { shared: Arc::new(Shared { address, line, worker, readers, gate }) })
    }

    /// Puts a request in the queue. The ticket is answered when what came of it is durable.
    ///
    /// Refusals at once: `store.busy` when the queue is full or the ledger closed, `ledger.broken` when writes are refused. With the answer:
    /// those of the command, `store.busy` when the database failed and nothing was done, and `store.unknown` when nobody knows whether it was
    /// done: the same request with the same idempotency key finds out.
    pub fn submit(&self, request: Request) -> Result<Ticket, Refusal> {
        self.shared.gate.admit(&request)?;
        let (answer, ticket) = Ticket::new();
        self.send(Job::Request(Box::new(request), answer)).map(|()| ticket)
    }

    /// Submits and waits, on a thread that may block.
    pub fn submit_and_wait(&self, request: Request) -> Result<Outcome, Refusal> {
        self.submit(request)?.wait()
    }

    /// What time it is, in milliseconds since 1970, by the clock that counts ([`Options::clock`]); `given_ms` when that is the caller's. Blocks.
    ///
    /// Refusals: `clock.wrong` when nothing may be written by it, `store.busy`.
    pub fn time(&self, given_ms: i64) -> Result<i64, Refusal> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Job::Time(given_ms, answer))?;
        answered.recv().unwrap_or_else(|_| Err(Refusal::new(RefusalCode::StoreBusy, "the ledger was closed")))
    }

    /// A connection for reading, given back when it is dropped. Waits a little when all are in use; blocks, so not for async functions.
    /// Errors: `store.busy`, `storage.unavailable`.
    pub fn read(&self) -> Result<Reading> {
        self.shared.readers.take()
    }

    /// How many entries the log has, as far as this process knows; changes when this process has written. Others' entries are found by
    /// looking, [`Reading::events_from`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.gate.size.subscribe()
    }

    /// Refuses writes from now on, not reads: an invariant does not hold (BROKER §4). Writes are answered with this refusal. What was refused
    /// with `log.rewound` is taken again from an accepted `AcceptLog` on; what was refused with `ledger.broken` stays refused with that.
    pub fn refuse_writes(&self, refusal: Refusal) {
        self.shared.gate.refuse(refusal);
    }

    /// Why writes are refused, when they are.
    pub fn refusal(&self) -> Option<Refusal> {
        self.shared.gate.closed()
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// How many transactions had to be begun again because another process was in their way.
    pub fn conflicts(&self) -> u64 {
        self.shared.gate.conflicts.load(Ordering::Relaxed)
    }

    /// Takes no more requests, does those that wait, and ends the connections. Blocks until then, at most two minutes: a database that does
    /// not answer must not keep a server from ending.
    pub fn close(&self) {
        self.shared.line.close();
        let worker = self.shared.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if worker.is_some_and(|worker| !sync::wait(worker, CLOSING)) {
            self.shared.gate.report(&Error::new(
                ErrorKind::Unknown,
                "the database does not answer; what waited may be lost",
            ));
        }
        self.shared.readers.close();
    }

    /// Runs between two batches, on the connection that writes, and waits for it.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Sql) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = Job::Work(Box::new(move |sql| {
            let _ = answer.send(sql.and_then(work));
        }));
        self.send(job).map_err(|refusal| Error::new(ErrorKind::Busy, refusal.message().to_owned()))?;
        answered.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Busy, "the ledger was closed")))
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        self.shared.line.send(job)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Whoever wants to wait for the rest calls `close`; the thread ends by itself when it has done what was sent.
        self.line.close();
        self.readers.close();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("size", &*self.shared.gate.size.borrow()).finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn closed(&self) -> Option<Refusal> {
        self.closed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses when writes are refused. To a log that has gone back an operator may still say that it is accepted, and before that, should it
    /// be old, that the clock is right.
    pub(super) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let says = matches!(request.command, Command::AcceptLog(_) | Command::TrustClock(_));
        match self.closed() {
            Some(refusal) if !(says && refusal.code() == RefusalCode::LogRewound) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Takes writes again that were refused because the log had gone back, and for no other reason.
    pub(super) fn accepted(&self) {
        let mut closed = self.closed.write().unwrap_or_else(PoisonError::into_inner);
        if closed.as_ref().is_some_and(|refusal| refusal.code() == RefusalCode::LogRewound) {
            *closed = None;
        }
    }

    pub(super) fn close(&self, why: &'static str) {
        self.refuse(Refusal::new(RefusalCode::LedgerBroken, why));
    }

    fn refuse(&self, refusal: Refusal) {
        let mut closed = self.closed.write().unwrap_or_else(PoisonError::into_inner);
        let broken = |refusal: &Refusal| refusal.code() == RefusalCode::LedgerBroken;
        // An operator accepts a log that has gone back, and not with it an invariant that does not hold.
        if broken(&refusal) || !closed.as_ref().is_some_and(broken) {
            *closed = Some(refusal);
        }
    }

    pub(super) fn report(&self, error: &Error) {
        if let Some(report) = &self.report {
            report(error);
        }
    }

    pub(super) fn grown(&self, size: u64) {
        self.size.send_if_modified(|known| size > std::mem::replace(known, size.max(*known)));
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    sync::spawn(name, work).map_err(no_thread)
}

fn no_thread(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "no thread can be started").with_source(error)
}

fn no_entropy(error: getrandom::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the system has no random numbers: {error}"))
}
