//! The two public structs: borrowed memory in (`imagxp_slice`), owned memory out (`imagxp_bytes`).

use crate::boundary::accessor;
use crate::handle::give_plain;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use imagxp::{Error, Result};
use zeroize::Zeroize;

/// Borrowed memory: `len` bytes at `ptr`, without a terminator. With `len` 0, `ptr` may be NULL; that is also how an absent
/// optional argument and an absent field are written.
///
/// As an argument it must stay readable and unchanged until the call returns. As a return value it points into the handle it came from and lives as
/// long as that (or forever, where the function says so).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct imagxp_slice<'a> {
    ptr: *const u8,
    len: usize,
    life: PhantomData<&'a [u8]>,
}

/// Owned memory: `len` bytes at `ptr`, followed by one zero byte that `len` does not count, so that text can be printed as it is.
/// Give it back with `imagxp_bytes_free`.
#[repr(C)]
pub struct imagxp_bytes {
    ptr: *mut u8,
    len: usize,
}

impl<'a> imagxp_slice<'a> {
    /// What is absent.
    pub const NONE: Self = Self { ptr: core::ptr::null(), len: 0, life: PhantomData };

    /// The bytes.
    ///
    /// Errors: `usage.argument` for NULL with a length, and for lengths that no object can have.
    #[inline(never)]
    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.ptr.is_null() {
            return Err(Error::argument(format!("a slice of {} bytes points to NULL", self.len)));
        }
        if isize::try_from(self.len).is_err() {
            return Err(Error::argument(format!("a slice cannot have {} bytes", self.len)));
        }
        // SAFETY: not NULL, not longer than an object may be; C promises (or `From<&[u8]>` guarantees) that `len` bytes are
        // readable there and do not change for 'a.
        Ok(unsafe { core::slice::from_raw_parts(self.ptr, self.len) })
    }

    /// The bytes as text.
    #[inline(never)]
    pub(crate) fn text(self, name: &'static str) -> Result<&'a str> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Error::argument(format!("`{name}` is not UTF-8")))
    }

    /// The bytes as text; `None` when there are none.
    pub(crate) fn optional(self, name: &'static str) -> Result<Option<&'a str>> {
        self.text(name).map(|text| (!text.is_empty()).then_some(text))
    }
}

impl<'a> From<&'a [u8]> for imagxp_slice<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len(), life: PhantomData }
    }
}

impl<'a> From<&'a str> for imagxp_slice<'a> {
    fn from(text: &'a str) -> Self {
        text.as_bytes().into()
    }
}

impl<'a> From<Option<&'a str>> for imagxp_slice<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::NONE, Self::from)
    }
}

impl imagxp_bytes {
    #[inline(never)]
    fn new(bytes: &[u8]) -> Self {
        let mut owned = Vec::with_capacity(bytes.len().saturating_add(1));
        owned.extend_from_slice(bytes);
        owned.push(0);
        let owned: &'static mut [u8] = Box::leak(owned.into_boxed_slice());
        Self { ptr: owned.as_mut_ptr(), len: bytes.len() }
    }
}

/// Gives bytes to C.
pub(crate) fn give_bytes<T: AsRef<[u8]>>(
    out: Option<&mut MaybeUninit<imagxp_bytes>>,
    make: impl FnOnce() -> Result<T>,
) -> Result<()> {
    give_plain(out, || make().map(|bytes| imagxp_bytes::new(bytes.as_ref())))
}

/// The slice of a C string; NULL gives the empty slice. It borrows `text`.
///
/// # Safety
/// `text` is NULL or ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_slice_of(text: *const c_char) -> imagxp_slice<'static> {
    if text.is_null() {
        return imagxp_slice::NONE;
    }
    // SAFETY: not NULL, and C promises the terminator. 'static overstates the life; C answers for it, as with every slice.
    unsafe { CStr::from_ptr(text) }.to_bytes().into()
}

/// Erases and frees the memory, and leaves `bytes` empty, so that freeing twice is harmless. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_bytes_free(bytes: Option<&mut imagxp_bytes>) {
    accessor((), || {
        let Some(bytes) = bytes else { return };
        let imagxp_bytes { ptr, len } =
            core::mem::replace(bytes, imagxp_bytes { ptr: core::ptr::null_mut(), len: 0 });
        if ptr.is_null() {
            return;
        }
        let whole = core::ptr::slice_from_raw_parts_mut(ptr, len.saturating_add(1));
        // SAFETY: a pointer that is not NULL came from `imagxp_bytes::new`, which leaked a box of `len` + 1 bytes, and has not
        // been freed: freeing leaves NULL, and C promises not to copy the struct and free both.
        let mut owned = unsafe { Box::from_raw(whole) };
        // It may have been a private key.
        owned.zeroize();
    });
}
