//! The table of the curve's generator: one for all that a process has, for as long as anybody has tables.

use super::point::Affine;
use super::table::{GENERATOR, Table};
use std::sync::{Arc, Mutex, MutexGuard};

/// Nobody waits for this lock: the thread that holds it may be one that a fork left behind.
static SHARED: Mutex<Option<Arc<Table>>> = Mutex::new(None);

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
        let mut table = shared.as_deref().cloned().flatten();
        if table.is_none() {
            table = make().map(Arc::new);
            if let Some(shared) = &mut shared {
                shared.clone_from(&table);
            }
        }
        Self(table)
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.0.as_deref()
    }
}

impl Drop for Generator {
    /// The last one frees it: a library that is unloaded leaves nothing behind. Who finds the lock taken leaves that to the next.
    fn drop(&mut self) {
        if self.0.take().is_none() {
            return;
        }
        if let Some(mut shared) = lock()
            && shared.as_ref().is_some_and(|table| Arc::strong_count(table) == 1)
        {
            *shared = None;
        }
    }
}

fn make() -> Option<Table> {
    let point = ::p256::PublicKey::from_affine(::p256::AffinePoint::GENERATOR).ok()?;
    Table::new(Affine::of(&point.into())?, GENERATOR)
}

/// The lock, unless somebody holds it.
fn lock() -> Option<MutexGuard<'static, Option<Arc<Table>>>> {
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
        drop(first);
        let same = |third: Generator| core::ptr::eq(second.table().unwrap(), third.table().unwrap());
        assert!((0..100).map(|_| Generator::shared()).any(same), "who comes later has a table of its own");
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
        // It was left to the next: other tests have shares meanwhile, and the last of all frees it.
        drop(Generator::shared());
        let known = || {
            lock()
                .is_none_or(|shared| shared.as_ref().is_some_and(|left| Arc::as_ptr(left) == table.as_ptr()))
        };
        assert!(
            table.strong_count() == 0 || known(),
            "a table that nobody has is there, and nobody can find it"
        );
    }
}
