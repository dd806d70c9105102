//! The bounded in-memory store: time buckets, dropped whole, never a live entry evicted.

use super::{Insert, ReplayEntry, ReplayStore, Seen};
use crate::sync::{Mutex, MutexGuard};
use crate::time::Timestamp;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::PoisonError;

/// Into how many parts each table is divided. A table of a million that grows makes everybody wait for milliseconds; a part of it, for 50 µs.
const PARTS: usize = 64;
/// The width of a bucket, in milliseconds.
const BUCKET_MS: i64 = 60_000;
/// How much before a dropped bucket counts as forgotten too: claims end somewhat before their entries.
const BEFORE_MS: i64 = 24 * 60 * BUCKET_MS;
/// How many separate times are told apart; beyond that the oldest two become one.
const MAX_FORGOTTEN: usize = 64;

/// A replay store for one process: 1 M entries and 200 k per agent by default (PROTOCOL §5).
///
/// Entries live in buckets by expiry. A bucket whose time has passed is dropped whole, and claims that end in its time, or in the day before it,
/// are accepted no more, so that a clock that steps back reopens nothing. Times far from any that was forgotten stay open: a clock that once was
/// wildly ahead shuts nobody out. When the store or an agent's share is full it refuses
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
    per_agent: Parts<Counts>,
    /// What dropped buckets held per agent and [`State::per_agent`] still contains: one part is subtracted with each insertion.
    leaving: Vec<Counts>,
    entries: usize,
    forgotten: Vec<Forgotten>,
}

/// A time whose entries have been dropped, in milliseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forgotten {
    from: i64,
    to: i64,
}

#[derive(Debug, Default)]
struct Bucket {
    keys: Parts<HashSet<[u8; 16], Keyed>>,
    per_agent: Parts<Counts>,
    len: usize,
}

/// Entries by agent.
type Counts = HashMap<[u8; 16], u32, Keyed>;

/// One table in [`PARTS`] parts, by the key's last byte; its first eight are what the parts hash by.
#[derive(Debug)]
struct Parts<T>(Box<[T; PARTS]>);

impl<T: Default> Default for Parts<T> {
    fn default() -> Self {
        Self(Box::new(core::array::from_fn(|_| T::default())))
    }
}

#[expect(clippy::indexing_slicing, reason = "a remainder is smaller than what it is divided by")]
impl<T> Parts<T> {
    fn of(&self, key: &[u8; 16]) -> &T {
        &self.0[usize::from(key[15]) % PARTS]
    }

    fn of_mut(&mut self, key: &[u8; 16]) -> &mut T {
        &mut self.0[usize::from(key[15]) % PARTS]
    }
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
        if let Some(part) = state.leaving.pop() {
            state.settle(part);
        }
        // The same nonce may have been signed with another time, so every bucket counts.
        if state.contains(&entry.key) {
            return Insert::Seen;
        }
        if state.entries >= self.max_entries || state.held(&entry.agent) >= self.max_per_agent {
            return Insert::Full;
        }
        let end = entry.expires_at.as_millis().div_euclid(BUCKET_MS).saturating_add(1);
        let bucket = state.buckets.entry(end).or_default();
        bucket.keys.of_mut(&entry.key).insert(entry.key);
        *bucket.per_agent.of_mut(&entry.agent).entry(entry.agent).or_default() += 1;
        bucket.len += 1;
        *state.per_agent.of_mut(&entry.agent).entry(entry.agent).or_default() += 1;
        state.entries += 1;
        Insert::Fresh
    }

    fn seen(&self, key: &[u8; 16], _now: Timestamp) -> Seen {
        if self.lock().contains(key) { Seen::Yes } else { Seen::No }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.lock().forgotten.last().map(|last| Timestamp::from_millis(last.to))
    }

    fn forgotten(&self, expires_at: Timestamp) -> bool {
        let time = expires_at.as_millis();
        self.lock().forgotten.iter().any(|forgotten| (forgotten.from..=forgotten.to).contains(&time))
    }
}

impl State {
    fn contains(&self, key: &[u8; 16]) -> bool {
        self.buckets.values().any(|bucket| bucket.keys.of(key).contains(key))
    }

    /// How many entries of this agent are held.
    fn held(&self, agent: &[u8; 16]) -> u32 {
        let count = |counts: &Counts| counts.get(agent).copied().unwrap_or(0);
        let leaving = self.leaving.iter().map(count).fold(0, u32::saturating_add);
        count(self.per_agent.of(agent)).saturating_sub(leaving)
    }

    /// Subtracts one part of what has been dropped: after a bucket's end only.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, part: Counts) {
        for (agent, count) in part {
            let counts = self.per_agent.of_mut(&agent);
            let held = counts.entry(agent).or_default();
            *held = held.saturating_sub(count);
            if *held == 0 {
                counts.remove(&agent);
            }
        }
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(first) = self.buckets.first_entry() {
            let end = Timestamp::from_millis(first.key().saturating_mul(BUCKET_MS));
            if now <= end {
                return;
            }
            let bucket = first.remove();
            self.entries = self.entries.saturating_sub(bucket.len);
            self.leaving.extend(bucket.per_agent.0.into_iter().filter(|counts| !counts.is_empty()));
            self.forget(end.as_millis());
        }
    }

    /// Adds the time of a dropped bucket to what is forgotten: sorted, without overlaps, bounded.
    #[cold]
    #[inline(never)]
    fn forget(&mut self, end: i64) {
        let new = Forgotten { from: end.saturating_sub(BUCKET_MS + BEFORE_MS), to: end };
        let place = self.forgotten.partition_point(|forgotten| forgotten.from <= new.from);
        self.forgotten.insert(place, new);
        self.forgotten.dedup_by(|later, earlier| {
            let overlap = later.from <= earlier.to;
            if overlap {
                earlier.to = earlier.to.max(later.to);
            }
            overlap
        });
        if let [oldest, second, others @ ..] = self.forgotten.as_mut_slice()
            && others.len() + 2 > MAX_FORGOTTEN
        {
            second.from = oldest.from;
            self.forgotten.remove(0);
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
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
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
    fn a_bucket_is_a_minute_and_a_step_back_is_noticed_for_a_day() {
        assert_eq!((BUCKET_MS, BEFORE_MS), (60_000, 86_400_000));
    }

    #[test]
    fn seen_until_expiry_whatever_the_time_of_the_second() {
        let store = MemoryReplayStore::default();
        assert!(store.is_empty());
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(300)), at(0)), Insert::Fresh);
        assert!(!store.is_empty());
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(100)), at(0)), Insert::Seen);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(600)), at(300)), Insert::Seen);
        assert_eq!(store.seen(&entry(1, 1, at(0)).key, at(300)), Seen::Yes);
        assert_eq!(store.horizon(), None);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(900)), at(600)), Insert::Fresh);
        assert_eq!(store.len(), 1);
        assert!((at(300)..at(600)).contains(&store.horizon().unwrap()));
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

    /// Who was full has room as soon as a bucket is dropped, and no more than that: what leaves part by part counts as gone.
    #[test]
    fn shares_are_exact_while_dropped_buckets_leave() {
        let agents = 200;
        let store = MemoryReplayStore::new(1_000_000, 3);
        let mut number = 0;
        let mut insert = |agent: u8, expires_at, now| {
            number += 1;
            store.insert_if_absent(
                &ReplayEntry { key: entry(number, 0, at(0)).key, agent: [agent; 16], expires_at },
                now,
            )
        };
        for agent in 0..agents {
            for expires_at in [at(100), at(100), at(900)] {
                assert_eq!(insert(agent, expires_at, at(0)), Insert::Fresh);
            }
            assert_eq!(insert(agent, at(900), at(0)), Insert::Full);
        }
        for agent in 0..agents {
            assert_eq!(insert(agent, at(900), at(600)), Insert::Fresh, "{agent}");
            assert_eq!(insert(agent, at(900), at(600)), Insert::Fresh, "{agent}");
            assert_eq!(insert(agent, at(900), at(600)), Insert::Full, "{agent}");
        }
        assert_eq!(store.len(), usize::from(agents) * 3);
        assert!(store.lock().leaving.is_empty());
    }

    #[test]
    fn a_share_counts_what_is_left_of_it() {
        let store = MemoryReplayStore::new(9, 2);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(60)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(900)), at(0)), Insert::Fresh);
        // The first has expired: one place is free again, and no more.
        assert_eq!(store.insert_if_absent(&entry(3, 1, at(900)), at(300)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(4, 1, at(900)), at(300)), Insert::Full);
        assert_eq!(store.insert_if_absent(&entry(4, 2, at(900)), at(300)), Insert::Fresh);
    }

    #[test]
    fn a_bucket_stays_to_its_end_and_what_touches_is_one_time() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(30)), at(0)), Insert::Fresh);
        // The bucket ends at 60 s, and the end is still in it.
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(90)), at(60)), Insert::Seen);
        let after = at(60).saturating_add_millis(1);
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(86_460)), after), Insert::Fresh);
        // The next one's time begins where the first one's ends.
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(90_000)), at(87_000)), Insert::Fresh);
        let times = store.lock().forgotten.clone();
        assert_eq!((times.len(), times[0].to), (1, at(86_460 + 60).as_millis()));
    }

    #[test]
    fn one_wild_step_forward_refuses_nothing_for_ever() {
        let store = MemoryReplayStore::default();
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(365)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(1_000_000_300)), at(1_000_000_000)), Insert::Fresh);
        assert!(store.horizon().unwrap() <= at(365 + 60));
    }
    #[test]
    fn two_wild_steps_with_traffic_between_refuse_nothing_for_ever_either() {
        let store = MemoryReplayStore::default();
        let wild = 3_000_000_000;
        assert_eq!(store.insert_if_absent(&entry(1, 1, at(365)), at(0)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, 1, at(wild + 300)), at(wild)), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(3, 1, at(2 * wild)), at(2 * wild)), Insert::Fresh);
        // What was dropped stays closed, on both sides of the gap; the time between is open.
        for closed in [365, 100, wild + 300, wild + 200] {
            assert!(store.forgotten(at(closed)), "{closed}");
        }
        for open in [1000, 100_000, wild - 2 * 86_400, wild + 1000] {
            assert!(!store.forgotten(at(open)), "{open}");
        }
    }

    #[test]
    fn what_is_forgotten_is_bounded_and_never_opened() {
        let store = MemoryReplayStore::default();
        let times: Vec<i64> = (0..200).map(|number| number * 10 * 86_400).collect();
        for (&time, number) in times.iter().zip(0..) {
            store.insert_if_absent(&entry(number, 1, at(time)), at(time));
            assert!(store.lock().forgotten.len() <= MAX_FORGOTTEN);
            // As many as there may be are told apart: only with one more the first two become one.
            let between = store.forgotten(at(5 * 86_400));
            assert_eq!(between, usize::try_from(number).unwrap() > MAX_FORGOTTEN, "{number}");
        }
        for time in times.iter().take(199) {
            assert!(store.forgotten(at(*time)), "{time}");
        }
        // A site with traffic in every minute remembers one stretch of time.
        let busy = MemoryReplayStore::default();
        for number in 0..1000 {
            let now = i64::from(number) * 60;
            busy.insert_if_absent(&entry(number, 1, at(now + 365)), at(now));
        }
        assert_eq!(busy.lock().forgotten.len(), 1);
    }
}
