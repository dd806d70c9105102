//! How much memory is taken by what strangers have written, for caches with a bound in bytes.

use crate::policy::Money;
use crate::purpose::Purpose;
use std::collections::BTreeMap;

/// What has memory of its own.
pub(crate) trait Held {
    /// Bytes of memory beyond the value itself, as nearly as can be told, and rather more than less.
    fn held(&self) -> usize;
}

/// A piece of memory with what the allocator keeps for it.
pub(crate) const fn piece(bytes: usize) -> usize {
    bytes.saturating_add(16)
}

impl Held for String {
    fn held(&self) -> usize {
        piece(self.capacity())
    }
}

impl<T: Held> Held for Vec<T> {
    fn held(&self) -> usize {
        piece(self.capacity() * size_of::<T>()) + self.iter().map(T::held).sum::<usize>()
    }
}

impl<T: Held> Held for Option<T> {
    fn held(&self) -> usize {
        self.as_ref().map_or(0, T::held)
    }
}

/// A node of a map has room for eleven, and there are five purposes.
impl<T: Held> Held for BTreeMap<Purpose, T> {
    fn held(&self) -> usize {
        let node = if self.is_empty() { 0 } else { piece(12 * size_of::<(Purpose, T)>()) };
        node + self.values().map(T::held).sum::<usize>()
    }
}

impl Held for Money {
    fn held(&self) -> usize {
        self.currency.held()
    }
}
