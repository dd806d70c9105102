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

/// An array that C lends; NULL is an empty one.
///
/// Errors: `usage.argument` for NULL with a count, and for more values than one object can hold.
///
/// # Safety
/// Unless it is NULL, `count` values are readable there and do not change for `'a`.
pub(crate) unsafe fn lent<'a, T>(values: *const T, count: usize, name: &'static str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if values.is_null() {
        return Err(null(name));
    }
    let bytes = count.checked_mul(size_of::<T>()).and_then(|bytes| isize::try_from(bytes).ok());
    bytes.ok_or_else(|| Error::argument(format!("there cannot be {count} `{name}`")))?;
    // SAFETY: not NULL, not longer than an object may be, and this function's.
    Ok(unsafe { core::slice::from_raw_parts(values, count) })
}

/// Makes `count` values and gives them to C, who frees each. As in [`give`], nothing is made when there is nowhere to put it.
///
/// # Safety
/// Unless it is NULL, `out` has room for `count` pointers, which nobody else uses during the call.
#[cfg(feature = "full")]
pub(crate) unsafe fn give_many<T>(
    out: *mut MaybeUninit<*mut T>,
    count: usize,
    name: &'static str,
    make: impl FnOnce() -> Result<Vec<T>>,
) -> Result<()> {
    // SAFETY: this function's; checked as what is read, and only its place is kept.
    unsafe { lent(out.cast_const(), count, name) }?;
    let made = make()?;
    debug_assert_eq!(made.len(), count, "one for each");
    for (at, value) in made.into_iter().take(count).enumerate() {
        // SAFETY: within the room, and `MaybeUninit` has nothing to drop.
        unsafe { out.add(at).write(MaybeUninit::new(hand_out(value))) };
    }
    Ok(())
}

/// A pointer that C owns now; the handle's `_free` takes it back as a `Box`.
pub(crate) fn hand_out<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}
