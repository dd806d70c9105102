//! Public and private keys, whatever their algorithm and encoding (PROTOCOL §3).

use super::{Signature, Thumbprint, ed25519, p256, pem};
use crate::code::Code;
use crate::encoding::{base64_decode, base64_encode};
use crate::error::{Error, Result};
use ::p256::pkcs8::PrivateKeyInfoRef;
use core::fmt;
use core::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longest base64 text of a SubjectPublicKeyInfo (PROTOCOL §14: key header 512 B).
const MAX_SPKI_BASE64: usize = 512;
/// Longest PKCS#8 or SEC 1 structure that is looked at.
const MAX_PRIVATE_DER: usize = 4096;
/// A P-256 candidate is refused with probability 2⁻³²; a source that fails this often is broken.
const MAX_GENERATE_TRIES: usize = 8;

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";
const SEC1_LABEL: &str = "EC PRIVATE KEY";

/// A signature algorithm; a property of the key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256, the default.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The JOSE name: `ES256` or `EdDSA` (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm with this JOSE name, case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key that can verify: a point of P-256 or of Ed25519 that has been checked.
///
/// Cloning shares one allocation. Two keys are equal when algorithm and point are equal, whatever text or encoding
/// they were read from. Every `from_*` fails with `key.malformed`.
#[derive(Clone)]
pub struct PublicKey(Arc<PublicInner>);

struct PublicInner {
    point: Point,
    spki: Box<[u8]>,
    /// Made when it is first asked for: a stranger's forgery is refused without.
    thumbprint: OnceLock<Thumbprint>,
}

#[derive(Clone, Copy)]
pub(super) enum Point {
    P256(::p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of P-256 (RFC 5480, uncompressed or compressed point) or
    /// Ed25519 (RFC 8410).
    ///
    /// # Errors
    /// `key.malformed` for every other algorithm or curve, explicit curve parameters, the identity, hybrid points,
    /// points off the curve, Ed25519 points of small order or in a non-canonical encoding, and trailing data.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        let point = match p256::from_spki(der) {
            Some(point) => point.map(Point::P256),
            None => ed25519::from_spki(der)
                .ok_or_else(|| malformed("not a SubjectPublicKeyInfo of P-256 or Ed25519"))?
                .map(Point::Ed25519),
        };
        point.map(Self::from_point).ok_or_else(|| malformed("the public key is not an acceptable point"))
    }

    /// Reads the base64 text of a SubjectPublicKeyInfo, in the forms of PROTOCOL §2, at most 512 bytes.
    ///
    /// # Errors
    /// `key.malformed` for bad base64 and for all that [`Self::from_spki_der`] refuses.
    pub fn from_spki_base64(text: &[u8]) -> Result<Self> {
        if text.len() > MAX_SPKI_BASE64 {
            return Err(malformed("the public key is longer than 512 bytes of base64"));
        }
        let der = base64_decode(text).ok_or_else(|| malformed("the public key is not valid base64"))?;
        Self::from_spki_der(&der)
    }

    /// Reads a PEM `PUBLIC KEY` block (RFC 7468 §13); other blocks around it are passed over.
    ///
    /// # Errors
    /// `key.malformed` when there is not exactly one such block, and for all that [`Self::from_spki_der`] refuses.
    pub fn from_pem(text: &str) -> Result<Self> {
        let (_, der) = pem::decode(text, &[PUBLIC_LABEL])?;
        Self::from_spki_der(&der)
    }

    /// The key's algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.0.point {
            Point::P256(_) => Algorithm::Es256,
            Point::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The DER SubjectPublicKeyInfo: 91 bytes with the uncompressed point for P-256, 44 bytes for Ed25519.
    pub fn to_spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// [`Self::to_spki_der`] in standard base64 with padding, the form of manifests and of `x-imagxp-public-key`.
    pub fn to_spki_base64(&self) -> String {
        base64_encode(&self.0.spki)
    }

    /// [`Self::to_spki_der`] as a PEM `PUBLIC KEY` block.
    pub fn to_pem(&self) -> String {
        core::mem::take(&mut *pem::encode(PUBLIC_LABEL, &self.0.spki))
    }

    /// Whether these bytes are exactly [`Self::to_spki_der`]; a comparison of memory, no decoding.
    ///
    /// `false` does not mean another key: a compressed point is the same key in other bytes. Decode and compare then.
    pub fn spki_der_matches(&self, der: &[u8]) -> bool {
        *self.0.spki == *der
    }

    /// The RFC 7638 SHA-256 thumbprint, computed once.
    pub fn thumbprint(&self) -> &Thumbprint {
        self.0.thumbprint.get_or_init(|| match &self.0.point {
            Point::P256(key) => {
                let (x, y) = p256::coordinates(key);
                Thumbprint::of_p256(&x, &y)
            }
            Point::Ed25519(key) => Thumbprint::of_ed25519(key.as_bytes()),
        })
    }

    /// Whether `signature` is this key's signature over `message`.
    ///
    /// ES256: r and s in 1..n, high-s accepted. Ed25519: strict (RFC 8032 §5.1.7 with canonical encodings, no points of small
    /// order, no cofactor). Takes variable time; nothing here is secret.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match &self.0.point {
            Point::P256(key) => p256::verify(key, message, signature.as_bytes()),
            Point::Ed25519(key) => ed25519::verify(key, message, signature.as_bytes()),
        }
    }

    pub(super) fn from_point(point: Point) -> Self {
        let spki = match &point {
            Point::P256(key) => p256::to_spki(key),
            Point::Ed25519(key) => ed25519::to_spki(key),
        };
        Self(Arc::new(PublicInner { point, spki: spki.into_boxed_slice(), thumbprint: OnceLock::new() }))
    }

    pub(super) fn point(&self) -> &Point {
        &self.0.point
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        // The kept DER is canonical: it names the algorithm and has one form per point.
        Arc::ptr_eq(&self.0, &other.0) || self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.spki.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.thumbprint())
    }
}

/// A private key in memory, erased when it is dropped.
///
/// It has no `Clone` and its `Debug` shows the public key only. Every `from_*` fails with `key.malformed`, and no error
/// message holds key material.
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

// Both kinds erase themselves on drop.
pub(super) enum Secret {
    P256(::p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl PrivateKey {
    /// Makes a new key from the caller's entropy: `fill` overwrites the whole buffer with cryptographic randomness.
    ///
    /// P-256 draws again when the value is 0 or ≥ n (FIPS 186-5 §A.2.2), a bounded number of times.
    ///
    /// # Errors
    /// What `fill` returns, and `usage.argument` when its output is all zero or never a scalar.
    pub fn generate(algorithm: Algorithm, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut seed = Zeroizing::new([0u8; 32]);
        for _ in 0..MAX_GENERATE_TRIES {
            fill(seed.as_mut_slice())?;
            if bool::from(seed.as_slice().ct_eq(&[0; 32])) {
                continue;
            }
            let secret = match algorithm {
                Algorithm::Es256 => p256::from_scalar(&seed).map(Secret::P256),
                Algorithm::EdDsa => Some(Secret::Ed25519(ed25519::from_seed(&seed))),
            };
            if let Some(secret) = secret {
                return Ok(Self::from_secret(secret));
            }
        }
        Err(Error::argument("the entropy source does not deliver randomness"))
    }

    /// Reads a DER PKCS#8 structure (RFC 5958, version 1 or 2) of P-256 (RFC 5915) or Ed25519 (RFC 8410).
    ///
    /// # Errors
    /// `key.malformed` for every other algorithm or curve, a scalar that is not 32 bytes in 1..n, a public key in the
    /// structure that contradicts the private one, and trailing data.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        let not_pkcs8 = || malformed("not a PKCS#8 private key");
        if der.len() > MAX_PRIVATE_DER {
            return Err(not_pkcs8());
        }
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| not_pkcs8())?;
        let inner = info.private_key.as_bytes();
        let secret = if info.algorithm.assert_oids(p256::KEY_OID, p256::CURVE_OID).is_ok() {
            p256::from_ec_private_key(inner, true).map(Secret::P256)
        } else if info.algorithm.oid == ed25519::KEY_OID && info.algorithm.parameters.is_none() {
            ed25519::from_curve_private_key(inner).map(Secret::Ed25519)
        } else {
            return Err(malformed("the private key is of an unsupported algorithm or curve"));
        };
        let key =
            secret.map(Self::from_secret).ok_or_else(|| malformed("the private key is not consistent"))?;
        match info.public_key {
            Some(bits) if !bits.as_bytes().is_some_and(|bytes| key.public_point_is(bytes)) => {
                Err(malformed("the public key in the PKCS#8 structure is not the private key's"))
            }
            _ => Ok(key),
        }
    }

    /// Reads PEM text: a `PRIVATE KEY` block (PKCS#8) or an `EC PRIVATE KEY` block (SEC 1, as OpenSSL writes it, with or without
    /// its `EC PARAMETERS` block). Other blocks are passed over.
    ///
    /// # Errors
    /// `key.malformed` for encrypted keys, when there is not exactly one key, when a SEC 1 key does not name its
    /// curve, and for all that [`Self::from_pkcs8_der`] refuses.
    pub fn from_pem(text: &str) -> Result<Self> {
        match pem::decode(text, &[PKCS8_LABEL, SEC1_LABEL])? {
            (SEC1_LABEL, der) => p256::from_ec_private_key(&der, false)
                .map(|key| Self::from_secret(Secret::P256(key)))
                .ok_or_else(|| malformed("not a SEC 1 private key on P-256")),
            (_, der) => Self::from_pkcs8_der(&der),
        }
    }

    /// The DER PKCS#8 structure, byte for byte as OpenSSL writes it.
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        match &self.secret {
            Secret::P256(key) => p256::to_pkcs8(key),
            Secret::Ed25519(key) => ed25519::to_pkcs8(key),
        }
    }

    /// [`Self::to_pkcs8_der`] as a PEM `PRIVATE KEY` block.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode(PKCS8_LABEL, &self.to_pkcs8_der())
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The key's algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Signs. Deterministic for both algorithms: RFC 6979 with low-s for ES256, RFC 8032 for Ed25519.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_bytes(match &self.secret {
            Secret::P256(key) => p256::sign(key, message),
            Secret::Ed25519(key) => ed25519::sign(key, message),
        })
    }

    /// [`Self::sign`] of each message, in order and byte for byte; ES256 signatures share their inversions, which makes them an eighth cheaper.
    pub fn sign_batch(&self, messages: &[&[u8]]) -> Vec<Signature> {
        match &self.secret {
            Secret::P256(key) => {
                p256::sign_batch(key, messages).into_iter().map(Signature::from_bytes).collect()
            }
            Secret::Ed25519(_) => messages.iter().map(|message| self.sign(message)).collect(),
        }
    }

    pub(super) fn from_secret(secret: Secret) -> Self {
        let public = PublicKey::from_point(match &secret {
            Secret::P256(key) => Point::P256(*key.verifying_key()),
            Secret::Ed25519(key) => Point::Ed25519(key.verifying_key()),
        });
        Self { secret, public }
    }

    fn public_point_is(&self, encoded: &[u8]) -> bool {
        match self.public.point() {
            Point::P256(key) => p256::from_point(encoded).as_ref() == Some(key),
            Point::Ed25519(key) => key.as_bytes() == encoded,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} {}, redacted)", self.algorithm(), self.public.thumbprint())
    }
}

/// What signs: a [`PrivateKey`] in memory, or a key held by a KMS, an HSM or a Secure Enclave.
///
/// Implementors hash the message themselves (SHA-256 for ES256, none for Ed25519) and return `r ‖ s`, not DER:
/// [`Signature::from_ecdsa_der`] converts, [`Signature::normalized`] makes it low-s.
pub trait Signer: Send + Sync {
    /// The public half of the key that signs.
    fn public_key(&self) -> &PublicKey;

    /// Signs the message.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Signer`] when the key holder cannot be reached or refuses.
    fn sign(&self, message: &[u8]) -> Result<Signature>;

    /// Signs each message, in order: one after the other, unless the key's holder has something better.
    ///
    /// # Errors
    /// The first of [`Signer::sign`]; the signatures that were made are dropped.
    fn sign_batch(&self, messages: &[&[u8]]) -> Result<Vec<Signature>> {
        messages.iter().map(|message| self.sign(message)).collect()
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        Ok(Self::sign(self, message))
    }

    fn sign_batch(&self, messages: &[&[u8]]) -> Result<Vec<Signature>> {
        Ok(Self::sign_batch(self, messages))
    }
}

/// The error of every key that cannot be read.
pub(super) fn malformed(message: &'static str) -> Error {
    Error::protocol(Code::KeyMalformed, message)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests;
