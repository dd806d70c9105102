//! Canonical JSON.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::json::{Limits, canonicalize};

/// Writes JSON in its canonical form (RFC 8785). The input is read as strict I-JSON: at most 16 MiB and 64 levels deep.
///
/// Errors: the `json.*` codes, `header.too_large`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_json_canonicalize(
    json: imagxp_slice<'_>,
    canonical: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(canonical, || Ok(canonicalize(json.bytes()?, &Limits::INTERCHANGE)?)))
}
