//! Public keys.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, give_plain, need};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::Result;
use imagxp::crypto::{Algorithm, PublicKey, Signature};
use imagxp::json::{self, Limits};

/// The algorithm of a key.
pub type imagxp_algorithm = u32;

/// ECDSA on P-256 with SHA-256: the default, and the only one for visas.
pub const IMAGXP_ALGORITHM_ES256: imagxp_algorithm = 1;
/// Ed25519.
pub const IMAGXP_ALGORITHM_EDDSA: imagxp_algorithm = 2;

/// A public key. It may be used by several threads.
pub struct imagxp_public_key {
    pub(crate) key: PublicKey,
}

impl imagxp_public_key {
    pub(crate) fn new(key: PublicKey) -> Self {
        Self { key }
    }
}

/// Reads a public key from PEM (`PUBLIC KEY`). Free it with `imagxp_public_key_free`. Error: `key.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_from_pem(
    pem: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PublicKey::from_pem(pem.text("pem")?).map(imagxp_public_key::new)))
}

/// Reads a public key from DER (SubjectPublicKeyInfo). Free it with `imagxp_public_key_free`. Error: `key.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_from_spki(
    der: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PublicKey::from_spki_der(der.bytes()?).map(imagxp_public_key::new)))
}

/// Reads a public key from base64 of a SubjectPublicKeyInfo, the form of manifests. Free it with `imagxp_public_key_free`.
/// Error: `key.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_from_spki_base64(
    base64: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PublicKey::from_spki_base64(base64.bytes()?).map(imagxp_public_key::new)))
}

/// Reads a public key from a JSON Web Key (RFC 7517), as JSON. Free it with `imagxp_public_key_free`. Errors: `key.malformed`, `json.*`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_from_jwk(
    json: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(key, || {
            let jwk = json::parse_object(json.bytes()?, &Limits::JWKS)?;
            PublicKey::from_jwk(&jwk).map(imagxp_public_key::new)
        })
    })
}

/// The algorithm. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_algorithm(key: Option<&imagxp_public_key>) -> imagxp_algorithm {
    accessor(0, || match key.map(|key| key.key.algorithm()) {
        Some(Algorithm::Es256) => IMAGXP_ALGORITHM_ES256,
        Some(Algorithm::EdDsa) => IMAGXP_ALGORITHM_EDDSA,
        _ => 0,
    })
}

/// The RFC 7638 thumbprint: 43 characters that name the key everywhere (`kid`, `key_id`). Lives as long as the key.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_thumbprint(key: Option<&imagxp_public_key>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || key.map(|key| key.key.thumbprint().as_str()).into())
}

/// The key as DER (SubjectPublicKeyInfo, uncompressed point). Lives as long as the key.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_spki(key: Option<&imagxp_public_key>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || key.map_or(imagxp_slice::NONE, |key| key.key.to_spki_der().into()))
}

/// Writes the key as base64 of its SubjectPublicKeyInfo, the form of manifests.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_to_spki_base64(
    key: Option<&imagxp_public_key>,
    base64: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(base64, || Ok(need(key, "key")?.key.to_spki_base64())))
}

/// Writes the key as PEM (`PUBLIC KEY`).
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_to_pem(
    key: Option<&imagxp_public_key>,
    pem: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(pem, || Ok(need(key, "key")?.key.to_pem())))
}

/// Writes the key as a JSON Web Key (RFC 7517), canonical JSON.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_to_jwk(
    key: Option<&imagxp_public_key>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(json::object_to_canonical(&need(key, "key")?.key.to_jwk()))))
}

/// Verifies a signature over a message. `valid` is written whenever the question could be asked; a signature that is not 64 bytes is not valid.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_verify(
    key: Option<&imagxp_public_key>,
    message: imagxp_slice<'_>,
    signature: imagxp_slice<'_>,
    valid: Option<&mut MaybeUninit<bool>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    let verify = || -> Result<bool> {
        let key = &need(key, "key")?.key;
        let message = message.bytes()?;
        let signature = <[u8; 64]>::try_from(signature.bytes()?).map(Signature::from_bytes);
        Ok(signature.is_ok_and(|signature| key.verify(message, &signature)))
    };
    boundary(err, || give_plain(valid, verify))
}

/// Frees the key. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_public_key_free(key: Option<Box<imagxp_public_key>>) {
    accessor((), || drop(key));
}
