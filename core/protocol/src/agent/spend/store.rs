//! Where the books are kept.

use super::{Purchase, Reserved, Settlement, Spend};
use crate::error::Result;
use crate::time::Timestamp;
use std::sync::{Mutex, PoisonError};

/// Books that several visits share. Each call is one atomic step, and it is durable when it returns: a reservation outlives the
/// process that made it.
pub trait SpendStore: Send + Sync {
    /// As [`Spend::reserve`]; additionally `io.failed` when the reservation cannot be kept, and then nothing may be paid.
    fn reserve(&self, purchase: &Purchase, now: Timestamp) -> Result<Reserved>;

    /// As [`Spend::settle`]; additionally `io.failed`, and then the purchase is as good as unknown.
    fn settle(&self, id: &str, settlement: Settlement) -> Result<()>;

    /// The books as they are now.
    fn snapshot(&self) -> Spend;
}

/// Books in memory: they are gone with the process, and so are its caps of a day. After a fork each process has books of its own, and may
/// spend as much as all of its caps.
#[derive(Debug, Default)]
pub struct MemorySpend(Mutex<Spend>);

impl MemorySpend {
    /// Keeps these books.
    pub fn new(spend: Spend) -> Self {
        Self(Mutex::new(spend))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Spend) -> T) -> T {
        // No code panics between changes that belong together.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpendStore for MemorySpend {
    fn reserve(&self, purchase: &Purchase, now: Timestamp) -> Result<Reserved> {
        self.with(|spend| spend.reserve(purchase, now))
    }

    fn settle(&self, id: &str, settlement: Settlement) -> Result<()> {
        self.with(|spend| spend.settle(id, settlement));
        Ok(())
    }

    fn snapshot(&self) -> Spend {
        self.with(|spend| spend.clone())
    }
}
