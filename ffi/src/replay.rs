//! Replay stores: the library's own, or the caller's behind callbacks.

use crate::boundary::{accessor, boundary};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::manifest::IMAGXP_TIME_NONE;
use crate::status::imagxp_status;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use imagxp::Timestamp;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use std::sync::Arc;

/// The answer of `imagxp_insert_fn`: the key was absent and is stored now.
pub const IMAGXP_INSERT_FRESH: i32 = 1;
/// The answer of `imagxp_insert_fn`: the key was present.
pub const IMAGXP_INSERT_SEEN: i32 = 2;
/// The answer of `imagxp_insert_fn`: the store is full; nothing was stored and nothing forgotten.
pub const IMAGXP_INSERT_FULL: i32 = 3;
/// The answer of `imagxp_insert_fn`, like every other number that is not named here: the store does not answer.
pub const IMAGXP_INSERT_ERROR: i32 = 4;

/// The answer of `imagxp_seen_fn`: the key is absent, or the store cannot tell.
pub const IMAGXP_SEEN_NO: i32 = 1;
/// The answer of `imagxp_seen_fn`: the key is present.
pub const IMAGXP_SEEN_YES: i32 = 2;
/// The answer of `imagxp_seen_fn`, like every other number that is not named here: the store does not answer.
pub const IMAGXP_SEEN_ERROR: i32 = 3;

/// Stores the 16 bytes at `key` unless they are present, atomically across everything that shares the store, and keeps them until
/// `expires_at_ms`, however the clock moves. The 16 bytes at `agent` name the agent, for quotas. Returns an `IMAGXP_INSERT_*`; in doubt
/// `IMAGXP_INSERT_ERROR`, never `IMAGXP_INSERT_FRESH`.
///
/// For all three callbacks: pointers are valid during the call; they must not unwind (C++ exceptions, longjmp), must not use the publisher
/// that calls them, and must be thread-safe when the publisher is shared by threads.
pub type imagxp_insert_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        key: *const u8,
        agent: *const u8,
        expires_at_ms: i64,
        now_ms: i64,
    ) -> c_int,
>;

/// Looks for the 16 bytes at `key` without storing them. Returns an `IMAGXP_SEEN_*`. A store that cannot may answer `IMAGXP_SEEN_NO`: a replay
/// then costs a signature check, and a visa of many uses one insertion for each use that it has had.
pub type imagxp_seen_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, key: *const u8, now_ms: i64) -> c_int>;

/// The time up to which the store may have forgotten keys, in milliseconds since 1970; `IMAGXP_TIME_NONE` when it has forgotten none.
/// Claims that old are refused, so that a clock that steps back re-opens nothing.
pub type imagxp_horizon_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i64>;

/// A set of nonces. A publisher shares it: the handle may be freed at once, and one store may serve several publishers of the same secret.
pub struct imagxp_replay_store {
    pub(crate) store: Arc<dyn ReplayStore>,
}

/// The caller's store.
struct Callbacks {
    user_data: *mut c_void,
    insert: unsafe extern "C" fn(*mut c_void, *const u8, *const u8, i64, i64) -> c_int,
    seen: imagxp_seen_fn,
    horizon: imagxp_horizon_fn,
}

// SAFETY: C promises thread-safe callbacks (`imagxp_insert_fn`); the library itself never reads through `user_data`.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl ReplayStore for Callbacks {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let (key, agent) = (entry.key.as_ptr(), entry.agent.as_ptr());
        // SAFETY: both pointers are to 16 bytes, as `imagxp_insert_fn` says; C promises the rest there.
        match unsafe {
            (self.insert)(self.user_data, key, agent, entry.expires_at.as_millis(), now.as_millis())
        } {
            IMAGXP_INSERT_FRESH => Insert::Fresh,
            IMAGXP_INSERT_SEEN => Insert::Seen,
            IMAGXP_INSERT_FULL => Insert::Full,
            #[cfg(feature = "test-hooks")]
            hooks::PANIC => hooks::panic(),
            _ => Insert::Error,
        }
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        let Some(seen) = self.seen else { return Seen::No };
        // SAFETY: the pointer is to 16 bytes, as `imagxp_seen_fn` says; C promises the rest there.
        match unsafe { seen(self.user_data, key.as_ptr(), now.as_millis()) } {
            IMAGXP_SEEN_NO => Seen::No,
            IMAGXP_SEEN_YES => Seen::Yes,
            _ => Seen::Error,
        }
    }

    fn horizon(&self) -> Option<Timestamp> {
        let horizon = self.horizon?;
        // SAFETY: C promises it (`imagxp_horizon_fn`).
        let ms = unsafe { horizon(self.user_data) };
        (ms != IMAGXP_TIME_NONE).then(|| Timestamp::from_millis(ms))
    }
}

/// A store in this process's memory, for at most so many entries in all and per agent (the default is 1 000 000 and 200 000). When it is full it
/// refuses rather than forgets. Free it with `imagxp_replay_store_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_replay_store_memory(
    max_entries: usize,
    max_per_agent: u32,
    store: Option<&mut MaybeUninit<*mut imagxp_replay_store>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(store, || {
            Ok(imagxp_replay_store { store: Arc::new(MemoryReplayStore::new(max_entries, max_per_agent)) })
        })
    })
}

/// A store of the caller's, for example in shared memory. `insert_if_absent` is required; `seen` and `horizon` may be NULL. Each gets
/// `user_data`, which must stay valid until the store and every publisher that uses it are freed. Free it with `imagxp_replay_store_free`.
///
/// Without `seen` a replay costs a signature check, and a visa of many uses one insertion for each use that it has had. Publishers of several
/// processes need one `secret` to share a store: with an empty one each makes up its own, and a nonce, or a visa, counts once in each process.
///
/// # Safety
/// The callbacks keep the promises of `imagxp_insert_fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_replay_store_new(
    user_data: *mut c_void,
    insert_if_absent: imagxp_insert_fn,
    seen: imagxp_seen_fn,
    horizon: imagxp_horizon_fn,
    store: Option<&mut MaybeUninit<*mut imagxp_replay_store>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(store, || {
            let insert = need(insert_if_absent, "insert_if_absent")?;
            Ok(imagxp_replay_store { store: Arc::new(Callbacks { user_data, insert, seen, horizon }) })
        })
    })
}

/// Frees the store once no publisher uses it any more. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_replay_store_free(store: Option<Box<imagxp_replay_store>>) {
    accessor((), || drop(store));
}

/// What tests/c needs to prove that a panic deep inside a verification stays inside.
#[cfg(feature = "test-hooks")]
mod hooks {
    /// The answer of `insert_if_absent` that provokes a panic.
    pub(super) const PANIC: i32 = 0x7a9;

    #[expect(clippy::panic, reason = "that is what it is for, and no release has this feature")]
    pub(super) fn panic() -> ! {
        panic!("a seeded panic")
    }
}
