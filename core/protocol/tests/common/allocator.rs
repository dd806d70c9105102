//! The system's allocator with a count for each thread: what is held, what was held at most, how often and how much was asked for, and
//! an allocation that is to fail. The tests of other crates use it, too.
#![allow(unsafe_code, reason = "an allocator is unsafe by nature; this one passes on to the system's")]
#![allow(dead_code, reason = "each test uses a part of this")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// How often memory was asked for, and the most at once.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<isize> = const { Cell::new(0) };
    /// How many allocations are left before one fails; 0 when none is to.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}
/// Counted only for who asks: threads that share a counter wait for each other, and what they measure would be that.
static COUNTS_ALL: AtomicBool = AtomicBool::new(false);
static LIVE_IN_ALL: AtomicIsize = AtomicIsize::new(0);

/// Bytes that this thread holds now; what it freed for others counts against it.
pub(crate) fn live() -> isize {
    LIVE.get()
}

/// From now on what all threads hold is counted.
pub(crate) fn count_all() {
    COUNTS_ALL.store(true, Ordering::Relaxed);
}

/// Bytes that all threads hold together, of those that they took since [`count_all`].
pub(crate) fn live_in_all() -> isize {
    LIVE_IN_ALL.load(Ordering::Relaxed)
}

/// What `act` gives, and how many bytes were held at most beyond those that were held before.
pub(crate) fn peak<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = act();
    (result, usize::try_from(PEAK.get() - before).unwrap_or_default())
}

/// What `act` gives, how often it asked for memory, and for how many bytes at most at once.
pub(crate) fn asked<T>(act: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = CALLS.get();
    LARGEST.set(0);
    let result = act();
    (result, CALLS.get() - before, usize::try_from(LARGEST.get()).unwrap_or_default())
}

/// The `number`-th allocation of this thread from now on fails, 1 being the next; 0 ends that. Whether one is still to come is the answer.
pub(crate) fn fail_at(number: usize) -> bool {
    LEFT.replace(number) > 0
}

fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

fn count(bytes: isize, calls: usize) {
    if COUNTS_ALL.load(Ordering::Relaxed) {
        LIVE_IN_ALL.fetch_add(bytes, Ordering::Relaxed);
    }
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
    let _ = CALLS.try_with(|all| all.set(all.get() + calls));
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
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
        count(signed(layout.size()), 1);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()), 0);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        count(signed(size) - signed(layout.size()), 1);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
