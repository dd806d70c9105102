//! Checks of the whole ledger that are asked for: one at a time, however many ask, and none ends because somebody waits no more.

use crate::problem::Problem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the answer of a check that took its time is there for those who were told to ask again.
const KEPT: Duration = Duration::from_secs(60);

/// The check that runs, or the last one.
#[derive(Debug)]
pub(crate) struct Checks<T> {
    /// What takes so long may have had nobody left to answer.
    slow: Duration,
    last: Mutex<Option<watch::Receiver<Option<Answer<T>>>>>,
}

#[derive(Clone, Debug)]
struct Answer<T> {
    found: Result<T, Problem>,
    took: Duration,
    ended: Instant,
}

impl<T: Clone + Send + Sync + 'static> Checks<T> {
    /// `deadline` is how long a request may take.
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { slow: deadline / 2, last: Mutex::default() }
    }

    /// What the check says that runs now, or else `check`, which is begun. It goes on when nobody waits for it; whoever asks within a minute
    /// after the end of one that took long has its answer.
    ///
    /// Errors: the check's own, `internal.failed` when it ended without an answer.
    pub(crate) async fn ask(
        &self,
        check: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let mut answer = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match last.as_ref().filter(|last| self.serves(last)) {
                Some(last) => last.clone(),
                None => last.insert(begin(check)).clone(),
            }
        };
        let answer = answer.wait_for(Option::is_some).await.map_err(Problem::internal)?.clone();
        answer.ok_or_else(|| Problem::internal("a check has no answer"))?.found
    }

    /// Whether this check runs, or has ended not long ago and after those who had asked may have gone.
    fn serves(&self, check: &watch::Receiver<Option<Answer<T>>>) -> bool {
        match &*check.borrow() {
            Some(answer) => answer.found.is_ok() && answer.took >= self.slow && answer.ended.elapsed() < KEPT,
            None => check.has_changed().is_ok(),
        }
    }
}

/// Begins a check in a task of its own.
fn begin<T: Send + Sync + 'static>(
    check: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> watch::Receiver<Option<Answer<T>>> {
    let (tell, answer) = watch::channel(None);
    let begun = Instant::now();
    tokio::spawn(async move {
        let found = check.await;
        let ended = Instant::now();
        tell.send_replace(Some(Answer { found, took: ended.saturating_duration_since(begun), ended }));
    });
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Checks that are counted.
    struct Place {
        checks: Checks<usize>,
        begun: Arc<AtomicUsize>,
    }

    impl Place {
        fn new() -> Self {
            Self { checks: Checks::new(DEADLINE), begun: Arc::default() }
        }

        /// A request: the check would take so long; `None` when the request has taken too long itself.
        async fn ask(&self, seconds: u64) -> Option<usize> {
            let begun = Arc::clone(&self.begun);
            let check = async move {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(number)
            };
            tokio::time::timeout(DEADLINE, self.checks.ask(check)).await.ok().map(Result::unwrap)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_outlasts_a_request_answers_a_later_one() {
        let place = Place::new();
        let both = tokio::join!(place.ask(25), place.ask(25));
        assert_eq!(both, (None, None));
        assert_eq!(place.ask(25).await, None, "it runs still");
        assert_eq!(place.ask(25).await, Some(0));
        assert_eq!(place.begun.load(Ordering::Relaxed), 1, "one at a time");
        // Each of those who were told to come again has it; later it is old.
        tokio::time::sleep(KEPT / 2).await;
        assert_eq!(place.ask(25).await, Some(0));
        tokio::time::sleep(KEPT).await;
        assert_eq!(place.ask(1).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_answers_in_time_is_not_kept() {
        let place = Place::new();
        assert_eq!(tokio::join!(place.ask(1), place.ask(1)), (Some(0), Some(0)));
        assert_eq!(place.ask(1).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_fails_is_made_again() {
        let checks = Checks::<usize>::new(DEADLINE);
        let fails = || async {
            tokio::time::sleep(DEADLINE).await;
            Err(Problem::busy("store.busy", "the store does not answer now", 2))
        };
        let panics = || async { panic!("a check that panics") };
        assert_eq!(checks.ask(fails()).await.unwrap_err().code, "store.busy");
        assert_eq!(checks.ask(panics()).await.unwrap_err().code, "internal.failed");
        assert_eq!(checks.ask(async { Ok(3) }).await.unwrap(), 3);
    }
}
