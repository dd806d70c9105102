//! Rate stores: the caller's, behind callbacks.

use crate::boundary::{accessor, boundary};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::manifest::IMAGXP_TIME_NONE;
use crate::status::imagxp_status;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use imagxp::publisher::RateStore;
use imagxp::{Error, ErrorKind, Result};
use std::sync::Arc;

/// The answer of `imagxp_rate_replace_fn`: the number is stored.
pub const IMAGXP_RATE_REPLACED: i32 = 1;
/// The answer of `imagxp_rate_replace_fn`: the number was another one; nothing has changed.
pub const IMAGXP_RATE_CHANGED: i32 = 2;
/// The answer of `imagxp_rate_replace_fn`, like every other number that is not named here: the store does not answer.
pub const IMAGXP_RATE_ERROR: i32 = 3;

/// The number that the store holds for the 16 bytes at `agent`: a time in microseconds since 1970; `IMAGXP_TIME_NONE` when it holds none. A
/// number that lies in the past may be forgotten.
///
/// For both callbacks: pointers are valid during the call; they must not unwind (C++ exceptions, longjmp), must not use the publisher
/// that calls them, and must be thread-safe when the publisher is shared by threads.
pub type imagxp_rate_arrival_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, agent: *const u8) -> i64>;

/// Stores `after_us` if the number is still `before_us` (`IMAGXP_TIME_NONE`: if there is none), atomically across everything that shares the
/// store. Returns an `IMAGXP_RATE_*`.
pub type imagxp_rate_replace_fn = Option<
    unsafe extern "C" fn(user_data: *mut c_void, agent: *const u8, before_us: i64, after_us: i64) -> c_int,
>;

/// Where it is kept how often each agent has asked. A publisher shares it: the handle may be freed at once.
pub struct imagxp_rate_store {
    pub(crate) store: Arc<dyn RateStore>,
}

struct Callbacks {
    user_data: *mut c_void,
    arrival: unsafe extern "C" fn(*mut c_void, *const u8) -> i64,
    replace: unsafe extern "C" fn(*mut c_void, *const u8, i64, i64) -> c_int,
}

// SAFETY: C promises that callbacks of a publisher which threads share are thread-safe (`imagxp_rate_arrival_fn`).
unsafe impl Send for Callbacks {}
// SAFETY: the same promise.
unsafe impl Sync for Callbacks {}

impl RateStore for Callbacks {
    fn arrival(&self, agent: &[u8; 16]) -> Result<Option<i64>> {
        // SAFETY: the pointer is to 16 bytes; C promises the rest at `imagxp_rate_arrival_fn`.
        let number = unsafe { (self.arrival)(self.user_data, agent.as_ptr()) };
        Ok((number != IMAGXP_TIME_NONE).then_some(number))
    }

    fn replace(&self, agent: &[u8; 16], before: Option<i64>, after: i64) -> Result<bool> {
        let before = before.unwrap_or(IMAGXP_TIME_NONE);
        // SAFETY: as above.
        match unsafe { (self.replace)(self.user_data, agent.as_ptr(), before, after) } {
            IMAGXP_RATE_REPLACED => Ok(true),
            IMAGXP_RATE_CHANGED => Ok(false),
            _ => Err(Error::new(ErrorKind::Io, "the rate store does not answer")),
        }
    }
}

/// A store of the caller's, for example in shared memory; both callbacks are required. Each gets `user_data`, which must stay valid until the
/// store and every publisher that uses it are freed. Free it with `imagxp_rate_store_free`.
///
/// # Safety
/// The callbacks keep the promises of `imagxp_rate_arrival_fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_rate_store_new(
    user_data: *mut c_void,
    arrival: imagxp_rate_arrival_fn,
    replace: imagxp_rate_replace_fn,
    store: Option<&mut MaybeUninit<*mut imagxp_rate_store>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(store, || {
            let (arrival, replace) = (need(arrival, "arrival")?, need(replace, "replace")?);
            Ok(imagxp_rate_store { store: Arc::new(Callbacks { user_data, arrival, replace }) })
        })
    })
}

/// Frees the store once no publisher uses it any more. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_rate_store_free(store: Option<Box<imagxp_rate_store>>) {
    accessor((), || drop(store));
}
