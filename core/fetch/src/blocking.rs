//! A run-time for the length of one call: no thread stays behind, so a process may fork whenever it likes.

use crate::FetchError;
use imagxp::publisher::FetchFailure;
use std::thread;
use tokio::runtime::{Builder, Handle};

/// Runs a future to its end on this thread, or, when this thread drives another run-time, on one of its own.
pub(crate) fn block_on<T: Send>(
    future: impl Future<Output = Result<T, FetchError>> + Send,
) -> Result<T, FetchError> {
    if Handle::try_current().is_err() {
        return run(future);
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("imagxp-fetch".into()).spawn_scoped(scope, || run(future));
        let thread = thread.map_err(|error| failed(format!("no thread: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("a bug in the fetcher")))
    })
}

fn run<T>(future: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(|error| failed(format!("no run-time: {error}")))?.block_on(future)
}

fn failed(detail: impl Into<String>) -> FetchError {
    FetchError::new(FetchFailure::Failed, detail)
}
