//! Asking again: the same thing under the same key, later each time.

use super::BrokerError;
use core::time::Duration;
use std::thread;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// How long to wait before the attempt after this one: doubled each time, what the broker says at least, half of it at random.
pub(super) fn pause(attempt: u32, retry_after: Option<u32>) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32 << attempt.min(16)).min(LONGEST);
    let told = retry_after.map_or(Duration::ZERO, |seconds| Duration::from_secs(u64::from(seconds)));
    let mut random = [0; 1];
    // Without randomness everybody comes at once, which is no reason not to come.
    let _ = getrandom::fill(&mut random);
    let half = doubled / 2;
    told.min(LONGEST).max(half + half * u32::from(random.first().copied().unwrap_or(0)) / 255)
}

/// Tries until it works, is refused for good, or `attempts` are used up. What an earlier attempt may have done is not forgotten.
pub(super) fn again<T>(
    attempts: u32,
    mut once: impl FnMut() -> Result<T, BrokerError>,
) -> Result<T, BrokerError> {
    let mut unknown = false;
    let mut attempt = 0;
    loop {
        let mut error = match once() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempt += 1;
        if !error.transient || attempt >= attempts {
            // A definite answer under the same key speaks of the earlier attempts too.
            error.unknown |= unknown && (error.transient || error.status.is_none());
            return Err(error);
        }
        unknown |= error.unknown;
        thread::sleep(pause(attempt - 1, error.retry_after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transient(unknown: bool) -> BrokerError {
        BrokerError { transient: true, unknown, ..BrokerError::new("broker.unreachable", "gone") }
    }

    #[test]
    fn what_may_have_happened_is_not_forgotten() {
        let mut answers = vec![Err(transient(false)), Err(transient(true))];
        let error = again::<()>(2, || answers.pop().unwrap()).unwrap_err();
        assert!(error.is_unknown());
        let mut answers = vec![Err(BrokerError::refused(402, None, b"")), Err(transient(true))];
        let error = again::<()>(5, || answers.pop().unwrap()).unwrap_err();
        assert!(!error.is_unknown() && answers.is_empty(), "the broker says that it did not");
        let mut answers = vec![Ok(1), Err(transient(true))];
        assert_eq!(again(5, || answers.pop().unwrap()).unwrap(), 1);
    }

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 0..40 {
            let pause = pause(attempt, None);
            assert!(pause >= FIRST / 2 && pause <= LONGEST, "{attempt} {pause:?}");
        }
        assert!(pause(0, Some(2)) >= Duration::from_secs(2));
        assert!(pause(0, Some(u32::MAX)) <= LONGEST);
    }
}
