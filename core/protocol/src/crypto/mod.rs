//! Keys, signatures and signed tokens (PROTOCOL §3, §4, §8).
//!
//! - [`PublicKey`] and [`PrivateKey`]: ECDSA P-256 with SHA-256 (the default) or Ed25519. The algorithm is a
//!   property of the key, never of a message.
//! - [`Signature`]: 64 bytes, 128 hex digits on the wire.
//! - [`Signer`]: what signs when the private key lives in a KMS, an HSM or a Secure Enclave.
//! - [`Prepared`]: what waits for a signature that is made later.
//! - [`HotKeys`]: the same verification, faster for keys that are seen often.
//! - [`Thumbprint`]: the RFC 7638 name of a key.
//! - [`jws`]: compact JWS, ES256 only.
//!
//! Nothing here draws randomness or reads a clock: [`PrivateKey::generate`] takes its entropy from the caller.

#[cfg(all(any(feature = "aws-lc", test), not(target_family = "wasm")))]
mod aws_lc;
mod ed25519;
#[cfg(test)]
pub(crate) mod fixtures;
mod hot;
pub(crate) mod jwk;
pub mod jws;
mod key;
mod p256;
mod pem;
mod prepared;
mod signature;
mod signing;
mod thumbprint;

pub use hot::{HotKeys, SignatureCheck};
pub use jws::{Jws, JwsError};
pub use key::{Algorithm, PrivateKey, PublicKey, Signer};
pub(crate) use prepared::KeyElsewhere;
pub use prepared::Prepared;
pub use signature::Signature;
pub use thumbprint::Thumbprint;
