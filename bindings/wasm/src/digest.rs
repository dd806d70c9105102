//! Body digests.

use crate::errors::{self, Thrown};
use crate::json::bytes;
use imagxp::encoding::{hex_decode, hex_encode};
use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
#[wasm_bindgen(js_name = contentDigest)]
pub fn content_digest(
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
) -> Result<String, Thrown> {
    Ok(imagxp::digest::content_digest(&bytes(&body)?))
}

/// A SHA-256 as JavaScript passes it: 32 bytes, or 64 hex digits.
pub(crate) fn sha256(value: &JsValue) -> Result<[u8; 32], Thrown> {
    let hash = match value.dyn_ref::<Uint8Array>() {
        Some(bytes) => bytes.to_vec().try_into().ok(),
        None => value.as_string().and_then(|text| hex_decode(text.as_bytes())),
    };
    hash.ok_or_else(|| errors::argument("a SHA-256 has 32 bytes, or 64 hex digits"))
}

/// The SHA-256 of a body that passes in pieces.
#[wasm_bindgen]
#[derive(Default)]
pub struct ContentHash(Sha256);

#[wasm_bindgen]
impl ContentHash {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of what has passed so far, in hex.
    pub fn hex(&self) -> String {
        hex_encode(&self.0.clone().finalize())
    }
}
