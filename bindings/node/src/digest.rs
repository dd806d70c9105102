//! Body digests.

use crate::boundary;
use crate::errors;
use crate::js::{self, Bytes, argument};
use imagxp::encoding::hex_decode;
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use napi_derive::napi;

/// A SHA-256 as JavaScript passes it: 32 bytes, or 64 hex digits.
#[derive(Clone, Copy)]
pub struct Sha256(pub(crate) [u8; 32]);
argument!(Sha256);

impl FromNapiValue for Sha256 {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let hash = if js::type_of(env, value) == ValueType::String {
            // SAFETY: as this function's.
            hex_decode(unsafe { String::from_napi_value(env, value) }?.as_bytes())
        } else {
            // SAFETY: as this function's.
            let bytes = unsafe { Bytes::from_napi_value(env, value) };
            let bytes = bytes.map_err(|_| js::expected("a SHA-256 as a Uint8Array, or in hex"))?;
            bytes.0.try_into().ok()
        };
        hash.map(Self).ok_or_else(|| errors::argument("a SHA-256 has 32 bytes, or 64 hex digits"))
    }
}

/// The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
#[napi]
pub fn content_digest(body: Bytes) -> Result<String> {
    boundary::compute(|| imagxp::digest::content_digest(&body))
}
