//! What threads share the core's state by, in one place: the standard library's, and in the model tests (`--cfg shuttle`, scripts/models.sh) those of
//! a scheduler that tries orders of threads, one after another. A product build has no trace of the second.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};
