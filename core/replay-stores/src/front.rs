//! What both stores have in common: threads that hold connections, a bounded queue before them, and a time limit on every answer.

use crate::postgres::PostgresBackend;
use crate::redis::RedisBackend;
use crate::shared::Shared;
use core::fmt;
use imagxp::Timestamp;
use imagxp::replay::{Insert, ReplayEntry, ReplayStore, Seen};
use imagxp_database::{Error, ErrorKind, PostgresAddress, RedisAddress, Result};
use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The width of a bucket, in milliseconds.
pub(super) const BUCKET_MS: i64 = 60_000;
/// How much before a dropped bucket counts as forgotten too: claims end somewhat before their entries.
pub(super) const BEFORE_MS: i64 = 24 * 60 * BUCKET_MS;
/// How many separate times are told apart; beyond that the oldest two become one.
pub(super) const MAX_FORGOTTEN: usize = 64;
/// How long after its end a bucket is kept, for processes whose clocks are behind.
pub(super) const GRACE_MS: i64 = 30_000;
/// The longest that an entry is kept, whatever it says: a claim or a visa lives for hours at most.
pub(super) const MAX_KEPT_MS: i64 = 48 * 60 * BUCKET_MS;

const MAX_BATCH: usize = 64;
const MAX_QUEUE: usize = 4096;
const IDLE: Duration = Duration::from_secs(1);
/// How often a database that did not answer is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most entries in all, 1 000 000 by default; beyond that an insertion answers `full`.
    pub max_entries: u32,
    /// The most entries of one agent, 200 000 by default.
    pub max_per_agent: u32,
    /// How long an answer may take, 1 s by default; beyond that it is an error.
    pub time_limit: Duration,
    /// How many connections, and threads, 2 by default.
    pub connections: usize,
    /// What the names in the database begin with, `imagxp` by default: 1 to 32 of `a-z`, `0-9`, `_`, a letter first. Publishers with
    /// different replay secrets need different names only to have separate quotas.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_entries: 1_000_000,
            max_per_agent: 200_000,
            time_limit: Duration::from_secs(1),
            connections: 2,
            name: "imagxp".to_owned(),
        }
    }
}

/// A replay store in a database, shared by every process that is given the same address, name and replay secret (PROTOCOL §5).
pub struct SharedReplayStore {
    address: Address,
    options: Options,
    pid: u32,
    running: Running,
    /// The store of the child process that found this one to be its parent's.
    next: OnceLock<Box<SharedReplayStore>>,
}

#[derive(Clone)]
enum Address {
    Redis(Box<RedisAddress>),
    Postgres(Box<PostgresAddress>),
}

struct Running {
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) key: [u8; 16],
    /// Absent when it is only to be looked up.
    pub(super) insert: Option<Insertion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    pub(super) agent: [u8; 16],
    pub(super) expires_at: i64,
    /// The number of the minute in which the entry ends.
    pub(super) bucket: i64,
    /// From now on until that minute has passed, by the asker's clock, and the grace.
    pub(super) kept_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Stored.
    Fresh,
    Seen,
    Full,
    /// Its time has been forgotten: it may have been seen.
    Forgotten,
    /// Looked for, and not there.
    Absent,
    Error,
}

struct Job {
    ask: Ask,
    until: Instant,
    answer: SyncSender<Reply>,
}

/// A connection to a database.
pub(super) trait Backend: Send {
    /// Answers all, one by one in their order; no two are about one key. An error leaves the connection closed, and it is made anew
    /// the next time.
    fn answer(&mut self, asks: &[Ask], shared: &Shared) -> Result<Vec<Reply>>;

    /// Connects, and checks that the database is fit. Tidies up a little, when there is something.
    fn tend(&mut self, shared: &Shared) -> Result<()>;
}

impl SharedReplayStore {
    /// A store on Redis 6.2 or newer: `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path[?db=n]`. Connects
    /// when first asked.
    ///
    /// Redis must not evict (`maxmemory-policy noeviction`), else nothing but errors is answered; and what it has not written to its
    /// disk when it stops is forgotten, so `appendonly yes` is asked for by the guide. Error: `storage.config`.
    pub fn redis(url: &str, options: Options) -> Result<Self> {
        Self::at_redis(RedisAddress::parse(url, None)?, options)
    }

    /// The same, with an address that was read before.
    pub fn at_redis(address: RedisAddress, options: Options) -> Result<Self> {
        Self::start(Address::Redis(Box::new(address)), options)
    }

    /// A store on PostgreSQL 12 or newer, at an address of [`PostgresAddress`]. Connects when first asked, and makes its tables and functions when they are missing. Error: `storage.config`.
    pub fn postgres(address: &str, options: Options) -> Result<Self> {
        Self::at_postgres(PostgresAddress::parse(address, None, None)?, options)
    }

    /// The same, with an address that was read before.
    pub fn at_postgres(address: PostgresAddress, options: Options) -> Result<Self> {
        Self::start(Address::Postgres(Box::new(address)), options)
    }

    /// Connects once more and says what is wrong, for a start-up check. Errors: `storage.unavailable`, `storage.tls`,
    /// `storage.config`.
    pub fn check(&self) -> Result<()> {
        self.address.backend(&self.options).tend(&self.here().running.shared)
    }

    fn start(address: Address, options: Options) -> Result<Self> {
        let mut name = options.name.bytes();
        let fits = name.next().is_some_and(|first| first.is_ascii_lowercase())
            && name.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && options.name.len() <= 32;
        if !fits {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the name `{}` is not 1 to 32 of a-z, 0-9, _", options.name),
            ));
        }
        if options.connections == 0 || options.connections > 64 || options.time_limit.is_zero() {
            return Err(Error::new(ErrorKind::Config, "a store has 1 to 64 connections and a time limit"));
        }
        Ok(Self::run(address, options))
    }

    fn run(address: Address, options: Options) -> Self {
        let (queue, jobs) = mpsc::sync_channel(MAX_QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let shared = Arc::new(Shared::default());
        for number in 0..options.connections {
            let (jobs, shared) = (Arc::clone(&jobs), Arc::clone(&shared));
            let mut backend = address.backend(&options);
            // Without its thread a store answers nothing in time, which is an error, as it should be.
            let _ = std::thread::Builder::new()
                .name(format!("replay-{number}"))
                .spawn(move || serve(&jobs, &shared, &mut *backend));
        }
        let running = Running { queue, shared };
        Self { address, options, pid: std::process::id(), running, next: OnceLock::new() }
    }

    /// This process's own: threads and connections do not live on in a forked child.
    fn here(&self) -> &Self {
        let pid = std::process::id();
        let mut store = self;
        while store.pid != pid {
            store =
                store.next.get_or_init(|| Box::new(Self::run(self.address.clone(), self.options.clone())));
        }
        store
    }

    fn ask(&self, ask: Ask) -> Reply {
        let (answer, reply) = mpsc::sync_channel(1);
        let limit = self.options.time_limit;
        let running = &self.here().running;
        let job = Job { ask, until: Instant::now() + limit, answer };
        if running.shared.is_down() || running.queue.try_send(job).is_err() {
            return Reply::Error;
        }
        reply.recv_timeout(limit).unwrap_or_else(|_| {
            running.shared.set_down(true);
            Reply::Error
        })
    }
}

impl ReplayStore for SharedReplayStore {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let expires_at = entry.expires_at.as_millis();
        let bucket = expires_at.div_euclid(BUCKET_MS).saturating_add(1);
        let kept = bucket.saturating_mul(BUCKET_MS).saturating_sub(now.as_millis()).saturating_add(GRACE_MS);
        let insertion = Insertion { agent: entry.agent, expires_at, bucket, kept_ms: kept.max(BUCKET_MS) };
        if kept > MAX_KEPT_MS {
            return Insert::Error;
        }
        match self.ask(Ask { key: entry.key, insert: Some(insertion) }) {
            Reply::Fresh => Insert::Fresh,
            Reply::Seen => Insert::Seen,
            Reply::Full => Insert::Full,
            Reply::Forgotten | Reply::Absent | Reply::Error => Insert::Error,
        }
    }

    fn seen(&self, key: &[u8; 16], _: Timestamp) -> Seen {
        match self.ask(Ask { key: *key, insert: None }) {
            Reply::Seen => Seen::Yes,
            Reply::Absent => Seen::No,
            _ => Seen::Error,
        }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.here().running.shared.last().map(Timestamp::from_millis)
    }

    fn forgotten(&self, expires_at: Timestamp) -> bool {
        self.here().running.shared.covers(expires_at.as_millis())
    }
}

impl fmt::Debug for SharedReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedReplayStore").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Address {
    fn backend(&self, options: &Options) -> Box<dyn Backend> {
        match self {
            Self::Redis(address) => Box::new(RedisBackend::new((**address).clone(), options)),
            Self::Postgres(address) => Box::new(PostgresBackend::new((**address).clone(), options)),
        }
    }
}

/// A thread's work, until the store is dropped.
fn serve(jobs: &Mutex<Receiver<Job>>, shared: &Shared, backend: &mut dyn Backend) {
    loop {
        let mut batch = Vec::new();
        {
            let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            match jobs.recv_timeout(if shared.is_down() { TRY_AGAIN } else { IDLE }) {
                Ok(job) => batch.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while batch.len() < MAX_BATCH {
                let Ok(job) = jobs.try_recv() else { break };
                batch.push(job);
            }
        }
        // Nobody waits for these any more: what they would insert, nobody would be told of.
        batch.retain(|job| job.until > Instant::now());
        if batch.is_empty() {
            shared.set_down(backend.tend(shared).is_err());
            continue;
        }
        answer(batch, shared, backend);
    }
}

fn answer(batch: Vec<Job>, shared: &Shared, backend: &mut dyn Backend) {
    // One key twice in a batch: the first is asked, the others find what it left.
    let mut asks: Vec<Ask> = Vec::with_capacity(batch.len());
    let mut places: HashMap<[u8; 16], usize> = HashMap::with_capacity(batch.len());
    let mut of: Vec<(usize, bool)> = Vec::with_capacity(batch.len());
    for job in &batch {
        match places.get(&job.ask.key) {
            // A look-up before an insertion is answered by the insertion: the nonce is not seen yet.
            Some(&place) => {
                let first = asks.get_mut(place);
                match first {
                    Some(first) if first.insert.is_none() && job.ask.insert.is_some() => {
                        first.insert = job.ask.insert;
                        of.push((place, true));
                    }
                    _ => of.push((place, false)),
                }
            }
            None => {
                places.insert(job.ask.key, asks.len());
                of.push((asks.len(), true));
                asks.push(job.ask);
            }
        }
    }
    let replies = backend.answer(&asks, shared);
    shared.set_down(replies.is_err());
    let replies = replies.unwrap_or_default();
    for (job, (place, owner)) in batch.into_iter().zip(of) {
        let reply = replies.get(place).copied().unwrap_or(Reply::Error);
        let reply = match (reply, job.ask.insert.is_some(), owner) {
            (Reply::Fresh, true, true) => Reply::Fresh,
            (Reply::Fresh, true, false) => Reply::Seen,
            (Reply::Fresh | Reply::Full | Reply::Forgotten, false, _) => Reply::Absent,
            (Reply::Absent, true, _) => Reply::Error,
            (reply, ..) => reply,
        };
        let _ = job.answer.try_send(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow;

    impl Backend for Slow {
        fn answer(&mut self, asks: &[Ask], _: &Shared) -> Result<Vec<Reply>> {
            Ok(asks.iter().map(|_| Reply::Fresh).collect())
        }

        fn tend(&mut self, _: &Shared) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_key_twice_in_a_batch_is_fresh_once() {
        let insertion = Insertion { agent: [1; 16], expires_at: 0, bucket: 1, kept_ms: BUCKET_MS };
        let mut replies = Vec::new();
        let mut batch = Vec::new();
        for insert in [None, Some(insertion), Some(insertion), None] {
            let (answer, reply) = mpsc::sync_channel(1);
            batch.push(Job { ask: Ask { key: [7; 16], insert }, until: Instant::now(), answer });
            replies.push(reply);
        }
        answer(batch, &Shared::default(), &mut Slow);
        let replies: Vec<Reply> = replies.iter().map(|reply| reply.try_recv().unwrap()).collect();
        assert_eq!(replies, [Reply::Absent, Reply::Fresh, Reply::Seen, Reply::Absent]);
    }

    #[test]
    fn addresses_and_names() {
        let wrong = SharedReplayStore::redis("redis://:s3cret@[", Options::default()).unwrap_err();
        assert_eq!(wrong.code(), "storage.config");
        assert!(!wrong.to_string().contains("s3cret"));
        let wrong = SharedReplayStore::postgres("nonsense s3cret", Options::default()).unwrap_err();
        assert!(!format!("{wrong:?}").contains("s3cret"));
        for name in ["", "1a", "a-b", "A"] {
            let options = Options { name: name.into(), ..Options::default() };
            assert!(SharedReplayStore::redis("redis://localhost", options).is_err(), "{name}");
        }
    }
}
