//! The system's allocator with a count for each thread: what is held, what was held at most, and an allocation that is to fail.
#![allow(unsafe_code, reason = "an allocator is unsafe by nature; this one passes on to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// How many allocations are left before one fails; 0 when none is to.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that this thread holds now; what it freed for others counts against it.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// What `act` gives, and how many bytes were held at most beyond those that were held before.
pub(crate) fn peak<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = act();
    (result, usize::try_from(PEAK.get() - before).unwrap_or_default())
}

/// The `number`-th allocation of this thread from now on fails, 1 being the next; 0 ends that. Whether one is still to come is the answer.
pub(crate) fn fail_at(number: usize) -> bool {
    LEFT.replace(number) > 0
}

fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

fn count(bytes: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// Whether this allocation is the one that fails.
fn fails() -> bool {
    LEFT.try_with(|left| {
        let number = left.get();
        left.set(number.saturating_sub(1));
        number == 1
    })
    .unwrap_or(false)
}

// SAFETY: every call is passed on unchanged, or refused as an allocator may; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(signed(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(signed(size) - signed(layout.size()));
        // SAFETY: the caller's contract is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
