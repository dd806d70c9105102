//! State that a forked child does not inherit.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// One value per process. After a fork the child finds a new one: what its parent had in flight never ends in the child, and a lock
/// that another thread of the parent held is never released there.
pub(crate) struct PerProcess<T> {
    pid: u32,
    value: Mutex<T>,
    /// The value of the child that first found this one to be its parent's; a child's child comes after that.
    next: OnceLock<Box<PerProcess<T>>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) fn new() -> Self {
        Self { pid: std::process::id(), value: Mutex::default(), next: OnceLock::new() }
    }

    /// The value of this process. Held for moments only, never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let pid = std::process::id();
        let mut cell = self;
        while cell.pid != pid {
            cell = cell.next.get_or_init(|| Box::new(Self::new()));
        }
        // No code panics between changes that belong together.
        cell.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_starts_anew() {
        let cell: PerProcess<u32> = PerProcess { pid: u32::MAX, value: Mutex::new(7), next: OnceLock::new() };
        let parents = cell.value.lock().unwrap();
        *cell.lock() += 1;
        assert_eq!(*cell.lock(), 1, "not the parent's, which is locked for ever");
        assert_eq!(*parents, 7);
    }
}
