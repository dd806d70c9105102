//! Replay stores: the bounded one in memory, and those written in Swift.

use crate::error::ImagxpError;
use core::cell::Cell;
use imagxp::Timestamp;
use imagxp::replay::{self, Insert, ReplayEntry, Seen};
use std::sync::Arc;

/// A replay store for one process: never a live entry evicted; full means 503.
#[derive(uniffi::Object)]
pub(crate) struct MemoryReplayStore(pub(crate) Arc<replay::MemoryReplayStore>);

#[uniffi::export]
impl MemoryReplayStore {
    /// A store for at most this many entries in all and per agent.
    #[uniffi::constructor(default(max_entries = 1_000_000, max_per_agent = 200_000))]
    pub(crate) fn new(max_entries: u64, max_per_agent: u32) -> Arc<Self> {
        let max_entries = usize::try_from(max_entries).unwrap_or(usize::MAX);
        Arc::new(Self(Arc::new(replay::MemoryReplayStore::new(max_entries, max_per_agent))))
    }

    /// How many entries are kept.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }
}

/// The answer of a replay store to an insertion.
#[derive(Clone, Copy, PartialEq, uniffi::Enum)]
pub(crate) enum ReplayAnswer {
    /// The key was absent and is stored now.
    Fresh,
    /// The key was present.
    Seen,
    /// The store, or the agent's share of it, is full; nothing was stored and nothing evicted.
    Full,
    /// The answer comes by `Pending.inserted` or `FeedbackInsertion.inserted`, after something asynchronous: the verdict is undecided until
    /// then, and needs `.replay`.
    Later,
}

/// What a replay store has to insert, when it answered `.later`.
#[derive(uniffi::Record)]
pub(crate) struct ReplayInsertion {
    /// 16 bytes: what must be unique.
    pub(crate) key: Vec<u8>,
    /// 16 bytes: the agent, for quotas.
    pub(crate) agent: Vec<u8>,
    /// Until when the key must be kept.
    pub(crate) expires_at: Timestamp,
}

impl ReplayInsertion {
    pub(crate) fn of(entry: &ReplayEntry) -> Self {
        Self { key: entry.key.to_vec(), agent: entry.agent.to_vec(), expires_at: entry.expires_at }
    }
}

impl ReplayAnswer {
    pub(crate) const fn core(self) -> Insert {
        match self {
            Self::Fresh => Insert::Fresh,
            Self::Seen => Insert::Seen,
            Self::Full => Insert::Full,
            Self::Later => Insert::Later,
        }
    }
}

/// A set of 16-byte keys with expiry, shared by several processes for example. Whatever is thrown is `replay.store_error`: the request
/// is answered with 503, never allowed. Called on the thread that verifies, from several threads at once when several verify.
#[uniffi::export(callback_interface)]
pub(crate) trait ReplayStore: Send + Sync {
    /// Stores the key unless it is present, atomically across everything that shares the store, and keeps it until `expiresAt`, however
    /// the clock moves. `agent` is a keyed hash of the agent, for quotas.
    fn insert_if_absent(
        &self,
        key: Vec<u8>,
        agent: Vec<u8>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<ReplayAnswer, ImagxpError>;

    /// Looks without storing. A store that cannot may answer false: a replay then costs a signature check.
    fn seen(&self, key: Vec<u8>, now: Timestamp) -> Result<bool, ImagxpError>;

    /// Everything that expired at or before this time may have been forgotten; claims from then are refused (PROTOCOL §5). Nil when
    /// nothing has been forgotten that a clock stepping back could reopen.
    fn horizon(&self) -> Result<Option<Timestamp>, ImagxpError>;
}

thread_local! {
    /// Whether the last `horizon` on this thread failed. The core's method cannot say so; its next question, on the same thread, is
    /// `seen`, which can: a store that does not know how far back it remembers vouches for nothing.
    static HORIZON_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// A store written in Swift.
pub(crate) struct SwiftStore(pub(crate) Box<dyn ReplayStore>);

impl replay::ReplayStore for SwiftStore {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let answer = self.0.insert_if_absent(entry.key.to_vec(), entry.agent.to_vec(), entry.expires_at, now);
        answer.map_or(Insert::Error, ReplayAnswer::core)
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        if HORIZON_FAILED.get() {
            return Seen::Error;
        }
        match self.0.seen(key.to_vec(), now) {
            Ok(true) => Seen::Yes,
            Ok(false) => Seen::No,
            Err(_) => Seen::Error,
        }
    }

    fn horizon(&self) -> Option<Timestamp> {
        let answer = self.0.horizon();
        HORIZON_FAILED.set(answer.is_err());
        answer.unwrap_or_default()
    }
}
