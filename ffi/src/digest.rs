//! Digests of request bodies.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::digest::content_digest;

/// The RFC 9530 digest of a body, `sha-256=:...:`: for `imagxp_sign_request_set_content_digest` and `imagxp_request_set_body_digest`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_content_digest(
    body: imagxp_slice<'_>,
    digest: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(digest, || Ok(content_digest(body.bytes()?))))
}
