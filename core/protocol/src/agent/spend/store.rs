//! Where the books are kept.

use super::{Purchase, Reserved, Settlement, Spend};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Books that several visits share. Each call is one atomic step, and it is durable when it returns: a reservation outlives the
/// process that made it.
pub trait SpendStore: Send + Sync {
    /// As [`Spend::reserve`]; additionally `io.failed` when the reservation cannot be kept, and then nothing may be paid.
    fn reserve(&self, purchase: &Purchase, now: Timestamp) -> Result<Reserved>;

    /// As [`Spend::settle`]; additionally `io.failed`, and then the purchase is as good as unknown.
    fn settle(&self, id: &str, settlement: Settlement) -> Result<()>;

    /// The books as they are now, or as they were when they were closed.
    fn snapshot(&self) -> Spend;

    /// Lets the books go, so that others may open them; the second time nothing happens. From then on [`SpendStore::reserve`] is
    /// `io.failed`, and [`SpendStore::settle`] too where the books may be another's.
    fn close(&self);
}

/// Books in memory: they are gone with the process, and so are its caps of a day. After a fork each process has books of its own, and may
/// spend as much as all of its caps, provided that no other thread was in a call on them at the fork: in the child they then stay locked.
#[derive(Debug, Default)]
pub struct MemorySpend {
    books: Mutex<Spend>,
    is_closed: AtomicBool,
}

impl MemorySpend {
    /// Keeps these books.
    pub fn new(spend: Spend) -> Self {
        Self { books: Mutex::new(spend), is_closed: AtomicBool::new(false) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Spend) -> T) -> T {
        // No code panics between changes that belong together.
        act(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpendStore for MemorySpend {
    fn reserve(&self, purchase: &Purchase, now: Timestamp) -> Result<Reserved> {
        self.with(|spend| {
            if self.is_closed.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Io, "the books are closed"));
            }
            spend.reserve(purchase, now)
        })
    }

    fn settle(&self, id: &str, settlement: Settlement) -> Result<()> {
        self.with(|spend| spend.settle(id, settlement));
        Ok(())
    }

    fn snapshot(&self) -> Spend {
        self.with(|spend| spend.clone())
    }

    fn close(&self) {
        self.with(|_| self.is_closed.store(true, Ordering::Relaxed));
    }
}
