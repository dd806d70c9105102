//! A connection that is used again as long as it works.

use imagxp_database::Result;
use std::time::{Duration, Instant};

/// A connection that was idle for longer is asked for a sign of life first: one that has died would cost a request its answer.
const STALE: Duration = Duration::from_millis(500);

/// At most one connection.
pub(super) struct Kept<C> {
    open: Option<(C, Instant)>,
}

impl<C> Kept<C> {
    pub(super) const fn new() -> Self {
        Self { open: None }
    }

    /// The connection that is there, when it is `alive`; that is asked with `true` when it was idle for long. Else a new one.
    pub(super) fn get(
        &mut self,
        alive: impl FnOnce(&mut C, bool) -> bool,
        connect: impl FnOnce() -> Result<C>,
    ) -> Result<&mut C> {
        let kept = self.open.take().and_then(|(mut open, used)| {
            let stale = used.elapsed() > STALE;
            alive(&mut open, stale).then_some(open)
        });
        let open = match kept {
            Some(open) => open,
            None => connect()?,
        };
        Ok(&mut self.open.insert((open, Instant::now())).0)
    }

    /// What came of the work on it: after an error nobody knows what state it is in, and the next one starts on a new connection.
    pub(super) fn unless_failed<T, E>(&mut self, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.open = None;
        }
        result
    }
}
