//! Audit: records handed to the caller, and evidence and inclusion proofs verified offline. Logs in files are written in Rust and Python.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give_plain, need};
use crate::public_key::imagxp_public_key;
use crate::status::imagxp_status;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use imagxp::audit::{AuditSink, Evidence, Record, verify_entry};
use imagxp::{Error, ErrorKind, Result, json};

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

/// Verifies evidence that `imagxp audit prove` wrote: the signed checkpoint, the inclusion proof, and the agent's signature with the
/// manifest that was in force. `key` is the publisher's key as you know it; when it is NULL, the key in the evidence is taken, and
/// `key_known` is false in the report. Writes what is proven as a JSON object; free it with `imagxp_bytes_free`.
///
/// Errors: `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_audit_verify_evidence(
    evidence: imagxp_slice<'_>,
    key: Option<&imagxp_public_key>,
    report: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(report, || {
            let keys: Vec<_> = key.map(|key| key.key.clone()).into_iter().collect();
            let proven = Evidence::parse(evidence.bytes()?)?.verify(&keys)?;
            Ok(json::object_to_canonical(&proven.to_json()))
        })
    })
}

/// Verifies that `checkpoint`, a C2SP signed note of the key `key`, seals `entry`, one line of a log without its line feed. `proof` is the
/// RFC 6962 inclusion proof: the hashes from the leaf upwards, 32 bytes each, one after the other. Writes how many entries the checkpoint
/// seals.
///
/// Errors: `usage.argument`, `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_audit_verify_inclusion(
    checkpoint: imagxp_slice<'_>,
    key: Option<&imagxp_public_key>,
    entry: imagxp_slice<'_>,
    proof: imagxp_slice<'_>,
    size: Option<&mut MaybeUninit<u64>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_plain(size, || {
            let key = &need(key, "key")?.key;
            let (hashes, rest) = proof.bytes()?.as_chunks::<32>();
            if !rest.is_empty() || hashes.len() > 64 {
                return Err(Error::argument("`proof` is not a whole number of at most 64 hashes"));
            }
            let keys = core::slice::from_ref(key);
            Ok(verify_entry(checkpoint.bytes()?, keys, entry.bytes()?, hashes)?.size)
        })
    })
}
