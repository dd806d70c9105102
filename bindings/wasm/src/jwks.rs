//! Key sets of brokers.

use crate::errors::{Thrown, raise};
use crate::json;
use imagxp::jwks;
use wasm_bindgen::prelude::*;

/// A set of public keys (RFC 7517 §5).
#[wasm_bindgen]
pub struct JwkSet(pub(crate) jwks::JwkSet);

#[wasm_bindgen]
impl JwkSet {
    /// Reads `{"keys": [...]}`; `key.malformed` for private key material, a `kid` twice, a malformed key.
    pub fn parse(
        #[wasm_bindgen(unchecked_param_type = "Document")] document: JsValue,
    ) -> Result<JwkSet, Thrown> {
        jwks::JwkSet::parse(&json::document(&document)?).map(Self).map_err(raise)
    }

    /// The `kid` of each usable key; `undefined` for a key without one.
    #[wasm_bindgen(getter, unchecked_return_type = "(string | undefined)[]")]
    pub fn kids(&self) -> js_sys::Array {
        let kid = |key: &jwks::Jwk| key.kid().map_or(JsValue::UNDEFINED, JsValue::from);
        self.0.keys().iter().map(kid).collect()
    }

    /// How many keys were passed over because they are of another type, curve, algorithm or use.
    #[wasm_bindgen(getter)]
    pub fn skipped(&self) -> usize {
        self.0.skipped()
    }
}
