//! Waiting for a turn: the fetcher's budget is for everybody who uses it.

use crate::{Answer, Call, FetchError, Fetcher, Profile};
use core::time::Duration;

/// Ten seconds at most.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
pub(crate) const PATIENCE: usize = 200;

/// [`Fetcher::send`], when there is a turn.
pub(crate) fn send(fetcher: &Fetcher, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
    let mut result = fetcher.send(call, profile);
    for _ in 0..PATIENCE {
        if !is_busy(&result) {
            break;
        }
        std::thread::sleep(PAUSE);
        result = fetcher.send(call, profile);
    }
    result
}

/// Whether there was no turn.
pub(crate) fn is_busy(result: &Result<Answer, FetchError>) -> bool {
    matches!(result, Err(error) if error.is_busy())
}
