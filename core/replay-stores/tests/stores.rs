//! The replay stores on real instances: one contract for both (PROTOCOL §5, replay store contract).

#![cfg(test)]

#[path = "../../storage/tests/support/mod.rs"]
mod support;

use imagxp::Timestamp;
use imagxp::replay::{Insert, ReplayEntry, ReplayStore, Seen};
use imagxp_replay_stores::{Options, SharedReplayStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Postgres, Redis};

const DAY_MS: i64 = 86_400_000;

/// Makes stores that share one database; the number says how many entries and how many per agent.
type Make<'a> = &'a dyn Fn(u32, u32) -> SharedReplayStore;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_millis(now().as_millis() + seconds * 1000)
}

fn entry(number: u32, agent: u8, expires_at: Timestamp) -> ReplayEntry {
    let mut key = [0; 16];
    key[4..8].copy_from_slice(&number.to_le_bytes());
    // Zeros, line feeds and whatever else a hash may contain.
    key[8..12].copy_from_slice(b"\r\n\0\xff");
    ReplayEntry { key, agent: [agent; 16], expires_at }
}

fn options(max_entries: u32, max_per_agent: u32) -> Options {
    // Two cores and other tests beside: a slow machine is not what is tested here.
    Options { max_entries, max_per_agent, time_limit: Duration::from_secs(10), ..Options::default() }
}

fn contract(make: Make<'_>) {
    let (one, other) = (make(1000, 100), make(1000, 100));
    one.check().unwrap();
    let (first, end) = (entry(1, 1, after(300)), after(300));
    assert_eq!(one.seen(&first.key, now()), Seen::No);
    assert_eq!(one.insert_if_absent(&first, now()), Insert::Fresh);
    assert_eq!(other.insert_if_absent(&first, now()), Insert::Seen);
    assert_eq!(other.seen(&first.key, now()), Seen::Yes);
    assert_eq!(one.insert_if_absent(&entry(1, 1, after(900)), now()), Insert::Seen, "whatever its end");
    assert_eq!(one.insert_if_absent(&entry(2, 1, end), now()), Insert::Fresh);
    assert_eq!(one.insert_if_absent(&entry(3, 1, after(4 * 86_400)), now()), Insert::Error, "kept too long");
    assert_eq!(one.horizon(), None);
    assert!(!one.forgotten(end));
}

fn quotas(make: Make<'_>) {
    let store = make(5, 3);
    for number in 0..3 {
        assert_eq!(store.insert_if_absent(&entry(number, 1, after(300)), now()), Insert::Fresh, "{number}");
    }
    assert_eq!(store.insert_if_absent(&entry(3, 1, after(300)), now()), Insert::Full, "the agent's share");
    assert_eq!(store.seen(&entry(3, 1, after(300)).key, now()), Seen::No, "nothing was stored");
    assert_eq!(store.insert_if_absent(&entry(3, 2, after(300)), now()), Insert::Fresh);
    assert_eq!(store.insert_if_absent(&entry(4, 2, after(420)), now()), Insert::Fresh);
    assert_eq!(store.insert_if_absent(&entry(5, 3, after(300)), now()), Insert::Full, "all of it");
    for number in 0..5 {
        let again = store.insert_if_absent(&entry(number, 9, after(300)), now());
        assert_eq!(again, Insert::Seen, "nothing was evicted: {number}");
    }
}

/// Many threads on several stores offer the same keys: each is fresh once.
fn races(make: Make<'_>) {
    const KEYS: u32 = 200;
    let stores: Vec<Arc<SharedReplayStore>> = (0..4).map(|_| Arc::new(make(10_000, 10_000))).collect();
    let fresh: Arc<Vec<AtomicU32>> = Arc::new((0..KEYS).map(|_| AtomicU32::new(0)).collect());
    let end = after(300);
    let threads: Vec<_> = (0..16_u32)
        .map(|thread| {
            let (store, fresh) = (Arc::clone(&stores[thread as usize % stores.len()]), Arc::clone(&fresh));
            std::thread::spawn(move || {
                for step in 0..KEYS {
                    // Each thread in an order of its own.
                    let number = (step * (2 * thread + 1) + thread * 13) % KEYS;
                    match store.insert_if_absent(&entry(number, (number % 7) as u8, end), now()) {
                        Insert::Fresh => _ = fresh[number as usize].fetch_add(1, Ordering::Relaxed),
                        Insert::Seen => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for (number, count) in fresh.iter().enumerate() {
        assert_eq!(count.load(Ordering::Relaxed), 1, "{number}");
    }
}

/// What has passed is dropped, and stays closed to a clock that steps back. The past is brought about by entries that ended long ago by the
/// asker's clock: they are kept for a moment only, and `age` makes the database older by so many seconds.
fn forgetting(make: Make<'_>, age: &dyn Fn(i64)) {
    let store = make(3, 3);
    let start = now();
    let at = |seconds: i64| Timestamp::from_millis(start.as_millis() + seconds * 1000);
    for number in 0..3 {
        assert_eq!(store.insert_if_absent(&entry(number, 1, at(60)), start), Insert::Fresh);
    }
    assert_eq!(store.insert_if_absent(&entry(3, 1, at(60)), start), Insert::Full);
    age(200);
    // Time has passed: there is room again, and the old time is closed, at this store as at every other.
    assert_eq!(store.insert_if_absent(&entry(4, 1, at(500)), at(200)), Insert::Fresh);
    let behind = make(3, 3);
    assert_eq!(behind.insert_if_absent(&entry(0, 1, at(60)), start), Insert::Error, "fails closed");
    assert!(behind.forgotten(at(60)));
    assert!(behind.forgotten(at(30)), "claims end before their entries");
    assert!(!behind.forgotten(at(500)));
    assert!(!behind.forgotten(at(-3 * 86_400)));
    let horizon = behind.horizon().unwrap();
    assert!(horizon >= at(60) && horizon < at(200), "{horizon}");
    // One wild step forward closes its own time and nothing else.
    let wild = Timestamp::from_millis(start.as_millis() + 1000 * DAY_MS);
    assert_eq!(
        store.insert_if_absent(&entry(5, 1, Timestamp::from_millis(wild.as_millis() + 60_000)), wild),
        Insert::Fresh
    );
    age(200);
    assert_eq!(store.insert_if_absent(&entry(6, 1, at(800)), at(400)), Insert::Fresh);
    assert!(store.forgotten(Timestamp::from_millis(wild.as_millis() + 60_000)));
    assert!(!store.forgotten(at(800)) && !store.forgotten(at(100_000)));
}

#[test]
fn redis_keeps_the_contract() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let names = AtomicU32::new(0);
    let make = |name: String| {
        let url = url.clone();
        move |all, each| {
            SharedReplayStore::redis(&url, Options { name: name.clone(), ..options(all, each) }).unwrap()
        }
    };
    let name = || format!("n{}", names.fetch_add(1, Ordering::Relaxed));
    contract(&make(name()));
    quotas(&make(name()));
    races(&make(name()));
    let name = name();
    forgetting(&make(name.clone()), &|seconds| {
        // The clock of a server cannot be moved; its due times and the ends of its keys can.
        let mut connection = redis.connection();
        let keys: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg(format!("{{{name}}}:replay:*")).query(&mut connection).unwrap();
        for key in keys {
            if key.ends_with(b":due") {
                let due: Vec<(String, i64)> = redis::cmd("ZRANGE")
                    .arg(&key)
                    .arg(0)
                    .arg(-1)
                    .arg("WITHSCORES")
                    .query(&mut connection)
                    .unwrap();
                for (bucket, score) in due {
                    let score = score - seconds * 1000;
                    redis::cmd("ZADD").arg(&key).arg(score).arg(bucket).exec(&mut connection).unwrap();
                }
                continue;
            }
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
            if left > 0 {
                redis::cmd("PEXPIRE").arg(&key).arg(left - seconds * 1000).exec(&mut connection).unwrap();
            }
        }
    });
    let mut connection = redis.connection();
    let left: Vec<Vec<u8>> =
        redis::cmd("KEYS").arg(format!("{{{name}}}:replay:k:*")).query(&mut connection).unwrap();
    assert_eq!(left.len(), 2, "what was dropped is gone");
}

#[test]
fn postgres_keeps_the_contract() {
    let Some(server) = Postgres::shared() else { return };
    let make =
        |address: String| move |all, each| SharedReplayStore::postgres(&address, options(all, each)).unwrap();
    contract(&make(server.database()));
    quotas(&make(server.database()));
    races(&make(server.database()));
    let address = server.database();
    forgetting(&make(address.clone()), &|seconds| {
        let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
        client.execute("UPDATE imagxp_replay_bucket SET due_at = due_at - $1", &[&(seconds * 1000)]).unwrap();
        // The next question comes after the next tidying.
        std::thread::sleep(Duration::from_millis(1200));
    });
    let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
    let left = |table: &str, client: &mut postgres::Client| -> i64 {
        client.query_one(&format!("SELECT count(*) FROM imagxp_replay_{table}"), &[]).unwrap().get(0)
    };
    assert_eq!(left("entry", &mut client), 2, "what was dropped is gone");
    assert_eq!(left("share", &mut client), 2);
    client.execute("UPDATE imagxp_replay_version SET version = 2", &[]).unwrap();
    let newer = SharedReplayStore::postgres(&address, Options::default()).unwrap();
    assert_eq!(newer.check().unwrap_err().code(), "storage.schema");
    assert_eq!(newer.insert_if_absent(&entry(1, 1, after(300)), now()), Insert::Error);
}

#[test]
fn a_redis_that_would_evict_is_refused() {
    let Some(redis) = Redis::with(&["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let store = SharedReplayStore::redis(&redis.url(), Options::default()).unwrap();
    let error = store.check().unwrap_err();
    assert_eq!(error.code(), "storage.config");
    assert!(error.message().contains("`allkeys-lru`"), "{error}");
    assert_eq!(store.insert_if_absent(&entry(1, 1, after(300)), now()), Insert::Error);
}

/// A server that is stopped, not closed: connections stay open and nobody answers.
#[test]
fn a_dead_server_is_an_error_in_time_and_work_goes_on_when_it_is_back() {
    let Some(mut redis) = Redis::start() else { return };
    let store = impatient(SharedReplayStore::redis, &redis.url());
    let pid = rustix::process::Pid::from_raw(redis.pid().try_into().unwrap()).unwrap();
    let fresh = silent(&store, &|signal| rustix::process::kill_process(pid, signal).unwrap());
    redis.restart();
    assert_eq!(patient(&store, &fresh), Insert::Seen, "after a crash as well");
    assert_eq!(first(&store, &entry(7, 1, after(300))), Insert::Fresh);
}

#[test]
fn a_dead_postgres_is_an_error_in_time_and_work_goes_on_when_it_is_back() {
    let Some(server) = Postgres::start() else { return };
    let store = impatient(SharedReplayStore::postgres, &server.database());
    silent(&store, &|signal| server.signal(signal));
    assert_eq!(first(&store, &entry(7, 1, after(300))), Insert::Fresh);
}

/// A store that waits half a second for an answer.
fn impatient<E: std::fmt::Debug>(
    at: fn(&str, Options) -> Result<SharedReplayStore, E>,
    address: &str,
) -> SharedReplayStore {
    at(address, Options { time_limit: Duration::from_millis(500), ..Options::default() }).unwrap()
}

/// What a store says while its server is stopped, and afterwards; the entry that is there.
fn silent(store: &SharedReplayStore, signal: &dyn Fn(rustix::process::Signal)) -> ReplayEntry {
    let fresh = entry(1, 1, after(300));
    assert_eq!(first(store, &fresh), Insert::Fresh);
    signal(rustix::process::Signal::STOP);
    for number in 2..6 {
        let begin = Instant::now();
        assert_eq!(store.insert_if_absent(&entry(number, 1, after(300)), now()), Insert::Error);
        assert_eq!(store.seen(&fresh.key, now()), Seen::Error);
        assert!(begin.elapsed() < SLOW, "{:?}", begin.elapsed());
    }
    // Whoever asks while it is known to be down does not wait: the callers make no queue.
    let begin = Instant::now();
    for number in 100..1100 {
        assert_eq!(store.insert_if_absent(&entry(number, 1, after(300)), now()), Insert::Error);
    }
    assert!(begin.elapsed() < SLOW, "{:?}", begin.elapsed());
    signal(rustix::process::Signal::CONT);
    assert_eq!(patient(store, &fresh), Insert::Seen, "what was acknowledged is there");
    fresh
}

#[test]
fn a_postgres_that_crashes_forgets_nothing() {
    let Some(mut server) = Postgres::start() else { return };
    let address = server.database();
    let limit = Duration::from_secs(1);
    let options = Options { time_limit: limit, ..Options::default() };
    let store = SharedReplayStore::postgres(&address, options.clone()).unwrap();
    let fresh = entry(1, 1, after(300));
    assert_eq!(first(&store, &fresh), Insert::Fresh);
    server.restart();
    assert_eq!(patient(&store, &fresh), Insert::Seen);
    let nowhere = address.replace("host=", "host=/nonexistent");
    let nowhere = SharedReplayStore::postgres(&nowhere, options).unwrap();
    let begin = Instant::now();
    assert_eq!(nowhere.insert_if_absent(&fresh, now()), Insert::Error);
    assert!(begin.elapsed() < SLOW, "{:?}", begin.elapsed());
    assert_eq!(nowhere.check().unwrap_err().code(), "storage.unavailable");
}

/// What two time limits take on a machine that has much else to do; a queue of a thousand of them is far longer.
const SLOW: Duration = Duration::from_secs(4);

/// The first insertion of an entry. One that was given up may have been done: what is there then is our own.
fn first(store: &SharedReplayStore, entry: &ReplayEntry) -> Insert {
    let begin = Instant::now();
    while store.check().is_err() && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    match store.insert_if_absent(entry, now()) {
        Insert::Error => match patient(store, entry) {
            Insert::Seen => Insert::Fresh,
            answer => answer,
        },
        answer => answer,
    }
}

/// Asks until there is an answer: connecting anew takes a moment.
fn patient(store: &SharedReplayStore, entry: &ReplayEntry) -> Insert {
    let begin = Instant::now();
    loop {
        match store.insert_if_absent(entry, now()) {
            Insert::Error if begin.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
}
