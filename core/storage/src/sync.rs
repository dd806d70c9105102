//! What threads share the ledger by, in one place: the standard library's, and in the models (`--cfg shuttle`, scripts/models.sh) those of a
//! scheduler that tries orders of threads, one after another. A product build has no trace of the second.

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, mpsc},
    thread::{JoinHandle, sleep},
};
#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, mpsc},
    thread::{JoinHandle, sleep},
};

use std::io;
use std::time::Duration;

/// Starts a thread. When it panics it ends alone. Error: the system's.
#[cfg(not(shuttle))]
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// The scheduler's threads do not end alone unless they are told to.
#[cfg(shuttle)]
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let work = std::panic::AssertUnwindSafe(work);
    let alone = move || drop(std::panic::catch_unwind(work));
    shuttle::thread::Builder::new().name(name.to_owned()).spawn(alone)
}

/// Waits for a thread, at most so long. Whether it has ended.
#[cfg(not(shuttle))]
pub(crate) fn wait(thread: JoinHandle<()>, most: Duration) -> bool {
    let until = std::time::Instant::now() + most;
    while !thread.is_finished() && std::time::Instant::now() < until {
        sleep(Duration::from_millis(1));
    }
    thread.is_finished()
}

/// Time stands still here: a thread that never ends is a deadlock, which the scheduler tells.
#[cfg(shuttle)]
pub(crate) fn wait(thread: JoinHandle<()>, _: Duration) -> bool {
    thread.join().is_ok()
}
