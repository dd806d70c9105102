//! A replay store that is watched.

use crate::common::world::*;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Publisher, Timestamp};
use std::sync::{Arc, Mutex};

/// A real store that writes down who asked it what.
#[derive(Default)]
pub(crate) struct Probe {
    pub(crate) inner: MemoryReplayStore,
    pub(crate) calls: Mutex<Vec<&'static str>>,
    pub(crate) answer: Mutex<Option<Insert>>,
    pub(crate) blind: bool,
}

impl ReplayStore for Probe {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        self.calls.lock().unwrap().push("insert");
        let answer = *self.answer.lock().unwrap();
        answer.unwrap_or_else(|| self.inner.insert_if_absent(entry, now))
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.calls.lock().unwrap().push("seen");
        if self.blind { Seen::Error } else { self.inner.seen(key, now) }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.inner.horizon()
    }
}

impl Probe {
    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

pub(crate) fn probed(policy_json: &str) -> (Publisher, Arc<Probe>) {
    let probe = Arc::new(Probe::default());
    let publisher = Publisher::new(policy(policy_json), [7; 16]).with_replay_store(Arc::clone(&probe) as _);
    (know(publisher), probe)
}
