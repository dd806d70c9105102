//! What a replay store is asked to insert, and what is known of one that answers later.

use crate::errors::{self, Thrown};
use crate::{json, time};
use imagxp::Timestamp;
use imagxp::encoding::hex_encode;
use imagxp::json::{Number, Object};
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use wasm_bindgen::prelude::*;

/// What an isolate remembers of what its store has told it.
const KNOWN: usize = 100_000;

/// A store behind a network as the module sees it: it answers later.
pub(crate) struct DistantStore {
    /// What the store has been found to hold already. It can only refuse: a replay that comes again costs no signature check, and the uses of a visa
    /// are not counted anew one by one.
    known: MemoryReplayStore,
}

impl DistantStore {
    pub(crate) fn new() -> Self {
        Self { known: MemoryReplayStore::new(KNOWN, u32::MAX) }
    }

    /// Remembers what the store has answered.
    pub(crate) fn answered(&self, entry: &ReplayEntry, answer: Insert, now: Timestamp) {
        if matches!(answer, Insert::Fresh | Insert::Seen) {
            let _full_or_not = self.known.insert_if_absent(entry, now);
        }
    }
}

impl ReplayStore for DistantStore {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Later
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.known.seen(key, now)
    }
}

/// `{key, agent, expiresAt}`: keyed hashes in hex, and milliseconds since 1970.
pub(crate) fn to_js(entry: &ReplayEntry) -> Result<JsValue, Thrown> {
    let mut object = Object::new();
    object.insert("key", hex_encode(&entry.key));
    object.insert("agent", hex_encode(&entry.agent));
    if let Some(millis) = Number::from_f64(time::millis(entry.expires_at)) {
        object.insert("expiresAt", imagxp::json::Value::Number(millis));
    }
    json::object(&object)
}

/// `fresh`, `seen`, `full` or `error`.
pub(crate) fn answer(name: &str) -> Result<Insert, Thrown> {
    Insert::from_name(name)
        .ok_or_else(|| errors::argument("a replay store answers one of fresh, seen, full, error"))
}
