//! What the threads of a store and its callers both see.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

/// The state of one store in one process.
#[derive(Debug)]
pub(super) struct Shared {
    /// How many more entries fit, where that is counted now and then only: as last counted, less what was stored since. Negative when it
    /// is not known.
    room: AtomicI64,
    /// The database did not answer the last time. Until it does, whoever asks is told at once: a store that is down must not make a queue of
    /// callers that each wait for the time limit.
    down: AtomicBool,
    /// Times whose entries have been dropped, in milliseconds since 1970, both ends included, sorted.
    forgotten: RwLock<Vec<(i64, i64)>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { room: AtomicI64::new(-1), down: AtomicBool::new(false), forgotten: RwLock::default() }
    }
}

impl Shared {
    /// Whether the database did not answer the last time.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    pub(super) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(super) fn room(&self) -> i64 {
        self.room.load(Ordering::Relaxed)
    }

    pub(super) fn set_room(&self, room: i64) {
        self.room.store(room, Ordering::Relaxed);
    }

    pub(super) fn take_room(&self, stored: i64) {
        let less = |room: i64| Some(room.saturating_sub(stored).max(0));
        let _ = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Takes over what the database says has been forgotten.
    pub(super) fn learn(&self, forgotten: Vec<(i64, i64)>) {
        if *self.forgotten.read().unwrap_or_else(PoisonError::into_inner) != forgotten {
            *self.forgotten.write().unwrap_or_else(PoisonError::into_inner) = forgotten;
        }
    }

    /// Whether an entry that expired at this time has been dropped.
    pub(super) fn covers(&self, time: i64) -> bool {
        let forgotten = self.forgotten.read().unwrap_or_else(PoisonError::into_inner);
        forgotten.iter().any(|(from, to)| (*from..=*to).contains(&time))
    }

    /// The end of the last time that has been forgotten.
    pub(super) fn last(&self) -> Option<i64> {
        self.forgotten.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, to)| *to).max()
    }
}
