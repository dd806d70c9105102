//! The table of the curve's generator: one for all that a process has, for as long as anybody has tables.

use super::point::Affine;
use super::table::{GENERATOR, Table};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Where to find the table that somebody has. Nobody waits for this lock: the thread that holds it may be one that a fork left behind.
static SHARED: Mutex<Weak<Table>> = Mutex::new(Weak::new());

/// A share of the table.
pub(super) struct Generator(Option<Arc<Table>>);

impl Generator {
    /// Nobody will ask for it.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// The first one makes it: 512 KiB, in a millisecond. Who finds the lock taken has a table to itself.
    pub(super) fn shared() -> Self {
        let mut shared = lock();
        let mut table = shared.as_ref().and_then(|shared| shared.upgrade());
        if table.is_none() {
            table = make().map(Arc::new);
            if let (Some(shared), Some(table)) = (&mut shared, &table) {
                **shared = Arc::downgrade(table);
            }
        }
        Self(table)
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.0.as_deref()
    }
}

impl Drop for Generator {
    /// The last one frees it: a library that is unloaded leaves nothing behind.
    fn drop(&mut self) {
        self.0 = None;
        // The table is gone with its last share, whoever holds the lock; what is left is the few bytes that say so.
        if let Some(mut shared) = lock().filter(|shared| shared.strong_count() == 0) {
            *shared = Weak::new();
        }
    }
}

fn make() -> Option<Table> {
    let point = ::p256::PublicKey::from_affine(::p256::AffinePoint::GENERATOR).ok()?;
    Table::new(Affine::of(&point.into())?, GENERATOR)
}

/// The lock, unless somebody holds it.
fn lock() -> Option<MutexGuard<'static, Weak<Table>>> {
    SHARED.try_lock().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::HotKeys;
    use std::sync::PoisonError;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// Holding the lock makes tables that are not shared.
    static ALONE: Mutex<()> = Mutex::new(());

    /// Other tests have the lock for moments: not each of these pairs is one.
    fn pair() -> (Generator, Generator) {
        let same = |(first, second): &(Generator, Generator)| {
            core::ptr::eq(first.table().unwrap(), second.table().unwrap())
        };
        (0..100).map(|_| (Generator::shared(), Generator::shared())).find(same).expect("a table is shared")
    }

    #[test]
    fn a_share_is_the_same_table_and_outlives_the_others() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = pair();
        let table = Arc::downgrade(first.0.as_ref().unwrap());
        drop(first);
        assert!(core::ptr::eq(second.table().unwrap(), Arc::as_ptr(&table.upgrade().unwrap())));
        assert!(Generator::none().table().is_none());
    }

    /// The thread that holds the lock may be one that a fork left behind, and never give it back.
    #[test]
    fn a_held_lock_keeps_nobody_waiting_and_nothing_alive() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = pair();
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, waited) = channel();
        std::thread::spawn(move || {
            let table = Arc::downgrade(first.0.as_ref().unwrap());
            let keys = HotKeys::new(HotKeys::DEFAULT_BYTES);
            let own = Arc::downgrade(keys.generator.0.as_ref().unwrap());
            assert!(!own.ptr_eq(&table), "a share of what nobody can look for");
            drop((first, second, keys));
            done.send((own.strong_count(), table)).unwrap();
        });
        let answer = waited.recv_timeout(Duration::from_secs(60));
        drop(shared);
        let (own, table) = answer.expect("somebody waits for the lock, or is not what was expected");
        assert_eq!(own, 0, "a table that nobody else can have outlives its owner");
        // Another test may have taken a share before the lock was held, and gives it back.
        let gone = || table.strong_count() == 0 || lock().is_none_or(|shared| shared.ptr_eq(&table));
        assert!(gone(), "a table that nobody has is there, and nobody can find it");
    }
}
