//! Work that somebody else can stall: it has some of the threads of [`worker`], never all, and only so much of it waits.

use crate::worker;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Is told whether it has its turn; if not, it is to end at once.
pub(crate) type Turn = Box<dyn FnOnce(bool) + Send>;

/// What waits for one kind of peer.
pub(crate) struct Lane {
    threads: usize,
    places: usize,
    state: Mutex<State>,
}

struct State {
    busy: usize,
    waiting: VecDeque<Turn>,
}

impl Lane {
    /// So many at once, and so many that wait for their turn.
    pub(crate) const fn new(threads: usize, places: usize) -> Self {
        Self { threads, places, state: Mutex::new(State { busy: 0, waiting: VecDeque::new() }) }
    }

    /// Gives a turn, now or later; or, when too many wait already, none.
    pub(crate) fn enter(&'static self, turn: Turn) {
        let mut state = self.lock();
        if state.busy < self.threads {
            state.busy += 1;
            drop(state);
            worker::start(Box::new(move || self.serve(turn)));
        } else if state.waiting.len() < self.places {
            state.waiting.push_back(turn);
        } else {
            drop(state);
            turn(false);
        }
    }

    fn serve(&self, first: Turn) {
        let mut next = Some(first);
        while let Some(turn) = next {
            turn(true);
            let mut state = self.lock();
            next = state.waiting.pop_front();
            if next.is_none() {
                state.busy -= 1;
            }
        }
    }

    /// No code panics between changes that belong together.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
