//! The wall between C and Rust: no panic crosses it, and every failure becomes a status and an error object.

use crate::error::imagxp_error;
use crate::handle::hand_out;
use crate::status::{IMAGXP_OK, imagxp_status};
use core::mem::MaybeUninit;
use imagxp::{Code, Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a fallible entry. A panic becomes `internal.panic`, and the process goes on.
///
/// What the body held is dropped while unwinding. Shared state stays whole: the core's caches survive a poisoned lock by
/// design, and a verdict that was being resumed has given up its pending part already, so it fails closed.
pub(crate) fn boundary(
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
    body: impl FnOnce() -> Result<()>,
) -> imagxp_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => IMAGXP_OK,
        Ok(Err(error)) => report(error, err),
        // The payload is not shown: it could quote what a stranger sent.
        Err(_payload) => report(defect(), err),
    }
}

// One copy for all entries: inlined into each, these would be a tenth of the library.

#[cold]
#[inline(never)]
fn defect() -> Error {
    Error::protocol(Code::InternalPanic, "a defect in libimagxp was caught; the call had no effect")
}

#[cold]
#[inline(never)]
fn report(error: Error, err: Option<&mut MaybeUninit<*mut imagxp_error>>) -> imagxp_status {
    let status = error.kind().number();
    if let Some(err) = err {
        err.write(hand_out(imagxp_error::new(error)));
    }
    status
}

/// Runs the body of an entry that cannot fail: accessors and `_free`. Should it panic all the same, C gets `otherwise`.
pub(crate) fn accessor<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}
