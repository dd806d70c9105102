//! Which library this is.

use core::ffi::{CStr, c_char};

/// The ABI that this header describes: the number in the SONAME, `libimagxp.so.<number>`.
pub const IMAGXP_ABI_VERSION: u32 = 1;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"unknown",
};

/// The library's version, for example `0.1.0`, as a C string that lives forever.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The ABI that the library has; compare it with `IMAGXP_ABI_VERSION` when the library was loaded by `dlopen`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_abi_version() -> u32 {
    IMAGXP_ABI_VERSION
}
