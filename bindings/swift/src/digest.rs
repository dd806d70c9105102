//! Body digests.

use crate::error::ImagxpError;

/// The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
#[uniffi::export]
pub(crate) fn content_digest(body: &[u8]) -> String {
    imagxp::digest::content_digest(body)
}

/// A SHA-256 as Swift passes it: 32 bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Result<[u8; 32], ImagxpError> {
    bytes.try_into().map_err(|_| ImagxpError::argument("a SHA-256 has 32 bytes"))
}
