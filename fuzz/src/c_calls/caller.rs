//! Who makes the calls, and what is checked at each of them.

use super::callbacks::ANSWER;
use super::documents::GOOD;
use super::tables::{FREE, Kind};
use crate::NOW;
use crate::c::*;
use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering;

/// The bytes that a call is given.
#[derive(Arbitrary, Debug)]
pub enum Blob<'a> {
    Good(u8),
    Any(&'a [u8]),
    /// What the last call wrote.
    Last,
    Absent,
    NullWithLength(usize),
    /// A length that no object can have.
    TooLong,
}

/// Which handle of the kind; when there are fewer, NULL.
pub type Pick = u8;

/// The caller: it holds handles, and gives the library what it likes.
pub struct Caller {
    pub handles: BTreeMap<Kind, Vec<Handle>>,
    pub last: Vec<u8>,
    pub output: bool,
    pub error: bool,
}

impl Caller {
    /// Asks for every output, and has a replay store that takes what is new.
    #[expect(clippy::new_without_default, reason = "it sets what the store answers")]
    pub fn new() -> Self {
        ANSWER.store(1, Ordering::Relaxed);
        Self { handles: BTreeMap::new(), last: Vec::new(), output: true, error: true }
    }

    /// Frees everything.
    pub fn end(&mut self) {
        for (kind, _) in FREE {
            while self.handles.get(&kind).is_some_and(|handles| !handles.is_empty()) {
                self.free(kind, 0);
            }
            // SAFETY: NULL is accepted.
            unsafe { FREE.iter().for_each(|(_, free)| free(null_mut())) };
        }
    }

    pub fn handle(&self, kind: Kind, pick: Pick) -> Handle {
        let handles = self.handles.get(&kind).map(Vec::as_slice).unwrap_or_default();
        handles.get(usize::from(pick) % (handles.len() + 1)).copied().unwrap_or(null_mut())
    }

    pub fn slice(&self, blob: &Blob<'_>) -> Slice {
        let of = |bytes: &[u8]| Slice { ptr: bytes.as_ptr(), len: bytes.len() };
        match blob {
            Blob::Good(index) => of(&GOOD[usize::from(*index) % GOOD.len()]),
            Blob::Any(bytes) => of(bytes),
            Blob::Last => of(&self.last),
            Blob::Absent => Slice { ptr: null(), len: 0 },
            Blob::NullWithLength(len) => Slice { ptr: null(), len: *len },
            Blob::TooLong => Slice { ptr: GOOD[0].as_ptr(), len: usize::MAX },
        }
    }

    pub fn time(&self, now: i64, at_now: bool) -> i64 {
        if at_now { NOW.as_millis() } else { now }
    }

    /// Makes a call that may fail, and checks that status, error and output agree.
    pub fn call(&self, call: impl FnOnce(Err) -> Status) -> bool {
        let mut error: Handle = null_mut();
        let status = call(if self.error { &mut error } else { null_mut() });
        assert_ne!(status, 1200, "a panic was caught");
        assert_eq!(!error.is_null(), self.error && status != 0, "status and error disagree");
        // SAFETY: the error is NULL or was just made.
        unsafe {
            assert_eq!(imagxp_error_status(error), if error.is_null() { 0 } else { status });
            touch(imagxp_error_message(error));
            touch(imagxp_error_code(error));
            imagxp_error_free(error);
        }
        status == 0
    }

    pub fn make(&mut self, kind: Kind, call: impl FnOnce(*mut Handle, Err) -> Status) {
        let mut handle: Handle = null_mut();
        let out: *mut Handle = if self.output { &mut handle } else { null_mut() };
        let good = self.call(|error| call(out, error));
        assert_eq!(
            !handle.is_null(),
            good,
            "the output is written on success only, and success needs an output"
        );
        if good {
            self.handles.entry(kind).or_default().push(handle);
        }
    }

    /// As many handles as are asked for, or none.
    pub fn make_many(&mut self, kind: Kind, count: usize, call: impl FnOnce(*mut Handle, Err) -> Status) {
        let mut handles: Vec<Handle> = vec![null_mut(); count];
        let out = if self.output { handles.as_mut_ptr() } else { null_mut() };
        let good = self.call(|error| call(out, error));
        assert!(
            handles.iter().all(|handle| handle.is_null() != good),
            "all outputs are written on success, and none otherwise"
        );
        if good {
            self.handles.entry(kind).or_default().append(&mut handles);
        }
    }

    pub fn bytes(&mut self, call: impl FnOnce(*mut Bytes, Err) -> Status) {
        let mut bytes = Bytes { ptr: null_mut(), len: 0 };
        let out: *mut Bytes = if self.output { &mut bytes } else { null_mut() };
        let good = self.call(|error| call(out, error));
        assert_eq!(
            !bytes.ptr.is_null(),
            good,
            "the output is written on success only, and success needs an output"
        );
        if good {
            // SAFETY: just written, with its terminator.
            self.last = unsafe { core::slice::from_raw_parts(bytes.ptr, bytes.len + 1) }.to_vec();
            assert_eq!(self.last.pop(), Some(0), "the terminator is missing");
        }
        // SAFETY: empty, or just written; twice is allowed.
        unsafe {
            imagxp_bytes_free(&mut bytes);
            imagxp_bytes_free(&mut bytes);
        }
    }

    pub fn free(&mut self, kind: Kind, pick: Pick) {
        let free = FREE.iter().find(|(other, _)| *other == kind).expect("every kind can be freed").1;
        let handle = self.handle(kind, pick);
        self.handles.entry(kind).or_default().retain(|other| *other != handle);
        // SAFETY: NULL, or alive and forgotten from here on.
        unsafe { free(handle) };
    }
}

/// Reads every byte, as a caller would.
///
/// # Safety
/// The slice is one that the library returned and whose owner is alive.
pub unsafe fn touch(slice: Slice) {
    if slice.len > 0 {
        // SAFETY: as above.
        let bytes = unsafe { core::slice::from_raw_parts(slice.ptr, slice.len) };
        core::hint::black_box(bytes.iter().fold(0_u8, |sum, byte| sum ^ byte));
    }
}
