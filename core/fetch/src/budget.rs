//! How much may be asked of the network, and of one host.

use crate::FetchError;
use core::num::NonZeroUsize;
use core::time::Duration;
use imagxp::publisher::FetchFailure;
use lru::LruCache;
use std::time::Instant;

/// Exchanges at the same time (PROTOCOL §4).
pub(crate) const MAX_IN_FLIGHT: usize = 32;
/// Exchanges begun in a second (PROTOCOL §4).
pub(crate) const MAX_PER_SECOND: u32 = 50;
/// The time in which a host's fetches are counted.
const MINUTE: Duration = Duration::from_secs(60);
/// More than can be begun in a minute, so that no stranger's names push another's count out.
const HOSTS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// A token, in parts: the bucket gains 50 parts in a millisecond.
const TOKEN: u64 = 1000;

/// Counts of what is under way and of what was begun.
pub(crate) struct Budget {
    in_flight: usize,
    /// When each of the last second's exchanges may be forgotten, as a bucket of tokens.
    parts: u64,
    filled_at: Option<Instant>,
    hosts: LruCache<String, Vec<Instant>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { in_flight: 0, parts: 0, filled_at: None, hosts: LruCache::new(HOSTS) }
    }
}

impl Budget {
    /// Takes one exchange; [`Budget::give_back`] when it has ended. `busy` when there is none left.
    pub(crate) fn take(
        &mut self,
        authority: &str,
        per_host: Option<u32>,
        now: Instant,
    ) -> Result<(), FetchError> {
        if self.in_flight >= MAX_IN_FLIGHT {
            return Err(busy(format!("{MAX_IN_FLIGHT} fetches are in flight")));
        }
        self.refill(now);
        if self.parts < TOKEN {
            return Err(busy(format!("{MAX_PER_SECOND} fetches were begun in the last second")));
        }
        if let Some(most) = per_host {
            let begun = self.hosts.get_or_insert_mut(authority.to_owned(), Vec::new);
            begun.retain(|at| now.saturating_duration_since(*at) < MINUTE);
            if u32::try_from(begun.len()).unwrap_or(u32::MAX) >= most {
                return Err(busy(format!("`{authority}` was asked {most} times in the last minute")));
            }
            begun.push(now);
        }
        self.parts = self.parts.saturating_sub(TOKEN);
        self.in_flight = self.in_flight.saturating_add(1);
        Ok(())
    }

    /// An exchange has ended.
    pub(crate) fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn refill(&mut self, now: Instant) {
        let full = u64::from(MAX_PER_SECOND) * TOKEN;
        self.parts = match self.filled_at {
            None => full,
            Some(at) => {
                let millis = u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
                if millis == 0 {
                    return;
                }
                full.min(self.parts.saturating_add(millis.saturating_mul(u64::from(MAX_PER_SECOND))))
            }
        };
        self.filled_at = Some(now);
    }
}

fn busy(detail: String) -> FetchError {
    FetchError::new(FetchFailure::Busy, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_at_once() {
        let mut budget = Budget::default();
        let now = Instant::now();
        for _ in 0..MAX_IN_FLIGHT {
            budget.take("a.example", None, now).unwrap();
        }
        assert_eq!(budget.take("a.example", None, now).unwrap_err().failure, FetchFailure::Busy);
        budget.give_back();
        budget.take("a.example", None, now).unwrap();
    }

    #[test]
    fn fifty_in_a_second() {
        let mut budget = Budget::default();
        let start = Instant::now();
        let mut begun = 0;
        // Two seconds of someone who tries every millisecond.
        for millis in 0..2000 {
            if budget.take("a.example", None, start + Duration::from_millis(millis)).is_ok() {
                begun += 1;
                budget.give_back();
            }
        }
        assert_eq!(begun, 50 + 99, "a burst of fifty, then one each 20 ms");
    }

    #[test]
    fn two_in_a_minute_from_one_host() {
        let mut budget = Budget::default();
        let start = Instant::now();
        let mut take = |host: &str, seconds: u64| {
            let taken = budget.take(host, Some(2), start + Duration::from_secs(seconds));
            budget.give_back();
            taken.is_ok()
        };
        assert!(take("a.example", 0) && take("a.example", 30));
        assert!(!take("a.example", 31) && !take("a.example", 59));
        assert!(take("b.example", 59));
        assert!(take("a.example", 60) && !take("a.example", 61) && take("a.example", 90));
    }
}
