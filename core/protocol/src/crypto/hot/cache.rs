//! Which keys have a table. Bounded in bytes; what is seen most stays.

use super::table::{NARROW, Shape, Table, WIDE};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// What names a key: its compressed point.
pub(super) type KeyName = [u8; 33];

/// The verified request at which a table is built.
const PROMOTED_AT: u32 = 2;
/// The verified request at which a key gets a wide table: half a millisecond, which 200 more pay back.
const WIDENED_AT: u32 = 256;
/// Keys whose verified requests are counted although they have no table.
const CANDIDATES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// What a table costs besides itself: its places in the map and in the list, generously.
const SLOT_BYTES: usize = 192;

/// A key's verified requests, and its table if it has one. One type for both lists: each that there is makes the library larger.
#[derive(Default)]
struct Slot {
    table: Option<Arc<Table>>,
    hits: u32,
}

impl Slot {
    fn shape(&self) -> Option<Shape> {
        self.table.as_deref().map(Table::shape)
    }
}

/// Tables by key.
pub(super) struct Cache {
    slots: LruCache<KeyName, Slot>,
    candidates: LruCache<KeyName, Slot>,
    bytes: usize,
    /// How many bytes of these belong to wide tables.
    wide_bytes: usize,
    max_bytes: usize,
}

/// The memory that a key's table takes, in bytes.
pub(super) const fn cost(shape: Shape) -> usize {
    Table::bytes(shape) + SLOT_BYTES
}

/// What a table of this shape adds to the bytes of wide tables.
fn wide(shape: Option<Shape>) -> usize {
    shape.filter(|shape| *shape == WIDE).map_or(0, cost)
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            slots: LruCache::unbounded(),
            candidates: LruCache::new(CANDIDATES),
            bytes: 0,
            wide_bytes: 0,
            max_bytes,
        }
    }

    /// The key's table. Leaves the order as it is: anyone can name a key.
    pub(super) fn table(&self, key: &KeyName) -> Option<Arc<Table>> {
        self.slots.peek(key)?.table.clone()
    }

    /// Counts a verified request. Returns the shape of the table that is due to this key now; there is room for it.
    pub(super) fn credit(&mut self, key: &KeyName) -> Option<Shape> {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.hits = slot.hits.saturating_add(1);
            // Wide tables take half of the memory at most and push out nobody.
            let due = slot.hits == WIDENED_AT && slot.shape() == Some(NARROW);
            let grown = self.bytes - cost(NARROW) + cost(WIDE);
            let room = grown <= self.max_bytes && self.wide_bytes + cost(WIDE) <= self.max_bytes / 2;
            return (due && room).then_some(WIDE);
        }
        let candidate = self.candidates.get_or_insert_mut(*key, Slot::default);
        candidate.hits = candidate.hits.saturating_add(1);
        let count = candidate.hits;
        (count >= PROMOTED_AT && self.make_room(count)).then_some(NARROW)
    }

    /// Puts a table in its place, if there still is room.
    pub(super) fn insert(&mut self, key: KeyName, table: Arc<Table>) {
        let old = self.slots.peek(&key);
        let (old_shape, shape) = (old.and_then(Slot::shape), table.shape());
        let hits = old.map_or(0, |slot| slot.hits);
        let bytes = self.bytes - old_shape.map_or(0, cost) + cost(shape);
        if bytes <= self.max_bytes {
            let counted = self.candidates.pop(&key).unwrap_or_default().hits;
            self.slots.put(key, Slot { table: Some(table), hits: hits.max(counted) });
            self.bytes = bytes;
            self.wide_bytes = self.wide_bytes - wide(old_shape) + wide(Some(shape));
        }
    }

    /// Bytes that the tables take, at most `max_bytes`.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys that have a table.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Makes room for one narrow table if its key has been seen more often than those that would have to go.
    ///
    /// The key that was used longest ago defends its place with the number of its requests, which every contest halves. Keys that are
    /// seen twice and never again, however many, cost one that is used nothing: it has been used again before the next contest.
    fn make_room(&mut self, count: u32) -> bool {
        if cost(NARROW) > self.max_bytes {
            return false;
        }
        while self.bytes + cost(NARROW) > self.max_bytes {
            let Some((key, slot)) = self.slots.pop_lru() else { return false };
            if slot.hits >= count {
                self.slots.put(key, Slot { hits: slot.hits / 2, ..slot });
                return false;
            }
            self.bytes -= slot.shape().map_or(0, cost);
            self.wide_bytes -= wide(slot.shape());
        }
        true
    }
}
