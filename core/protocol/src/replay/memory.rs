//! The bounded in-memory store: time buckets, dropped whole, never a live entry evicted.

use super::{Insert, ReplayEntry, ReplayStore, Seen};
use crate::time::Timestamp;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The width of a bucket, in milliseconds.
const BUCKET_MS: i64 = 60_000;

/// A replay store for one process: 1 M entries and 200 k per agent by default (PROTOCOL §5).
///
/// Entries live in buckets by expiry. A bucket whose time has passed is dropped whole; its end becomes the horizon, before which no
/// claim is accepted any more, so that a clock that steps back reopens nothing. When the store or an agent's share is full it refuses
/// new entries rather than forget live ones.
#[derive(Debug)]
pub struct MemoryReplayStore {
    max_entries: usize,
    max_per_agent: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the bucket's end, in units of [`BUCKET_MS`] since 1970.
    buckets: BTreeMap<i64, Bucket>,
    per_agent: HashMap<[u8; 16], u32, Keyed>,
    entries: usize,
    horizon: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Bucket {
    keys: HashSet<[u8; 16], Keyed>,
    per_agent: HashMap<[u8; 16], u32, Keyed>,
}

impl Default for MemoryReplayStore {
    fn default() -> Self {
        Self::new(1_000_000, 200_000)
    }
}

impl MemoryReplayStore {
    /// A store for at most this many entries in all and per agent.
    pub fn new(max_entries: usize, max_per_agent: u32) -> Self {
        Self { max_entries, max_per_agent, state: Mutex::default() }
    }

    /// How many entries are held now.
    pub fn len(&self) -> usize {
        self.lock().entries
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code here can panic between two changes that belong together, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayStore for MemoryReplayStore {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let mut state = self.lock();
        state.drop_expired(now);
        // The same nonce may have been signed with another time, so every bucket counts.
        if state.contains(&entry.key) {
            return Insert::Seen;
        }
        let held = state.per_agent.get(&entry.agent).copied().unwrap_or(0);
        if state.entries >= self.max_entries || held >= self.max_per_agent {
            return Insert::Full;
        }
        let end = entry.expires_at.as_millis().div_euclid(BUCKET_MS).saturating_add(1);
        let bucket = state.buckets.entry(end).or_default();
        bucket.keys.insert(entry.key);
        *bucket.per_agent.entry(entry.agent).or_default() += 1;
        state.per_agent.insert(entry.agent, held + 1);
        state.entries += 1;
        Insert::Fresh
    }

    fn seen(&self, key: &[u8; 16], _now: Timestamp) -> Seen {
        if self.lock().contains(key) { Seen::Yes } else { Seen::No }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.lock().horizon
    }
}

impl State {
    fn contains(&self, key: &[u8; 16]) -> bool {
        self.buckets.values().any(|bucket| bucket.keys.contains(key))
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(first) = self.buckets.first_entry() {
            let end = Timestamp::from_millis(first.key().saturating_mul(BUCKET_MS));
            if now <= end {
                return;
            }
            let bucket = first.remove();
            self.entries = self.entries.saturating_sub(bucket.keys.len());
            for (agent, count) in bucket.per_agent {
                if let Some(held) = self.per_agent.get_mut(&agent) {
                    *held = held.saturating_sub(count);
                    if *held == 0 {
                        self.per_agent.remove(&agent);
                    }
                }
            }
            self.horizon = self.horizon.max(Some(end));
        }
    }
}

type Keyed = BuildHasherDefault<FirstBytes>;

/// The keys are keyed hashes already: their first eight bytes are the best hash there is.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length prefix of an array says nothing.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u32, agent: u8, expires_at: Timestamp) -> ReplayEntry {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_le_bytes());
        ReplayEntry { key, agent: [agent; 16], expires_at }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn seen_until_expiry_whatever_the_time_of_the_second() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(300)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(100)), at(0)), Insert::Seen);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(600)), at(300)), Insert::Seen);
        assert_eq!(store.seen(&entry(1, 1, at(0)).key, at(300)), Seen::Yes);
        assert_eq!(store.horizon(), None);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(900)), at(600)), Insert::Fresh);
        assert_eq!(store.len(), 1);
        assert!(store.horizon().unwrap() >= at(300) && store.horizon().unwrap() < at(600));
    }

    #[test]
    fn full_refuses_and_keeps_everything() {
        let store = MemoryReplayStore::new(3, 2);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(300)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(300)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(3, 1, at(300)), at(0)), Insert::Full);
        assert_eq!(store.insert_if_absent(&entry(3, 2, at(300)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(4, 3, at(300)), at(0)), Insert::Full);
        for number in 1..=3 {
            assert_eq!(store.insert_if_absent(&entry(number, 9, at(300)), at(0)), Insert::Seen);
        }
        assert_eq!(store.insert_if_absent(&entry(4, 1, at(900)), at(600)), Insert::Fresh);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn one_wild_step_forward_refuses_nothing_for_ever() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(365)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(1_000_000_300)), at(1_000_000_000)), Insert::Fresh);
        assert!(store.horizon().unwrap() <= at(365 + 60));
    }
}
