//! The one way into the core: panics caught, errors converted.

use crate::error::ImagxpError;
use core::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls the core.
///
/// uniffi catches panics too, but its error has no code, and a function that does not throw would end the process: so everything that
/// does more than read a field comes through here, and throws.
pub(crate) fn call<T>(act: impl FnOnce() -> imagxp::Result<T>) -> Result<T, ImagxpError> {
    compute(act)?.map_err(ImagxpError::from)
}

/// Like [`call`], for what cannot fail.
pub(crate) fn compute<T>(act: impl FnOnce() -> T) -> Result<T, ImagxpError> {
    // The core leaves its shared state whole at every step, so looking at it after a panic is sound.
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| ImagxpError::panicked(text(&*payload)))
}

/// Panic messages of the standard library hold indices and lengths, never contents.
fn text(payload: &(dyn Any + Send)) -> &str {
    let known = payload.downcast_ref::<&str>().copied();
    known.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// Panics, so that a test can prove what becomes of it: an `ImagxpError` with the code `internal.panic`. Of no other use.
#[uniffi::export]
pub(crate) fn panic_on_purpose() -> Result<(), ImagxpError> {
    compute(|| {
        #[expect(clippy::panic, reason = "that is its purpose")]
        {
            panic!("on purpose")
        }
    })
}
