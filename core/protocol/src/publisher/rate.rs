//! How often each agent may ask (step 12 of PROTOCOL §5): the generic cell rate algorithm, one number per agent.

use super::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::Rate;
use crate::sync::Mutex;
use crate::time::Timestamp;
use lru::LruCache;
use std::num::NonZeroUsize;

/// How often another process may be faster before we give up: each time it took a share, so the agent is asking very often.
const MAX_ATTEMPTS: u32 = 16;

/// Another process's clock may be ahead by so much; a number that lies further ahead of what can be was written by a clock that has stepped back.
const MAX_STEP_BACK_US: i64 = 60_000_000;

/// One number per agent: the theoretical arrival time of its next request, in microseconds since 1970. Agents are named by keyed hashes.
///
/// A number that lies in the past says nothing and may be forgotten. Every doubt must be an error, which ends as `policy.error` (503).
pub trait RateStore: Send + Sync {
    /// The agent's number; `None` when there is none.
    fn arrival(&self, agent: &[u8; 16]) -> Result<Option<i64>>;

    /// Sets the agent's number to `after` if it still is `before`; otherwise `false`. Atomic across everything that shares the store.
    fn replace(&self, agent: &[u8; 16], before: Option<i64>, after: i64) -> Result<bool>;
}

/// Rates in this process's memory; the least recently seen agent leaves.
#[derive(Debug)]
pub struct MemoryRateStore {
    arrivals: Mutex<LruCache<[u8; 16], i64>>,
}

impl MemoryRateStore {
    /// A store for at most this many agents, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self { arrivals: Mutex::new(LruCache::new(capacity)) }
    }
}

impl RateStore for MemoryRateStore {
    fn arrival(&self, agent: &[u8; 16]) -> Result<Option<i64>> {
        Ok(lock(&self.arrivals).get(agent).copied())
    }

    fn replace(&self, agent: &[u8; 16], before: Option<i64>, after: i64) -> Result<bool> {
        let mut arrivals = lock(&self.arrivals);
        let same = arrivals.get(agent).copied() == before;
        if same {
            arrivals.put(*agent, after);
        }
        Ok(same)
    }
}

/// Takes one request's share; the inner error is the seconds to wait, at least 1. A burst of `requests`, then `requests` in each `per_s`.
/// With `dry`, only looks.
pub(super) fn take(
    store: &dyn RateStore,
    agent: &[u8; 16],
    rate: Rate,
    now: Timestamp,
    dry: bool,
) -> Result<core::result::Result<(), u32>> {
    let now = now.as_millis().saturating_mul(1000);
    let period = i64::from(rate.per_s) * 1_000_000;
    let interval = (period / i64::from(rate.requests.max(1))).max(1);
    for _ in 0..MAX_ATTEMPTS {
        let before = store.arrival(agent)?;
        let latest = now.saturating_add(period);
        // A clock that stepped back must not lock an agent out until its old time comes again.
        let known = before.filter(|arrival| *arrival <= latest.saturating_add(MAX_STEP_BACK_US));
        let arrival = known.unwrap_or(now).clamp(now, latest);
        let wait = arrival.saturating_sub(now).saturating_add(interval).saturating_sub(period);
        if wait > 0 {
            let seconds = wait.saturating_add(999_999) / 1_000_000;
            return Ok(Err(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        if dry || store.replace(agent, before, arrival.saturating_add(interval))? {
            return Ok(Ok(()));
        }
    }
    Err(Error::new(ErrorKind::Io, "the rate store is too busy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_burst_then_a_steady_rate() {
        let agent = [1; 16];
        let store = MemoryRateStore::new(10);
        let rate = Rate { requests: 3, per_s: 60 };
        let ask = |seconds: i64, dry| {
            take(&store, &agent, rate, Timestamp::from_secs(1_800_000_000 + seconds), dry).unwrap()
        };
        for _ in 0..3 {
            assert_eq!(ask(0, false), Ok(()));
        }
        assert_eq!(ask(0, false), Err(20));
        assert_eq!(ask(19, false), Err(1));
        assert_eq!(ask(20, true), Ok(()));
        assert_eq!(ask(20, false), Ok(()));
        assert_eq!(ask(20, false), Err(20));
    }

    #[test]
    fn a_number_that_another_thread_has_set_is_not_replaced() {
        let (store, agent) = (MemoryRateStore::new(10), [1; 16]);
        for (before, after, replaced) in
            [(Some(1), 2, false), (None, 1, true), (None, 2, false), (Some(2), 3, false), (Some(1), 4, true)]
        {
            assert_eq!(store.replace(&agent, before, after).unwrap(), replaced, "{before:?} to {after}");
        }
        assert_eq!(store.arrival(&agent).unwrap(), Some(4));
    }

    #[test]
    fn a_clock_that_stepped_back_locks_nobody_out() {
        let rate = Rate { requests: 3, per_s: 60 };
        for step in [86_400, 1_000_000_000, 61 + 60] {
            let store = MemoryRateStore::new(10);
            let ask = |seconds: i64, dry| {
                let now = Timestamp::from_secs(1_800_000_000 + seconds);
                take(&store, &[1; 16], rate, now, dry).unwrap()
            };
            for _ in 0..3 {
                assert_eq!(ask(0, false), Ok(()));
            }
            // As an agent that was never seen, and no better.
            assert_eq!(ask(-step, true), Ok(()));
            for _ in 0..3 {
                assert_eq!(ask(-step, false), Ok(()));
            }
            assert_eq!(ask(-step, false), Err(20));
        }
        // A process whose clock is behind by less gives nothing away.
        let store = MemoryRateStore::new(10);
        let ask = |seconds: i64| {
            take(&store, &[1; 16], rate, Timestamp::from_secs(1_800_000_000 + seconds), false).unwrap()
        };
        for _ in 0..3 {
            assert_eq!(ask(0), Ok(()));
        }
        assert_eq!(ask(-60), Err(20));
    }

    /// A store in which another process is faster so many times.
    struct Contended(AtomicU32);

    impl RateStore for Contended {
        fn arrival(&self, _: &[u8; 16]) -> Result<Option<i64>> {
            Ok(None)
        }

        fn replace(&self, _: &[u8; 16], _: Option<i64>, _: i64) -> Result<bool> {
            Ok(self.0.fetch_sub(1, Ordering::Relaxed) == 0)
        }
    }

    #[test]
    fn another_process_may_be_faster_but_not_for_ever() {
        let rate = Rate { requests: 3, per_s: 60 };
        let ask = |times| {
            let store = Contended(AtomicU32::new(times));
            take(&store, &[1; 16], rate, Timestamp::from_secs(1_800_000_000), false)
        };
        assert_eq!(ask(3).unwrap(), Ok(()));
        assert!(ask(1000).is_err());
    }
}
