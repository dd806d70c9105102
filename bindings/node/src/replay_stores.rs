//! Replay stores that several processes share.
//!
//! They answer over a network, and the thread of JavaScript must not wait for that: there an insertion makes the verification pending, and
//! `Pending.insert` does it on another thread.

use crate::js::{Anything, ClassInstance, JsNumber, JsString};
use crate::options::options;
use crate::{boundary, errors, worker};
use imagxp::Timestamp;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp_replay_stores::{Options, RedisAddress, SharedReplayStore};
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a process remembers of what the database has told it.
const KNOWN: usize = 100_000;

options! {
    /// How a store in Redis behaves.
    RedisReplayStoreOptions {
        /// PEM file of the authorities that are believed, for `rediss://`; Mozilla's unless given.
        ca_file: Option<JsString>,
        /// Entries in all; a million unless given.
        max_entries: Option<JsNumber>,
        /// Entries of one agent; 200 000 unless given.
        max_per_agent: Option<JsNumber>,
        /// Milliseconds that an answer may take; 1000 unless given. Beyond that the request is answered with 503.
        time_limit_ms: Option<JsNumber>,
        /// Connections of this process, 1 to 64; 2 unless given.
        connections: Option<JsNumber>,
        /// What names in Redis begin with: 1 to 32 of `a-z`, `0-9`, `_`; `imagxp` unless given.
        name: Option<JsString>,
    }
}

options! {
    /// How a store in PostgreSQL behaves.
    PostgresReplayStoreOptions {
        /// Entries in all; a million unless given.
        max_entries: Option<JsNumber>,
        /// Entries of one agent; 200 000 unless given.
        max_per_agent: Option<JsNumber>,
        /// Milliseconds that an answer may take; 1000 unless given. Beyond that the request is answered with 503.
        time_limit_ms: Option<JsNumber>,
        /// Connections of this process, 1 to 64; 2 unless given.
        connections: Option<JsNumber>,
        /// What names of tables and functions begin with: 1 to 32 of `a-z`, `0-9`, `_`; `imagxp` unless given.
        name: Option<JsString>,
    }
}

/// A replay store in Redis 6.2 or newer, shared by every process with the same url, `name` and secret of the publisher.
///
/// Redis must not evict (`maxmemory-policy noeviction`), and forgets in a crash what it has not written to its disk (`appendonly yes`). A
/// publisher with it has to be asked through a `Resolver` or an adapter, which wait for it.
#[napi]
pub struct RedisReplayStore(Arc<SharedReplayStore>);

#[napi]
impl RedisReplayStore {
    /// A store at `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path[?db=n]`; connects when first asked.
    #[napi(constructor, ts_args_type = "url: string, options?: RedisReplayStoreOptions")]
    pub fn new(url: JsString, options: Option<RedisReplayStoreOptions>) -> Result<Self> {
        let (ca_file, options) = options.map_or((None, None), |given| {
            let RedisReplayStoreOptions {
                ca_file,
                max_entries,
                max_per_agent,
                time_limit_ms,
                connections,
                name,
            } = given;
            let shared =
                PostgresReplayStoreOptions { max_entries, max_per_agent, time_limit_ms, connections, name };
            (ca_file, Some(shared))
        });
        let options = read(options)?;
        boundary::call(|| {
            let file = ca_file.as_deref().map(Path::new);
            let address = RedisAddress::parse(&url, file)?;
            Ok(Self(Arc::new(SharedReplayStore::at_redis(address, options)?)))
        })
    }

    /// Connects, and rejects with what is wrong with the server, for a start-up check: `io.failed`, `usage.argument`.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn check(&self, env: Env) -> Result<PromiseRaw<'static, ()>> {
        check(&env, &self.0)
    }
}

/// A replay store in PostgreSQL 12 or newer, shared by every process with the same address, `name` and secret of the publisher.
///
/// Makes its tables and functions when they are missing. TLS as libpq has it (`sslmode`, `sslrootcert`): `verify-full` to another machine unless
/// the address says otherwise. A publisher with it has to be asked through a
/// `Resolver` or an adapter, which wait for it.
#[napi]
pub struct PostgresReplayStore(Arc<SharedReplayStore>);

#[napi]
impl PostgresReplayStore {
    /// A store at `postgres://user:password@host:port/database` or `host=… user=… dbname=…`; connects when first asked. What several
    /// processes store in one second may pass the limits a little.
    #[napi(constructor, ts_args_type = "dsn: string, options?: PostgresReplayStoreOptions")]
    pub fn new(dsn: JsString, options: Option<PostgresReplayStoreOptions>) -> Result<Self> {
        let options = read(options)?;
        boundary::call(|| Ok(Self(Arc::new(SharedReplayStore::postgres(&dsn, options)?))))
    }

    /// Connects, and rejects with what is wrong with the server, for a start-up check: `io.failed`, `usage.argument`.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn check(&self, env: Env) -> Result<PromiseRaw<'static, ()>> {
        check(&env, &self.0)
    }
}

fn check(env: &Env, store: &Arc<SharedReplayStore>) -> Result<PromiseRaw<'static, ()>> {
    let store = Arc::clone(store);
    let work = move || store.check().map_err(imagxp::Error::from);
    worker::run(env, work, |checked| checked.map_err(|error| errors::raise(&error)))
}

fn read(given: Option<PostgresReplayStoreOptions>) -> Result<Options> {
    let mut options = Options::default();
    let Some(given) = given else { return Ok(options) };
    if let Some(entries) = given.max_entries {
        options.max_entries = entries.whole("maxEntries")?;
    }
    if let Some(entries) = given.max_per_agent {
        options.max_per_agent = entries.whole("maxPerAgent")?;
    }
    if let Some(limit) = given.time_limit_ms {
        let limit: u16 = limit.whole("timeLimitMs")?;
        options.time_limit = Duration::from_millis(limit.into());
    }
    if let Some(connections) = given.connections {
        options.connections = connections.whole::<u32>("connections")? as usize;
    }
    if let Some(name) = given.name {
        options.name = name.0;
    }
    Ok(options)
}

/// A shared store as the thread of JavaScript sees it: it answers later.
pub(crate) struct DistantStore {
    store: Arc<SharedReplayStore>,
    /// What the database has been found to hold already. It can only refuse: a replay that comes again costs no signature check, and the uses
    /// of a visa are not counted anew one by one.
    known: MemoryReplayStore,
}

impl DistantStore {
    /// The store that this object is, if it is one that several processes share.
    pub(crate) fn of(store: &Anything) -> Option<Self> {
        let redis = store.read::<ClassInstance<RedisReplayStore>>().map(|store| Arc::clone(&store.0));
        let shared = redis.or_else(|_| {
            store.read::<ClassInstance<PostgresReplayStore>>().map(|store| Arc::clone(&store.0))
        });
        Some(Self { store: shared.ok()?, known: MemoryReplayStore::new(KNOWN, u32::MAX) })
    }

    /// Inserts, and waits for the answer: never on a thread that runs JavaScript.
    pub(crate) fn insert(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let answer = self.store.insert_if_absent(entry, now);
        if matches!(answer, Insert::Fresh | Insert::Seen) {
            let _full_or_not = self.known.insert_if_absent(entry, now);
        }
        answer
    }
}

impl ReplayStore for DistantStore {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Later
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.known.seen(key, now)
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.store.horizon()
    }

    fn forgotten(&self, expires_at: Timestamp) -> bool {
        self.store.forgotten(expires_at)
    }
}
