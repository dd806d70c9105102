//! Digests of bodies.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::digest::{Hasher, content_digest};

/// The SHA-256 of a body that comes in pieces: for receipts.
pub struct imagxp_hasher {
    hasher: Hasher,
}

/// The RFC 9530 digest of a body, `sha-256=:...:`: for `imagxp_sign_request_set_content_digest` and `imagxp_request_set_body_digest`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_content_digest(
    body: imagxp_slice<'_>,
    digest: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(digest, || Ok(content_digest(body.bytes()?))))
}

/// Begins a SHA-256. Free it with `imagxp_hasher_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_hasher_new(
    hasher: Option<&mut MaybeUninit<*mut imagxp_hasher>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(hasher, || Ok(imagxp_hasher { hasher: Hasher::new() })))
}

/// Takes the next piece.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_hasher_update(
    hasher: Option<&mut imagxp_hasher>,
    piece: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        need(hasher, "hasher")?.hasher.update(piece.bytes()?);
        Ok(())
    })
}

/// Writes the 32 bytes of the hash of everything so far; more pieces may follow.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_hasher_finish(
    hasher: Option<&imagxp_hasher>,
    sha256: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(sha256, || Ok(need(hasher, "hasher")?.hasher.finish())))
}

/// Frees the hasher. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_hasher_free(hasher: Option<Box<imagxp_hasher>>) {
    accessor((), || drop(hasher));
}
