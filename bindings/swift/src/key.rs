//! Public and private keys.

use crate::error::ImagxpError;
use crate::{boundary, json, key_file};
use imagxp::crypto::{self, Signature};
use std::sync::Arc;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Enum)]
pub(crate) enum Algorithm {
    /// ECDSA over P-256 with SHA-256, the default; the Secure Enclave's.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// The JOSE name of an algorithm, `ES256` or `EdDSA`; `Algorithm.description` is the same.
#[uniffi::export]
pub(crate) fn algorithm_name(algorithm: Algorithm) -> String {
    algorithm.core().as_str().to_owned()
}

impl Algorithm {
    const fn core(self) -> crypto::Algorithm {
        match self {
            Self::Es256 => crypto::Algorithm::Es256,
            Self::EdDsa => crypto::Algorithm::EdDsa,
        }
    }

    fn of(algorithm: crypto::Algorithm) -> Self {
        if algorithm == crypto::Algorithm::EdDsa { Self::EdDsa } else { Self::Es256 }
    }
}

/// A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`). Equal when its point is.
#[derive(Debug, PartialEq, Eq, Hash, uniffi::Object)]
#[uniffi::export(Debug, Eq, Hash)]
pub(crate) struct PublicKey(pub(crate) crypto::PublicKey);

#[uniffi::export]
impl PublicKey {
    /// Reads a PEM `PUBLIC KEY` block. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_pem(pem: &str) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PublicKey::from_pem(pem).map(Self::shared))
    }

    /// Reads a DER SubjectPublicKeyInfo, for example CryptoKit's `publicKey.derRepresentation`. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_spki(der: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PublicKey::from_spki_der(der).map(Self::shared))
    }

    /// Reads the base64 of a SubjectPublicKeyInfo, the form of manifests. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_spki_base64(text: &str) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PublicKey::from_spki_base64(text.as_bytes()).map(Self::shared))
    }

    /// Reads a P-256 point in ANSI X9.63 form (65 bytes: 4, x, y), as `SecKeyCopyExternalRepresentation` gives it and CryptoKit's
    /// `x963Representation`. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_x963(point: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PublicKey::from_spki_der(&[P256_SPKI, point].concat()).map(Self::shared))
    }

    /// Reads the JSON of a public JSON Web Key (RFC 7517). Throws `key.malformed`; `json.…` for what is no JSON, or breaks a rule of it.
    #[uniffi::constructor]
    pub(crate) fn from_jwk(jwk: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PublicKey::from_jwk(&json::jwk(jwk)?).map(Self::shared))
    }

    /// The algorithm: a property of the key, never of a message.
    pub(crate) fn algorithm(&self) -> Algorithm {
        Algorithm::of(self.0.algorithm())
    }

    /// The RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
    pub(crate) fn thumbprint(&self) -> String {
        self.0.thumbprint().as_str().to_owned()
    }

    /// The DER SubjectPublicKeyInfo.
    pub(crate) fn to_spki(&self) -> Vec<u8> {
        self.0.to_spki_der().to_vec()
    }

    /// The SubjectPublicKeyInfo in standard base64, the form of manifests.
    pub(crate) fn to_spki_base64(&self) -> String {
        self.0.to_spki_base64()
    }

    /// The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block.
    pub(crate) fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The JSON of the required members of the JSON Web Key.
    pub(crate) fn to_jwk(&self) -> Vec<u8> {
        json::text(&self.0.to_jwk())
    }

    /// Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool, ImagxpError> {
        let Ok(signature) = <[u8; 64]>::try_from(signature) else { return Ok(false) };
        boundary::compute(|| self.0.verify(message, &Signature::from_bytes(signature)))
    }
}

impl PublicKey {
    pub(crate) fn shared(key: crypto::PublicKey) -> Arc<Self> {
        Arc::new(Self(key))
    }
}

/// What stands before the point in the SubjectPublicKeyInfo of every P-256 key (RFC 5480).
const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A private key in memory, erased when the last reference goes. Its description shows the public half only.
///
/// On an Apple device prefer a key that never leaves the Secure Enclave: `Identity.external`.
#[derive(uniffi::Object)]
#[uniffi::export(Debug)]
pub(crate) struct PrivateKey(pub(crate) Arc<crypto::PrivateKey>);

#[uniffi::export]
impl PrivateKey {
    /// Makes a new key from the operating system's entropy.
    #[uniffi::constructor(default(algorithm = None))]
    pub(crate) fn generate(algorithm: Option<Algorithm>) -> Result<Arc<Self>, ImagxpError> {
        let algorithm = algorithm.unwrap_or(Algorithm::Es256).core();
        boundary::call(|| crypto::PrivateKey::generate(algorithm, &mut entropy).map(Self::shared))
    }

    /// Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_pem(pem: &str) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PrivateKey::from_pem(pem).map(Self::shared))
    }

    /// Reads a DER PKCS#8 structure, for example CryptoKit's `derRepresentation`. Throws `key.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PrivateKey::from_pkcs8_der(der).map(Self::shared))
    }

    /// Reads the JSON of a private JSON Web Key. Throws `key.malformed`; `json.…` for what is no JSON, or breaks a rule of it.
    #[uniffi::constructor]
    pub(crate) fn from_jwk(jwk: &[u8]) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| crypto::PrivateKey::from_jwk(&json::jwk(jwk)?).map(Self::shared))
    }

    /// Reads a key file: encrypted when a passphrase is given, else PEM, JWK or PKCS#8 DER.
    ///
    /// Throws `key_file.locked` for a wrong passphrase and for a damaged file alike, and `io.failed` for a file that is not there, or that
    /// others than its owner may read or write, unless `allowReadable` is true.
    #[uniffi::constructor(default(passphrase = None, allow_readable = false))]
    pub(crate) fn load(
        path: &str,
        passphrase: Option<Vec<u8>>,
        allow_readable: bool,
    ) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| key_file::load(path, passphrase, allow_readable).map(Self::shared))
    }

    /// Writes a file that only its owner may read (mode 0600), whole or not at all: encrypted when a passphrase is given, else PKCS#8 PEM.
    ///
    /// Throws `io.failed` for a file that exists, unless `overwrite` is true.
    #[uniffi::method(default(passphrase = None, overwrite = false))]
    pub(crate) fn save(
        &self,
        path: &str,
        passphrase: Option<Vec<u8>>,
        overwrite: bool,
    ) -> Result<(), ImagxpError> {
        boundary::call(|| key_file::save(path, &self.0, passphrase, overwrite))
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> Arc<PublicKey> {
        PublicKey::shared(self.0.public_key().clone())
    }

    /// The algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        Algorithm::of(self.0.algorithm())
    }

    /// PKCS#8 PEM, unencrypted: whoever reads this text can sign. Swift never erases it from memory; prefer `save`.
    pub(crate) fn to_pem(&self) -> String {
        self.0.to_pem().to_string()
    }

    /// PKCS#8 DER, unencrypted; see `toPem`.
    pub(crate) fn to_pkcs8(&self) -> Vec<u8> {
        self.0.to_pkcs8_der().to_vec()
    }

    /// Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ImagxpError> {
        boundary::compute(|| self.0.sign(message).as_bytes().to_vec())
    }
}

impl PrivateKey {
    fn shared(key: crypto::PrivateKey) -> Arc<Self> {
        Arc::new(Self(Arc::new(key)))
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({} {}, redacted)", self.0.algorithm(), self.0.public_key().thumbprint())
    }
}

/// Fills a buffer from the operating system.
pub(crate) fn entropy(buffer: &mut [u8]) -> imagxp::Result<()> {
    getrandom::fill(buffer).map_err(|_| imagxp::Error::argument("the operating system gives no entropy"))
}
