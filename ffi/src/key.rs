//! Keys: private ones (in memory or behind a callback) and public ones.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::public_key::{
    IMAGXP_ALGORITHM_EDDSA, IMAGXP_ALGORITHM_ES256, imagxp_algorithm, imagxp_public_key,
};
use crate::random::os_random;
use crate::status::imagxp_status;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey, Signature, Signer};
use imagxp::{Error, ErrorKind, Result, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Fills `len` bytes at `buffer` with cryptographic randomness and returns 0; anything else is a failure. Called only before
/// `imagxp_key_generate` returns.
pub type imagxp_fill_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, buffer: *mut u8, len: usize) -> c_int>;

/// Signs `message_len` bytes at `message`, writes 64 bytes (r and s, or the Ed25519 signature) to `signature` and returns 0; anything else is a
/// failure. For ES256 the message is hashed with SHA-256 first, by the callback; low-s is made by the library. The pointers are
/// valid during the call. The callback must not unwind (C++ exceptions, longjmp) and, when the key is used by several
/// threads, must be thread-safe.
pub type imagxp_sign_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        message: *const u8,
        message_len: usize,
        signature: *mut u8,
    ) -> c_int,
>;

/// A private key, in memory (erased when the last user of it is freed) or behind a callback to a KMS or HSM.
///
/// It may be used by several threads. What was made from it keeps what it needs: the handle may be freed first.
pub struct imagxp_key {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Memory(Arc<PrivateKey>),
    External(Arc<External>),
}

struct External {
    public: PublicKey,
    sign: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut u8) -> c_int,
    user_data: *mut c_void,
}

// SAFETY: C promises a thread-safe callback (`imagxp_sign_fn`); the library itself never reads through `user_data`.
unsafe impl Send for External {}
// SAFETY: as above.
unsafe impl Sync for External {}

impl Signer for External {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        let mut signature = [0_u8; 64];
        // SAFETY: the pointers are valid for the lengths that `imagxp_sign_fn` names; C promises the rest there.
        let status =
            unsafe { (self.sign)(self.user_data, message.as_ptr(), message.len(), signature.as_mut_ptr()) };
        if status != 0 {
            return Err(Error::new(ErrorKind::Signer, format!("the signer failed with {status}")));
        }
        let signature = Signature::from_bytes(signature);
        // A signature by another key would only come to light at every publisher.
        if !self.public.verify(message, &signature) {
            return Err(Error::new(ErrorKind::Signer, "the signer's signature does not fit its public key"));
        }
        Ok(signature)
    }
}

impl imagxp_key {
    fn memory(key: PrivateKey) -> Self {
        Self { kind: Kind::Memory(Arc::new(key)) }
    }

    pub(crate) fn signer(&self) -> Arc<dyn Signer> {
        match &self.kind {
            Kind::Memory(key) => Arc::<PrivateKey>::clone(key),
            Kind::External(key) => Arc::<External>::clone(key),
        }
    }

    fn in_memory(&self) -> Result<&PrivateKey> {
        match &self.kind {
            Kind::Memory(key) => Ok(key),
            Kind::External(_) => Err(Error::argument("the key is external, so it cannot be exported")),
        }
    }
}

/// PEM text that is erased after it has been copied out.
struct PemText(Zeroizing<String>);

impl AsRef<[u8]> for PemText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn jwk(json: imagxp_slice<'_>) -> Result<json::Object<'_>> {
    Ok(json::parse_object(json.bytes()?, &json::Limits::JWKS)?)
}

/// Makes a new key. Free it with `imagxp_key_free`.
///
/// `fill` is the source of randomness and gets `user_data`; NULL means the operating system's (`getrandom`), which needs no state and
/// is safe after `fork()`.
///
/// # Safety
/// `fill` keeps the promise of `imagxp_fill_fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_key_generate(
    algorithm: imagxp_algorithm,
    fill: imagxp_fill_fn,
    user_data: *mut c_void,
    key: Option<&mut MaybeUninit<*mut imagxp_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(key, || {
            let algorithm = match algorithm {
                IMAGXP_ALGORITHM_ES256 => Algorithm::Es256,
                IMAGXP_ALGORITHM_EDDSA => Algorithm::EdDsa,
                other => return Err(Error::argument(format!("{other} is not an algorithm"))),
            };
            let mut source = |buffer: &mut [u8]| match fill {
                None => os_random(buffer),
                // SAFETY: the buffer is writable for its length; C promises the rest.
                Some(fill) => match unsafe { fill(user_data, buffer.as_mut_ptr(), buffer.len()) } {
                    0 => Ok(()),
                    status => Err(Error::argument(format!("the source of randomness failed with {status}"))),
                },
            };
            PrivateKey::generate(algorithm, &mut source).map(imagxp_key::memory)
        })
    })
}

/// Reads a private key from PEM: PKCS#8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). Free it with `imagxp_key_free`. Error: `key.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_from_pem(
    pem: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PrivateKey::from_pem(pem.text("pem")?).map(imagxp_key::memory)))
}

/// Reads a private key from DER (PKCS#8). Free it with `imagxp_key_free`. Error: `key.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_from_pkcs8(
    der: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PrivateKey::from_pkcs8_der(der.bytes()?).map(imagxp_key::memory)))
}

/// Reads a private key from a JSON Web Key (RFC 7517), as JSON. Free it with `imagxp_key_free`. Errors: `key.malformed`, `json.*`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_from_jwk(
    json: imagxp_slice<'_>,
    key: Option<&mut MaybeUninit<*mut imagxp_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(key, || PrivateKey::from_jwk(&jwk(json)?).map(imagxp_key::memory)))
}

/// A key that lives elsewhere (KMS, HSM, Secure Enclave): `sign` is called for each signature with `user_data`, and its answer is verified
/// against `public_key` before it is used. `user_data` must stay valid until the key and everything that was made from it are freed.
/// Free the key with `imagxp_key_free`.
///
/// # Safety
/// `sign` keeps the promise of `imagxp_sign_fn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_key_external(
    public_key: Option<&imagxp_public_key>,
    sign: imagxp_sign_fn,
    user_data: *mut c_void,
    key: Option<&mut MaybeUninit<*mut imagxp_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(key, || {
            let public = need(public_key, "public_key")?.key.clone();
            let external = External { public, sign: need(sign, "sign")?, user_data };
            Ok(imagxp_key { kind: Kind::External(Arc::new(external)) })
        })
    })
}

/// Writes the private key as PEM (PKCS#8). `imagxp_bytes_free` erases it. `usage.argument` for an external key.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_to_pem(
    key: Option<&imagxp_key>,
    pem: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(pem, || need(key, "key")?.in_memory().map(|key| PemText(key.to_pem()))))
}

/// Writes the private key as DER (PKCS#8). `imagxp_bytes_free` erases it. `usage.argument` for an external key.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_to_pkcs8(
    key: Option<&imagxp_key>,
    der: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(der, || Ok(need(key, "key")?.in_memory()?.to_pkcs8_der())))
}

/// Signs a message: 64 bytes, r and s (low-s, RFC 6979) or the Ed25519 signature. Error: `usage.signer` when an external signer fails.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_sign(
    key: Option<&imagxp_key>,
    message: imagxp_slice<'_>,
    signature: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(signature, || {
            let signer = need(key, "key")?.signer();
            let signature = signer.sign(message.bytes()?)?;
            Ok(*signature.normalized(signer.public_key().algorithm()).as_bytes())
        })
    })
}

/// The public half. Free it with `imagxp_public_key_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_public(
    key: Option<&imagxp_key>,
    public_key: Option<&mut MaybeUninit<*mut imagxp_public_key>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(public_key, || Ok(imagxp_public_key::new(need(key, "key")?.signer().public_key().clone())))
    })
}

/// Frees the key; its secret is erased once nothing that was made from it uses it any more. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_key_free(key: Option<Box<imagxp_key>>) {
    accessor((), || drop(key));
}
