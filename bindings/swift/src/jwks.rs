//! Key sets of brokers.

use crate::boundary;
use crate::error::ImagxpError;
use imagxp::jwks;
use std::sync::Arc;

/// A set of public keys (RFC 7517 §5).
#[derive(uniffi::Object)]
pub(crate) struct JwkSet(pub(crate) jwks::JwkSet);

#[uniffi::export]
impl JwkSet {
    /// Reads `{"keys": [...]}`. Throws `key.malformed` for private key material, a `kid` twice, a malformed key.
    #[uniffi::constructor]
    pub(crate) fn parse(document: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| jwks::JwkSet::parse(document).map(|set| Arc::new(Self(set))))
    }

    /// The `kid` of each usable key; nil for a key without one.
    pub(crate) fn kids(&self) -> Vec<Option<String>> {
        self.0.keys().iter().map(|key| key.kid().map(str::to_owned)).collect()
    }

    /// How many keys were passed over because they are of another type, curve, algorithm or use.
    pub(crate) fn skipped(&self) -> u32 {
        u32::try_from(self.0.skipped()).unwrap_or(u32::MAX)
    }
}
