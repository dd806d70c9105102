//! Asking again: the same thing under the same key, later each time.

use super::BrokerError;
use core::time::Duration;
use std::thread;
use std::time::Instant;

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

/// How much is done for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effort {
    /// So many attempts at most.
    pub(super) attempts: u32,
    /// All of them together take no longer.
    pub(super) deadline: Duration,
}

/// Tries until it works, is refused for good, or the effort is used up; `once` is told how much time is left. What an earlier attempt may
/// have done is not forgotten.
pub(super) fn again<T>(
    effort: Effort,
    mut once: impl FnMut(Duration) -> Result<T, BrokerError>,
) -> Result<T, BrokerError> {
    let begun = Instant::now();
    let left = || effort.deadline.saturating_sub(begun.elapsed());
    let mut unknown = false;
    let mut attempt = 0;
    loop {
        let error = match once(left()) {
            Ok(value) => return Ok(value),
            Err(error) => error.after(unknown),
        };
        attempt += 1;
        let pause = pause(attempt - 1, error.retry_after);
        if !error.transient || attempt >= effort.attempts || pause >= left() {
            return Err(error);
        }
        unknown = error.unknown;
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(attempts: u32) -> Effort {
        Effort { attempts, deadline: Duration::from_secs(60) }
    }

    fn transient(unknown: bool) -> BrokerError {
        BrokerError { transient: true, unknown, ..BrokerError::new("broker.unreachable", "gone") }
    }

    #[test]
    fn what_may_have_happened_is_not_forgotten() {
        let mut answers = vec![Err(transient(false)), Err(transient(true))];
        let error = again::<()>(times(2), |_| answers.pop().unwrap()).unwrap_err();
        assert!(error.is_unknown());
        let poor = br#"{"error":{"code":"account.insufficient","message":"no"}}"#;
        let mut answers = vec![Err(BrokerError::refused(402, None, poor)), Err(transient(true))];
        let error = again::<()>(times(5), |_| answers.pop().unwrap()).unwrap_err();
        assert!(!error.is_unknown() && answers.is_empty(), "the ledger says that it did not");
        // Whoever refuses before the ledger is asked does not know either, however many attempts lie between.
        let clock = br#"{"error":{"code":"time.expired","message":"no"}}"#;
        for (status, body) in [(401, &clock[..]), (403, b"<html>"), (404, b""), (413, b"")] {
            let mut answers = vec![
                Err(BrokerError::refused(status, None, body)),
                Err(transient(false)),
                Err(transient(true)),
            ];
            let error = again::<()>(times(5), |_| answers.pop().unwrap()).unwrap_err();
            assert!(error.is_unknown() && answers.is_empty(), "{status}");
        }
        let mut answers = vec![Ok(1), Err(transient(true))];
        assert_eq!(again(times(5), |_| answers.pop().unwrap()).unwrap(), 1);
    }

    #[test]
    fn time_runs_out_for_all_attempts_together() {
        let effort = Effort { attempts: u32::MAX, deadline: Duration::from_millis(400) };
        let begun = Instant::now();
        let mut told = Vec::new();
        let error = again::<()>(effort, |left| {
            told.push(left);
            Err(transient(false))
        });
        // No pause is begun that would last beyond it. How late a machine wakes whoever has slept, nobody knows: without an end this goes on.
        assert!(error.is_err() && begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(told.len() > 1 && told.is_sorted_by(|a, b| a > b), "{told:?}");
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
