//! The table of the curve's generator: one for all that a process has, for as long as anybody has tables.

use super::point::Affine;
use super::table::{GENERATOR, Table};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

static SHARED: Mutex<Option<Arc<Table>>> = Mutex::new(None);

/// A share of the table.
pub(super) struct Generator(Option<Arc<Table>>);

impl Generator {
    /// Nobody will ask for it.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// The first one makes it: 512 KiB, in a millisecond.
    pub(super) fn shared() -> Self {
        let mut shared = lock();
        if shared.is_none() {
            *shared = make().map(Arc::new);
        }
        Self(shared.clone())
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.0.as_deref()
    }
}

impl Drop for Generator {
    /// The last one frees it: a library that is unloaded leaves nothing behind.
    fn drop(&mut self) {
        if self.0.is_none() {
            return;
        }
        let mut shared = lock();
        self.0 = None;
        if shared.as_ref().is_some_and(|table| Arc::strong_count(table) == 1) {
            *shared = None;
        }
    }
}

fn make() -> Option<Table> {
    let point = ::p256::PublicKey::from_affine(::p256::AffinePoint::GENERATOR).ok()?;
    Table::new(Affine::of(&point.into())?, GENERATOR)
}

fn lock() -> MutexGuard<'static, Option<Arc<Table>>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_same_table_and_outlives_the_others() {
        let (first, second) = (Generator::shared(), Generator::shared());
        assert!(core::ptr::eq(first.table().unwrap(), second.table().unwrap()));
        drop(first);
        assert!(core::ptr::eq(second.table().unwrap(), Generator::shared().table().unwrap()));
        assert!(Generator::none().table().is_none());
    }
}
