//! A million live nonces in the replay store of one process.

use crate::simulate::resident;
use crate::worker::cpu;
use crate::world::{Random, now};
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore as _};
use rustix::time::ClockId;
use serde_json::{Value, json};
use std::time::Duration;

const COUNT: usize = 1_000_000;
/// Insertions between two looks at the clock: what is longer than a millisecond shows in any of them.
const STEP: usize = 32;

/// Nanoseconds each, bytes in all, and the longest that any [`STEP`] insertions took, in processor time of the thread.
pub(crate) fn report() -> Value {
    let mut random = Random(3);
    let entries: Vec<ReplayEntry> = (0..COUNT)
        .map(|number| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&random.next().to_le_bytes());
            key[8..].copy_from_slice(&random.next().to_le_bytes());
            // Ten agents, over five minutes.
            let expires_at = now().saturating_add_secs(330 + (number * 300 / COUNT) as i64);
            ReplayEntry { key, agent: [(number % 10) as u8; 16], expires_at }
        })
        .collect();
    let before = resident();
    let store = MemoryReplayStore::new(COUNT, COUNT as u32);
    let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
    for (number, step) in entries.chunks(STEP).enumerate() {
        let time = now().saturating_add_secs((number * STEP * 300 / COUNT) as i64);
        let begin = cpu(ClockId::ThreadCPUTime);
        for entry in step {
            assert_eq!(store.insert_if_absent(entry, time), Insert::Fresh);
        }
        let took = cpu(ClockId::ThreadCPUTime) - begin;
        longest = longest.max(took);
        all += took;
    }
    assert_eq!(store.len(), COUNT);
    let bytes = resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    json!({
        "nonces": COUNT,
        "ns_each": all.as_secs_f64() * 1e9 / COUNT as f64,
        "bytes": bytes,
        "longest_pause_ns": longest.as_nanos() as u64,
    })
}
