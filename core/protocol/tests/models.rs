//! Models of what threads share: shuttle runs each test in many orders of its threads, and a failing order is named by its seed.
//!
//! Built by scripts/models.sh only, which sets `--cfg shuttle`; then the core's locks are the scheduler's (core/protocol/src/sync.rs).
#![cfg(shuttle)]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::publisher::FetchFailure;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Code, Publisher, Purpose, Timestamp};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};
use std::sync::Arc;

/// How many orders of threads are tried: half of them drawn at random, half with few changes of thread at bad moments (PCT).
fn orders() -> usize {
    std::env::var("IMAGXP_ORDERS").map_or(400, |text| text.parse().unwrap())
}

fn explore(model: fn()) {
    let config = || {
        let mut config = Config::new();
        // Signatures and verdicts want more than a coroutine's usual stack.
        config.stack_size = 1 << 20;
        config
    };
    Runner::new(RandomScheduler::new(orders() / 2), config()).run(model);
    Runner::new(PctScheduler::new(3, orders() / 2), config()).run(model);
}

fn at(seconds: i64) -> Timestamp {
    now().saturating_add_secs(seconds)
}

fn entry(number: u8, expires_at: Timestamp) -> ReplayEntry {
    ReplayEntry { key: [number; 16], agent: [1; 16], expires_at }
}

/// Three insertions of one key, with another thread that makes the store drop what has expired: one is fresh.
fn one_insertion_is_fresh(store: &Arc<dyn ReplayStore>) -> usize {
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let store = Arc::clone(store);
            thread::spawn(move || {
                let answer = store.insert_if_absent(&entry(1, at(300 + number)), at(0));
                assert_eq!(store.seen(&entry(1, at(0)).key, at(0)), Seen::Yes);
                answer == Insert::Fresh
            })
        })
        .collect();
    let other = Arc::clone(store);
    let sweeper = thread::spawn(move || drop(other.insert_if_absent(&entry(2, at(600)), at(1))));
    let fresh = threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum();
    sweeper.join().unwrap();
    fresh
}

#[test]
fn a_key_is_fresh_once() {
    explore(|| {
        let store: Arc<dyn ReplayStore> = Arc::new(MemoryReplayStore::default());
        assert_eq!(one_insertion_is_fresh(&store), 1);
    });
}

/// Looks, and inserts when nothing was there: the gap between the two is the fault.
struct Gap(MemoryReplayStore);

impl ReplayStore for Gap {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        if self.0.seen(&entry.key, now) == Seen::Yes {
            return Insert::Seen;
        }
        self.0.insert_if_absent(entry, now);
        Insert::Fresh
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.0.seen(key, now)
    }
}

#[test]
#[should_panic(expected = "twice fresh")]
fn a_gap_between_look_and_insertion_is_found() {
    explore(|| {
        let store: Arc<dyn ReplayStore> = Arc::new(Gap(MemoryReplayStore::default()));
        assert_eq!(one_insertion_is_fresh(&store), 1, "twice fresh");
    });
}

#[test]
fn the_bound_holds_while_buckets_are_dropped() {
    explore(|| {
        let store = Arc::new(MemoryReplayStore::new(3, 3));
        let threads: Vec<_> = (0..4_u8)
            .map(|number| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    let mut fresh = 0;
                    for round in 0..3_u8 {
                        let now = at(i64::from(round) * 400);
                        let entry = entry(number * 16 + round, now.saturating_add_secs(300));
                        fresh += usize::from(store.insert_if_absent(&entry, now) == Insert::Fresh);
                        assert!(store.len() <= 3);
                    }
                    fresh
                })
            })
            .collect();
        let fresh: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(fresh >= 3);
        // What is dropped is counted down, for the whole and for the agent: later there is room for as many again.
        for number in 100..103 {
            assert_eq!(store.insert_if_absent(&entry(number, at(5000)), at(4000)), Insert::Fresh);
        }
        assert_eq!(store.insert_if_absent(&entry(104, at(5000)), at(4000)), Insert::Full);
    });
}

/// A store for a publisher, with the gap or without.
fn store(gap: bool) -> Arc<dyn ReplayStore> {
    let store = MemoryReplayStore::default();
    if gap { Arc::new(Gap(store)) } else { Arc::new(store) }
}

/// One request from three threads, on a publisher who knows nobody yet: each that is left pending fetches, supplies and resumes.
fn copies_of_a_request(store: Arc<dyn ReplayStore>) {
    let policy =
        policy(&POLICY.replacen(r#""version":1"#, r#""version":1,"rate":{"requests":9,"per_s":1}"#, 1));
    let publisher = Arc::new(Publisher::new(policy, [7; 16]).with_replay_store(store));
    let request = Arc::new(Signed::read("nonce-0000000001"));
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let (publisher, request) = (Arc::clone(&publisher), Arc::clone(&request));
            thread::spawn(move || {
                let mut verification = request.start(&publisher, now());
                let mut supplied = false;
                if let Some(pending) = verification.pending.take() {
                    // One fetcher is unlucky: what another one has supplied stays.
                    if number == 0 {
                        publisher.supply_failure(MANIFEST_URL, FetchFailure::Failed, now()).unwrap();
                    } else {
                        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
                        supplied = true;
                    }
                    verification = publisher.resume(pending, now());
                }
                (verification.verdict.code, supplied)
            })
        })
        .collect();
    let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let codes: Vec<_> = ends.iter().map(|(code, _)| *code).collect();
    let passed = codes.iter().filter(|code| code.is_none()).count();
    // Once, if anybody brought the manifest; those who came after the unlucky one did not try.
    assert_eq!(passed, usize::from(ends.iter().any(|(_, supplied)| *supplied)), "copies passed: {codes:?}");
    assert!(
        codes
            .iter()
            .flatten()
            .all(|code| { matches!(code, Code::ReplayNonceSeen | Code::IdentityFetchFailed) }),
        "{codes:?}"
    );
}

#[test]
fn copies_of_a_request_pass_once_whoever_fetches() {
    explore(|| copies_of_a_request(store(false)));
}

#[test]
#[should_panic(expected = "copies passed: ")]
fn a_copy_that_passes_in_a_gap_is_found() {
    explore(|| copies_of_a_request(store(true)));
}

/// A visa of one use in two requests at once, while its broker's keys are exchanged.
fn a_visa_in_two_requests(store: Arc<dyn ReplayStore>) {
    let publisher = Arc::new(know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(store)));
    let token = Arc::new(visa("jti-0001", |_| ()));
    let threads: Vec<_> = (1..3)
        .map(|number| {
            let (publisher, token) = (Arc::clone(&publisher), Arc::clone(&token));
            thread::spawn(move || {
                let ask = SignRequest {
                    payment: Some(token.as_str()),
                    ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
                };
                let nonce = format!("nonce-000000000{number}");
                Signed::new(&identity(1), &ask, now(), &nonce).start(&publisher, now()).verdict.code
            })
        })
        .collect();
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    let mut codes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes, [None, Some(Code::PaymentAlreadyUsed)], "one visa");
}

#[test]
fn a_visa_pays_once() {
    explore(|| a_visa_in_two_requests(store(false)));
}

#[test]
#[should_panic(expected = "one visa")]
fn a_visa_that_pays_twice_in_a_gap_is_found() {
    explore(|| a_visa_in_two_requests(store(true)));
}

/// Three requests at once where two are allowed, before this many publishers in turn.
fn three_at_once(publishers: usize) {
    let limited = POLICY.replacen(r#""version":1"#, r#""version":1,"rate":{"requests":2,"per_s":60}"#, 1);
    let publishers: Vec<_> = (0..publishers).map(|_| Arc::new(publisher(&limited))).collect();
    let threads: Vec<_> = (0..3)
        .map(|number| {
            let publisher = Arc::clone(&publishers[number % publishers.len()]);
            thread::spawn(move || {
                Signed::read(&format!("nonce-000000000{number}")).start(&publisher, now()).verdict.code
            })
        })
        .collect();
    let codes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 2, "two may pass: {codes:?}");
    assert!(codes.contains(&Some(Code::RateAgent)), "{codes:?}");
}

#[test]
fn a_rate_is_not_passed_by_asking_at_once() {
    explore(|| three_at_once(1));
}

/// Threads that do not see what the others count.
#[test]
#[should_panic(expected = "two may pass: ")]
fn a_rate_that_is_counted_apart_is_found() {
    explore(|| three_at_once(2));
}
