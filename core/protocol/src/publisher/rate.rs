//! How often each agent may ask (step 12 of PROTOCOL §5): the generic cell rate algorithm, one number per agent.

use crate::policy::Rate;
use crate::time::Timestamp;
use lru::LruCache;
use std::num::NonZeroUsize;

/// Rates of verified agents by keyed hash; the least recently seen leaves. A burst of `requests`, then `requests` in each `per_s`.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// The theoretical arrival time of the next request, in microseconds since 1970.
    arrivals: LruCache<[u8; 16], i64>,
}

impl RateLimiter {
    pub(super) fn new(capacity: usize) -> Self {
        Self { arrivals: LruCache::new(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN)) }
    }

    /// Takes one request's share; the error is the seconds to wait, at least 1. With `dry`, only looks.
    pub(super) fn take(
        &mut self,
        agent: &[u8; 16],
        rate: Rate,
        now: Timestamp,
        dry: bool,
    ) -> Result<(), u32> {
        let now = now.as_millis().saturating_mul(1000);
        let period = i64::from(rate.per_s) * 1_000_000;
        let interval = (period / i64::from(rate.requests.max(1))).max(1);
        let known = self.arrivals.get(agent).copied().unwrap_or(now);
        // A clock that stepped back must not lock an agent out for longer than one period.
        let arrival = known.clamp(now, now.saturating_add(period));
        let wait = arrival.saturating_sub(now).saturating_add(interval).saturating_sub(period);
        if wait > 0 {
            let seconds = wait.saturating_add(999_999) / 1_000_000;
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        if !dry {
            self.arrivals.put(*agent, arrival.saturating_add(interval));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let agent = [1; 16];
        let mut limiter = RateLimiter::new(10);
        let rate = Rate { requests: 3, per_s: 60 };
        let at = |seconds: i64| Timestamp::from_secs(1_800_000_000 + seconds);
        for _ in 0..3 {
            assert_eq!(limiter.take(&agent, rate, at(0), false), Ok(()));
        }
        assert_eq!(limiter.take(&agent, rate, at(0), false), Err(20));
        assert_eq!(limiter.take(&agent, rate, at(19), false), Err(1));
        assert_eq!(limiter.take(&agent, rate, at(20), true), Ok(()));
        assert_eq!(limiter.take(&agent, rate, at(20), false), Ok(()));
        assert_eq!(limiter.take(&agent, rate, at(20), false), Err(20));
        assert_eq!(limiter.take(&agent, rate, at(-1_000_000), false), Err(20));
    }
}
