//! Handles: how inputs are taken and outputs given.

use core::mem::MaybeUninit;
use imagxp::{Error, Result};

/// A handle that must not be NULL.
pub(crate) fn need<T>(handle: Option<T>, name: &'static str) -> Result<T> {
    handle.ok_or_else(|| null(name))
}

#[cold]
#[inline(never)]
fn null(name: &'static str) -> Error {
    Error::argument(format!("`{name}` is NULL"))
}

/// Makes a value and gives it to C, who frees it. Nothing is made when there is nowhere to put it: making may spend a nonce.
pub(crate) fn give<T>(out: Option<&mut MaybeUninit<*mut T>>, make: impl FnOnce() -> Result<T>) -> Result<()> {
    give_plain(out, || make().map(hand_out))
}

/// Like [`give`], for values that cross as they are.
pub(crate) fn give_plain<T>(
    out: Option<&mut MaybeUninit<T>>,
    make: impl FnOnce() -> Result<T>,
) -> Result<()> {
    let out = need(out, "the output")?;
    out.write(make()?);
    Ok(())
}

/// A pointer that C owns now; the handle's `_free` takes it back as a `Box`.
pub(crate) fn hand_out<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}
