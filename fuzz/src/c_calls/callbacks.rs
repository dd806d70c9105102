//! What the library calls back. None of it is right.

#![allow(
    clippy::missing_safety_doc,
    reason = "only the library calls these; include/imagxp.h says what it promises"
)]

use super::caller::touch;
use crate::c::Slice;
use core::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU8, Ordering};

/// What the replay store of the sequence answers.
pub static ANSWER: AtomicU8 = AtomicU8::new(1);

pub unsafe extern "C" fn insert(_: *mut c_void, key: *const u8, agent: *const u8, _: i64, _: i64) -> c_int {
    // SAFETY: the header promises 16 readable bytes at both.
    core::hint::black_box(unsafe { *key.add(15) ^ *agent.add(15) });
    c_int::from(ANSWER.load(Ordering::Relaxed))
}

pub unsafe extern "C" fn seen(_: *mut c_void, key: *const u8, _: i64) -> c_int {
    // SAFETY: the header promises 16 readable bytes.
    core::hint::black_box(unsafe { *key.add(15) });
    c_int::from(ANSWER.load(Ordering::Relaxed))
}

pub unsafe extern "C" fn horizon(_: *mut c_void) -> i64 {
    i64::from(ANSWER.load(Ordering::Relaxed)) - 1
}

pub unsafe extern "C" fn fill(_: *mut c_void, buffer: *mut u8, len: usize) -> c_int {
    // SAFETY: the header promises `len` writable bytes.
    unsafe { buffer.write_bytes(ANSWER.load(Ordering::Relaxed), len) };
    0
}

/// A signer that writes nonsense.
pub unsafe extern "C" fn sign(_: *mut c_void, _: *const u8, _: usize, signature: *mut u8) -> c_int {
    // SAFETY: the header promises 64 writable bytes.
    unsafe { signature.write_bytes(7, 64) };
    c_int::from(ANSWER.load(Ordering::Relaxed) == 0)
}

pub unsafe extern "C" fn arrival(_: *mut c_void, agent: *const u8) -> i64 {
    // SAFETY: the header promises 16 readable bytes.
    i64::from(unsafe { *agent.add(15) }) - i64::from(ANSWER.load(Ordering::Relaxed))
}

pub unsafe extern "C" fn replace(_: *mut c_void, agent: *const u8, _: i64, _: i64) -> c_int {
    // SAFETY: the header promises 16 readable bytes.
    core::hint::black_box(unsafe { *agent.add(15) });
    c_int::from(ANSWER.load(Ordering::Relaxed))
}

pub unsafe extern "C" fn record(_: *mut c_void, record: Slice, manifest: Slice) -> c_int {
    // SAFETY: the header promises that both are readable during the call.
    unsafe {
        touch(record);
        touch(manifest);
    }
    c_int::from(ANSWER.load(Ordering::Relaxed))
}
