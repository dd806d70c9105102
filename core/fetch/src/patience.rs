//! Waiting for a turn: the fetcher's budget is for everybody who uses it.

use crate::{Answer, Call, FetchError, Fetcher, Profile};
use core::time::Duration;
use std::time::Instant;

/// Ten seconds at most.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
pub(crate) const PATIENCE: usize = 200;

/// [`Fetcher::send`], when there is a turn.
pub(crate) fn send(fetcher: &Fetcher, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
    send_within(fetcher, call, profile, Duration::MAX)
}

/// The same, which with the waiting takes no longer than `left`.
pub(crate) fn send_within(
    fetcher: &Fetcher,
    call: &Call,
    profile: Profile,
    left: Duration,
) -> Result<Answer, FetchError> {
    let begun = Instant::now();
    let mut result = fetcher.send(call, profile.within(left));
    for _ in 0..PATIENCE {
        let left = left.saturating_sub(begun.elapsed()).saturating_sub(PAUSE);
        if !is_busy(&result) || left.is_zero() {
            break;
        }
        std::thread::sleep(PAUSE);
        result = fetcher.send(call, profile.within(left));
    }
    result
}

/// Whether there was no turn.
pub(crate) fn is_busy(result: &Result<Answer, FetchError>) -> bool {
    matches!(result, Err(error) if error.is_busy())
}
