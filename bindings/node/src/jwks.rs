//! Key sets of brokers.

use crate::boundary;
use crate::json::Json;
use crate::limits::count;
use imagxp::jwks;
use napi::Result;
use napi_derive::napi;
use std::sync::Arc;

/// A set of public keys (RFC 7517 §5).
#[napi]
pub struct JwkSet(pub(crate) Arc<jwks::JwkSet>);

#[napi]
impl JwkSet {
    /// Reads `{ keys: [...] }`; an error with the code `key.malformed` for private key material, a `kid` twice, a malformed key.
    #[napi(factory)]
    pub fn parse(document: Json) -> Result<Self> {
        boundary::call(|| jwks::JwkSet::parse(&document.0).map(|set| Self(Arc::new(set))))
    }

    /// The `kid` of each usable key; `null` for a key without one.
    #[napi(getter, ts_return_type = "Array<string | null>")]
    pub fn kids(&self) -> Vec<Option<String>> {
        self.0.keys().iter().map(|key| key.kid().map(ToOwned::to_owned)).collect()
    }

    /// How many keys were passed over because they are of another type, curve, algorithm or use.
    #[napi(getter)]
    pub fn skipped(&self) -> f64 {
        count(self.0.skipped())
    }

    /// How many usable keys there are.
    #[napi(getter)]
    pub fn size(&self) -> f64 {
        count(self.0.keys().len())
    }
}
