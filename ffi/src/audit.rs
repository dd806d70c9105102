//! Audit: records handed to the caller. Logs in files are written in Rust, Python, Node and Swift.

use crate::bytes::imagxp_slice;
use core::ffi::{c_int, c_void};
use imagxp::audit::{AuditSink, Record};
use imagxp::{Error, ErrorKind, Result};

/// Takes one audit record, as canonical JSON, and the record of the manifest that was in force; that is empty when none was. A log needs each
/// manifest once, before the first verdict that names its hash. Returns 0 when both are kept; anything else is a failure.
///
/// The slices are valid during the call. The callback must not unwind (C++ exceptions, longjmp), must not use the publisher that calls it, and
/// must be thread-safe when the publisher is shared by threads.
pub type imagxp_audit_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        record: imagxp_slice<'_>,
        manifest: imagxp_slice<'_>,
    ) -> c_int,
>;

type Keep = unsafe extern "C" fn(*mut c_void, imagxp_slice<'_>, imagxp_slice<'_>) -> c_int;

/// The caller's log.
pub(crate) struct Sink {
    user_data: *mut c_void,
    keep: Keep,
    unsigned_too: bool,
}

impl Sink {
    pub(crate) const fn new(user_data: *mut c_void, keep: Keep, unsigned_too: bool) -> Self {
        Self { user_data, keep, unsigned_too }
    }
}

// SAFETY: C promises that the callback of a publisher which threads share is thread-safe (`imagxp_audit_fn`).
unsafe impl Send for Sink {}
// SAFETY: the same promise.
unsafe impl Sync for Sink {}

impl AuditSink for Sink {
    fn record(&self, record: &Record<'_>) -> Result<()> {
        let text = record.to_json();
        let manifest = record.manifest.as_ref().map(|manifest| manifest.to_json()).unwrap_or_default();
        // SAFETY: the slices live until the call returns; C promises the rest at `imagxp_audit_fn`.
        match unsafe { (self.keep)(self.user_data, text.as_slice().into(), manifest.as_slice().into()) } {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Io, "the audit log does not take the record")),
        }
    }

    fn wants_unsigned(&self) -> bool {
        self.unsigned_too
    }
}
