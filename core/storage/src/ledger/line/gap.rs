//! The seeded fault of the models: a wake-up that is lost.

use super::{Decided, Line};
use std::sync::{Arc, PoisonError};

impl Line {
    /// [`Line::take`], but it looks, lets go, and only then says that it sleeps: what is put in between rings for nobody.
    pub(in crate::ledger) fn take_with_a_gap(&self) -> Option<Decided> {
        self.lock().writing = None;
        loop {
            let mut state = self.lock();
            if state.ended {
                return None;
            }
            if state.failed.is_none()
                && let Some(batch) = state.decided.take()
            {
                state.writing = Some(Arc::clone(&batch.changes));
                self.wake_decider(state);
                return Some(batch);
            }
            self.wake_decider(state);
            let mut state = self.lock();
            state.writer_sleeps = true;
            drop(self.writes.wait(state).unwrap_or_else(PoisonError::into_inner));
        }
    }
}
