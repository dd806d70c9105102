//! One fetch per URL at a time, whatever the threads and run-times of those who wait, and a memory for failures.

use crate::{Answer, FetchError, Profile};
use core::future::Future;
use core::num::NonZeroUsize;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use imagxp::publisher::FetchFailure;
use lru::LruCache;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How long a failure is remembered (PROTOCOL §4).
const NEGATIVE: Duration = Duration::from_secs(60);
/// More than can fail in a minute.
const FAILURES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// What a fetch came to.
pub(crate) type Outcome = Result<Arc<Answer>, FetchError>;

/// What is fetched: a URL in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) url: String,
    pub(crate) profile: Profile,
}

/// Fetches under way and failures of the last minute.
pub(crate) struct Board {
    flights: HashMap<Key, Arc<Flight>>,
    /// By a keyed hash: strangers' URLs are long, and none is worth keeping.
    failures: LruCache<u64, (FetchError, Instant)>,
    hasher: RandomState,
}

impl Default for Board {
    fn default() -> Self {
        Self { flights: HashMap::new(), failures: LruCache::new(FAILURES), hasher: RandomState::new() }
    }
}

/// What to do about a URL.
pub(crate) enum Boarding {
    /// Fetch it, then [`Board::land`].
    Lead(Arc<Flight>),
    /// Wait for whoever fetches it already.
    Follow(Arc<Flight>),
    /// It failed less than a minute ago.
    Failed(FetchError),
}

impl Board {
    pub(crate) fn board(&mut self, key: &Key, now: Instant) -> Boarding {
        let hash = self.hasher.hash_one(key);
        match self.failures.get(&hash) {
            Some((error, at)) if now.saturating_duration_since(*at) < NEGATIVE => {
                let mut error = error.clone();
                error.detail = format!("{} (less than a minute ago)", error.detail);
                return Boarding::Failed(error);
            }
            Some(_) => drop(self.failures.pop(&hash)),
            None => {}
        }
        if let Some(flight) = self.flights.get(key) {
            return Boarding::Follow(Arc::clone(flight));
        }
        let flight = Arc::new(Flight::default());
        self.flights.insert(key.clone(), Arc::clone(&flight));
        Boarding::Lead(flight)
    }

    /// A fetch has ended; `None`: its leader went away. Being busy is not remembered: it says nothing about the URL.
    pub(crate) fn land(&mut self, key: &Key, outcome: Option<&Outcome>, now: Instant) {
        self.flights.remove(key);
        if let Some(Err(error)) = outcome
            && error.failure != FetchFailure::Busy
        {
            self.failures.put(self.hasher.hash_one(key), (error.clone(), now));
        }
    }
}

/// One fetch that others may wait for.
#[derive(Debug, Default)]
pub(crate) struct Flight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// `Some(None)`: its leader went away.
    landed: Option<Option<Outcome>>,
    waiting: HashMap<u64, Waker>,
    next: u64,
}

impl Flight {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone who waits.
    pub(crate) fn land(&self, outcome: Option<Outcome>) {
        let waiting = {
            let mut state = self.lock();
            state.landed = Some(outcome);
            core::mem::take(&mut state.waiting)
        };
        for waker in waiting.into_values() {
            waker.wake();
        }
    }

    /// Waits for the outcome; `None`: its leader went away, and someone else has to fetch.
    pub(crate) fn wait(self: &Arc<Self>) -> Wait {
        let mut state = self.lock();
        state.next = state.next.wrapping_add(1);
        Wait { flight: Arc::clone(self), seat: state.next }
    }
}

/// The future of [`Flight::wait`].
pub(crate) struct Wait {
    flight: Arc<Flight>,
    seat: u64,
}

impl Future for Wait {
    type Output = Option<Outcome>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.flight.lock();
        match &state.landed {
            Some(outcome) => Poll::Ready(outcome.clone()),
            None => {
                state.waiting.insert(self.seat, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let _waker = self.flight.lock().waiting.remove(&self.seat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> Key {
        Key { url: url.into(), profile: Profile::MANIFEST }
    }

    #[test]
    fn failures_are_remembered_for_a_minute() {
        let mut board = Board::default();
        let (start, url) = (Instant::now(), key("https://a.example/"));
        let failed: Outcome = Err(FetchError::new(FetchFailure::NotFound, "status 404"));
        assert!(matches!(board.board(&url, start), Boarding::Lead(_)));
        assert!(matches!(board.board(&url, start), Boarding::Follow(_)));
        board.land(&url, Some(&failed), start);
        let Boarding::Failed(error) = board.board(&url, start + Duration::from_secs(59)) else {
            panic!("forgotten")
        };
        assert_eq!(error.failure, FetchFailure::NotFound);
        assert!(matches!(board.board(&key("https://b.example/"), start), Boarding::Lead(_)));
        assert!(matches!(board.board(&url, start + NEGATIVE), Boarding::Lead(_)));
    }

    #[test]
    fn being_busy_is_not_remembered() {
        let mut board = Board::default();
        let (start, url) = (Instant::now(), key("https://a.example/"));
        assert!(matches!(board.board(&url, start), Boarding::Lead(_)));
        board.land(&url, Some(&Err(FetchError::new(FetchFailure::Busy, "busy"))), start);
        assert!(matches!(board.board(&url, start), Boarding::Lead(_)));
    }

    #[test]
    fn a_leader_that_goes_away_tells_the_others() {
        let flight = Arc::new(Flight::default());
        let mut context = Context::from_waker(Waker::noop());
        let (mut first, second) = (Box::pin(flight.wait()), flight.wait());
        assert!(first.as_mut().poll(&mut context).is_pending());
        drop(second);
        flight.land(None);
        assert!(matches!(first.as_mut().poll(&mut context), Poll::Ready(None)));
        assert!(matches!(Box::pin(flight.wait()).as_mut().poll(&mut context), Poll::Ready(None)), "late");
    }
}
