//! A day and more of a publisher whose clock is set now and then: by a second, a day, to 1970, 2038, 2106 and a leap day.
//!
//! A witness keeps every request that passed and shows it again whenever the publisher's clock could believe it: none may pass twice, and no visa
//! may pay twice, wherever the clock has been. The store stays within its bound, and a clock that is right again serves honest agents.

use crate::allocator;
use crate::common::world::*;
use crate::report::{amount, figures};
use imagxp::agent::SignRequest;
use imagxp::publisher::FetchFailure;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Code, Publisher, Purpose, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DAY: i64 = 86_400_000;
const SECOND: i64 = 1000;
/// Requests are held for so long, and a little.
const WINDOW: i64 = 300 * SECOND;
/// The store's bound: so small that leaps make it full.
const ENTRIES: usize = 2000;
/// Where clocks are set to by those who set them wrong.
const ODD: [&str; 5] = [
    "2038-01-19T03:14:07Z",
    "2028-02-28T23:59:58Z",
    "2100-12-31T23:59:58Z",
    "2000-02-29T12:00:00Z",
    "2000-01-01T00:00:00Z",
];
/// By how many seconds a clock steps.
const STEPS: [i64; 9] = [1, 5, 30, 60, 300, 365, 600, 3600, 86_400];

/// A request that passed, and how often.
struct Passed {
    request: Signed,
    visa: Option<String>,
}

struct Campaign {
    publisher: Publisher,
    store: Arc<dyn ReplayStore>,
    held: Arc<MemoryReplayStore>,
    random: Random,
    /// By the time that the claim names.
    passed: BTreeMap<(i64, u64), Passed>,
    /// Visas that have paid, and some that were sold and not shown yet.
    paid: BTreeSet<String>,
    number: u64,
    replays: u64,
    codes: BTreeMap<&'static str, u64>,
}

impl Campaign {
    fn new(seed: u64, faulty: bool) -> Self {
        let held = Arc::new(MemoryReplayStore::new(ENTRIES, 2000));
        let store: Arc<dyn ReplayStore> =
            if faulty { Arc::new(Short(Arc::clone(&held))) } else { Arc::clone(&held) as _ };
        // So many that only a clock can make it too often.
        let rate = r#""version":1,"rate":{"requests":1000,"per_s":1}"#;
        let policy = policy(&POLICY.replacen(r#""version":1"#, rate, 1));
        let publisher = Publisher::new(policy, [7; 16]).with_replay_store(Arc::clone(&store));
        Self {
            publisher,
            store,
            held,
            random: Random(seed),
            passed: BTreeMap::new(),
            paid: BTreeSet::new(),
            number: 0,
            replays: 0,
            codes: BTreeMap::new(),
        }
    }

    /// Verifies, fetching what is missing as a publisher would. Whether it passed; an error names what must not be.
    fn ask(&mut self, request: &Signed, now: Timestamp) -> bool {
        let mut verification = request.start(&self.publisher, now);
        for _ in 0..4 {
            let Some(pending) = verification.pending.take() else { break };
            for need in &verification.verdict.needs {
                let body = if need.url == JWKS_URL { jwks() } else { manifest(&[1]) };
                if self.random.below(20) == 0 {
                    self.publisher.supply_failure(&need.url, FetchFailure::Failed, now).unwrap();
                } else {
                    self.publisher.supply(&need.url, &body, None, now).unwrap();
                }
            }
            verification = self.publisher.resume(pending, now);
        }
        let code = verification.verdict.code.map_or("ok", Code::as_str);
        *self.codes.entry(code).or_default() += 1;
        verification.verdict.is_allowed()
    }

    /// An honest agent, by a clock of its own; each eighth request pays.
    fn visit(&mut self, now: Timestamp, agents: Timestamp) -> bool {
        self.number += 1;
        let nonce = format!("nonce-{:016}", self.number);
        if !is_written(agents) {
            return false;
        }
        let paying = self.number.is_multiple_of(8);
        let visa = paying.then(|| visa(&format!("visa-{:08}", self.number), |visa| visa.issued_at = agents));
        let url = if paying { "https://pub.example/premium/1" } else { URL };
        let ask =
            SignRequest { payment: visa.as_deref(), ..SignRequest::new("GET", url, Purpose::RagRetrieval) };
        let request = Signed::new(&identity(1), &ask, agents, &nonce);
        let allowed = self.ask(&request, now);
        if allowed {
            if let Some(visa) = &visa {
                self.paid.insert(visa.clone());
            }
            self.passed.insert((agents.as_millis(), self.number), Passed { request, visa });
        }
        allowed
    }

    /// Everything that has passed and that the clock could believe now, or some of it, once more. What passed again, if anything did.
    fn replay(&mut self, now: Timestamp, most: usize) -> Option<String> {
        let millis = now.as_millis();
        let from = (millis.saturating_sub(WINDOW + 70 * SECOND), 0);
        let to = (millis.saturating_add(70 * SECOND), 0);
        let near: Vec<_> = self.passed.range(from..to).map(|(key, _)| *key).collect();
        for at in 0..near.len().min(most) {
            let place = if near.len() <= most { at } else { self.random.below(near.len()) };
            let passed = &self.passed[&near[place]];
            let (request, visa) = (passed.request.clone(), passed.visa.clone());
            self.replays += 1;
            if self.ask(&request, now) {
                return Some(format!("at {now} a request passed again:\n{request:?}"));
            }
            // The visa in a request of its own: a nonce that is new, signed by its holder.
            if let Some(visa) = visa.filter(|_| is_written(now)) {
                self.number += 1;
                let nonce = format!("nonce-{:016}", self.number);
                let ask = SignRequest {
                    payment: Some(&visa),
                    ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
                };
                if self.ask(&Signed::new(&identity(1), &ask, now, &nonce), now) {
                    return Some(format!("at {now} a visa paid again"));
                }
            }
        }
        None
    }
}

/// Whether an agent can write this time: no claim names one outside of 2000 to 2100.
fn is_written(time: Timestamp) -> bool {
    Timestamp::parse(&time.to_string()).is_some()
}

/// A store as a hurried engineer would write it: what has expired is gone, and nobody remembers that it was there.
struct Short(Arc<MemoryReplayStore>);

impl ReplayStore for Short {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        self.0.insert_if_absent(entry, now)
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.0.seen(key, now)
    }
}

/// Lives for so long with a clock that is set now and then. What was broken, and what was counted.
fn live(seed: u64, days: u64, faulty: bool) -> (Option<String>, Campaign, u64) {
    let mut campaign = Campaign::new(seed, faulty);
    let begin = now().as_millis();
    // What is the time, and how far the clock is off.
    let (mut truth, mut off, mut steps) = (begin, 0_i64, 0);
    let end = begin.saturating_add(i64::try_from(days).unwrap() * DAY);
    while truth < end {
        truth += i64::try_from(campaign.random.below(60_000)).unwrap();
        if campaign.random.below(12) == 0 {
            steps += 1;
            off = match campaign.random.below(10) {
                // Put right.
                0..=2 => 0,
                3 => Timestamp::parse(ODD[campaign.random.below(ODD.len())]).unwrap().as_millis() - truth,
                // What no claim can name: the first and the last second of 32 bits, and beyond.
                4 => [0, -1000, 4_294_967_295_000, i64::MAX / 2][campaign.random.below(4)] - truth,
                side => {
                    let step = STEPS[campaign.random.below(STEPS.len())] * SECOND;
                    off.saturating_add(if side % 2 == 0 { step } else { -step })
                }
            };
        }
        let clock = Timestamp::from_millis(truth.saturating_add(off));
        // Most agents share the error, as machines of one hall do; some know better.
        let agents = match campaign.random.below(4) {
            0 => Timestamp::from_millis(truth),
            _ => clock.saturating_add_millis(i64::try_from(campaign.random.below(80_000)).unwrap() - 40_000),
        };
        campaign.visit(clock, agents);
        let most = if campaign.random.below(10) == 0 { 40 } else { 4 };
        if let Some(broken) = campaign.replay(clock, most) {
            return (Some(broken), campaign, steps);
        }
        if campaign.held.len() > ENTRIES {
            return (Some("the store holds more than its bound".into()), campaign, steps);
        }
    }
    // A minute after every time that was forgotten has passed, honest agents are served.
    let clock = Timestamp::from_millis(truth.saturating_add(2 * DAY));
    if !faulty && campaign.store.forgotten(clock.saturating_add_millis(WINDOW)) {
        return (Some("two days later its own time is still shut".into()), campaign, steps);
    }
    // A fetch may fail once more, which is remembered for a minute.
    let served = (0..5).any(|minute| {
        let clock = clock.saturating_add_secs(61 * minute);
        campaign.visit(clock, clock)
    });
    let broken = (!served).then(|| format!("two days later nobody is served: {:?}", campaign.codes));
    (broken, campaign, steps)
}

#[test]
fn no_step_of_the_clock_lets_a_request_pass_twice() {
    let days = amount("IMAGXP_CLOCK_DAYS", 1);
    let seeds = days.div_ceil(10).max(2);
    let (mut passed, mut replays, mut steps, mut growth) = (0, 0, 0, 0);
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=seeds {
        let before = allocator::live();
        let (broken, campaign, stepped) = live(seed, days.div_ceil(seeds), false);
        assert_eq!(broken, None, "seed {seed}");
        passed += u64::try_from(campaign.passed.len()).unwrap();
        replays += campaign.replays;
        steps += stepped;
        for (code, count) in &campaign.codes {
            *codes.entry(code).or_default() += count;
        }
        let Campaign { publisher, store, held, .. } = campaign;
        let after = allocator::live();
        drop((publisher, store, held));
        // What the publisher itself holds.
        growth = growth.max(after - allocator::live());
        assert!(after - before < 1 << 30, "the campaign itself grows");
    }
    // Otherwise nothing was tried.
    for code in ["ok", "replay.nonce_seen", "time.expired", "time.future", "payment.already_used"] {
        assert!(codes.get(code).is_some_and(|count| *count > 0), "{code} did not happen: {codes:?}");
    }
    assert!(growth < 8 << 20, "the publisher holds {growth} bytes");
    let growth = u64::try_from(growth).unwrap();
    figures(
        "clock",
        1,
        &[("days", days), ("steps", steps), ("passed", passed), ("replays", replays), ("held_bytes", growth)],
    );
}

#[test]
fn a_store_without_a_horizon_is_found_out() {
    let found = (1..=20).find(|seed| live(*seed, 1, true).0.is_some_and(|broken| broken.contains("again")));
    assert!(found.is_some(), "a store that forgets when the clock steps back was not noticed");
}
