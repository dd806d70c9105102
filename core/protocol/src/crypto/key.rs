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
mod tests {
    use super::*;
    use crate::crypto::fixtures::*;
    use crate::encoding::{base64url_encode, hex_decode};
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    fn from_seed(algorithm: Algorithm, seed: [u8; 32]) -> PrivateKey {
        PrivateKey::generate(algorithm, &mut |buffer| {
            buffer.copy_from_slice(&seed);
            Ok(())
        })
        .unwrap()
    }

    fn der_of(pem: &str) -> Vec<u8> {
        let (_, block) = pem.rsplit_once("-----BEGIN ").unwrap();
        let body: String = block.lines().skip(1).filter(|line| !line.starts_with('-')).collect();
        base64_decode(body.as_bytes()).unwrap()
    }

    fn is_key_malformed<T: fmt::Debug>(result: Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == ErrorKind::Protocol(Code::KeyMalformed))
    }

    #[test]
    fn algorithm_names() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
            assert_eq!(algorithm.to_string(), algorithm.as_str());
        }
        for name in ["", "es256", "ES256 ", "eddsa", "Ed25519", "ES384", "none", "HS256"] {
            assert_eq!(Algorithm::from_name(name), None);
        }
    }

    #[test]
    fn every_form_of_an_openssl_key_is_the_same_key() {
        let public = PublicKey::from_pem(P256_PUBLIC).unwrap();
        assert_eq!(public.algorithm(), Algorithm::Es256);
        assert_eq!(PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap(), public);
        let scalar: [u8; 32] = hex_decode(P256_SCALAR.as_bytes()).unwrap();
        for text in [P256_PKCS8, P256_SEC1, P256_SEC1_COMPRESSED, P256_SEC1_WITHOUT_PUBLIC] {
            let key = PrivateKey::from_pem(text).unwrap();
            assert_eq!(*key.public_key(), public);
            assert_eq!(*key.to_pem(), P256_PKCS8);
            assert_eq!(*key.to_pkcs8_der(), der_of(P256_PKCS8));
        }
        assert_eq!(*from_seed(Algorithm::Es256, scalar).public_key(), public);
        assert_eq!(public.to_pem(), P256_PUBLIC);
        assert_eq!(public.to_spki_der(), der_of(P256_PUBLIC));

        let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
        assert_eq!((key.algorithm(), &*key.to_pem()), (Algorithm::EdDsa, &ED25519_PKCS8.to_owned()));
        assert_eq!(key.public_key().to_pem(), ED25519_PUBLIC);
        assert_eq!(PublicKey::from_pem(ED25519_PUBLIC).unwrap(), *key.public_key());
    }

    #[test]
    fn openssl_signatures_verify() {
        let der: Vec<u8> = (0..P256_SIGNATURE_DER.len() / 2)
            .map(|at| u8::from_str_radix(&P256_SIGNATURE_DER[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let signature = Signature::from_ecdsa_der(&der).unwrap();
        assert!(PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap().verify(MESSAGE, &signature));
        let signature = Signature::from_hex(ED25519_SIGNATURE.as_bytes()).unwrap();
        let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
        assert!(key.public_key().verify(MESSAGE, &signature));
        assert_eq!(key.sign(MESSAGE), signature);
    }

    #[test]
    fn other_keys_are_refused() {
        for text in [
            RSA_PKCS8,
            P384_PKCS8,
            SECP256K1_PKCS8,
            SECP256K1_SEC1,
            X25519_PKCS8,
            ED448_PKCS8,
            P256_PKCS8_EXPLICIT,
            P256_SEC1_EXPLICIT,
            P256_PKCS8_ENCRYPTED,
            P256_SEC1_ENCRYPTED,
            P256_PUBLIC,
            "",
        ] {
            assert!(is_key_malformed(PrivateKey::from_pem(text)), "{text}");
        }
        for text in [RSA_PUBLIC, P384_PUBLIC, P256_PUBLIC_EXPLICIT, P256_PUBLIC_HYBRID, P256_PKCS8, ""] {
            assert!(is_key_malformed(PublicKey::from_pem(text)), "{text}");
        }
    }

    #[test]
    fn sec1_must_name_its_curve_and_pkcs8_need_not() {
        let without_curve = |scalar: &[u8]| [&[0x30, 0x25, 2, 1, 1, 4, 0x20], scalar].concat();
        let inner = without_curve(&[5; 32]);
        assert!(p256::from_ec_private_key(&inner, false).is_none());
        assert!(p256::from_ec_private_key(&inner, true).is_some());
        let other_curve = [&[0x30, 0x2e], &inner[2..], &[0xa0, 7, 6, 5, 0x2b, 0x81, 4, 0, 0x0a]].concat();
        assert!(p256::from_ec_private_key(&other_curve, true).is_none(), "secp256k1 inside, P-256 outside");
        let version_2 = [&[0x30, 0x25, 2, 1, 2], &inner[5..]].concat();
        let short = [&[0x30, 0x24, 2, 1, 1, 4, 0x1f], [5; 31].as_slice()].concat();
        for wrong in [version_2, short, [&inner, [0].as_slice()].concat(), without_curve(&[0; 32])] {
            assert!(p256::from_ec_private_key(&wrong, true).is_none());
        }
    }

    #[test]
    fn a_contradicting_public_key_is_refused() {
        // Inside the ECPrivateKey: the last 64 bytes are the point.
        let mut der = der_of(P256_PKCS8);
        let other = from_seed(Algorithm::Es256, [1; 32]);
        der[74..].copy_from_slice(&other.public_key().to_spki_der()[27..]);
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der)));
        *der.last_mut().unwrap() ^= 1;
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der)), "not even a point");

        // Beside it: version 2 with [1] publicKey, RFC 8410 §10.3.
        let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
        let version_2 = |point: &[u8]| {
            let v1 = key.to_pkcs8_der();
            [&[0x30, 0x51, 2, 1, 1], &v1[5..], &[0x81, 0x21, 0], point].concat()
        };
        let own = &key.public_key().to_spki_der()[12..];
        assert_eq!(PrivateKey::from_pkcs8_der(&version_2(own)).unwrap().public_key(), key.public_key());
        let other = from_seed(Algorithm::EdDsa, [1; 32]);
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&version_2(
            &other.public_key().to_spki_der()[12..]
        ))));
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&version_2(&[0; 32]))));
    }

    #[test]
    fn der_is_exact() {
        for text in [P256_PKCS8, ED25519_PKCS8] {
            let der = der_of(text);
            assert!(PrivateKey::from_pkcs8_der(&der).is_ok());
            for length in 0..der.len() {
                assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der[..length])));
            }
            assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&[&der, [0].as_slice()].concat())));
            assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&vec![0x30; MAX_PRIVATE_DER + 1])));
        }
        for text in [P256_PUBLIC, P256_PUBLIC_COMPRESSED, ED25519_PUBLIC] {
            let der = der_of(text);
            let key = PublicKey::from_spki_der(&der).unwrap();
            for length in 0..der.len() {
                assert!(is_key_malformed(PublicKey::from_spki_der(&der[..length])));
            }
            assert!(is_key_malformed(PublicKey::from_spki_der(&[&der, [0].as_slice()].concat())));
            for bit in 0..8 * der.len() {
                let mut flipped = der.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                match PublicKey::from_spki_der(&flipped) {
                    Ok(other) => assert_ne!(other, key),
                    refused => assert!(is_key_malformed(refused)),
                }
            }
        }
    }

    #[test]
    fn an_spki_hint_is_compared_as_bytes() {
        let key = PublicKey::from_pem(P256_PUBLIC).unwrap();
        assert!(key.spki_der_matches(&der_of(P256_PUBLIC)));
        for other in [
            der_of(P256_PUBLIC_COMPRESSED),
            der_of(ED25519_PUBLIC),
            vec![],
            [der_of(P256_PUBLIC), vec![0]].concat(),
        ] {
            assert!(!key.spki_der_matches(&other));
        }
    }

    #[test]
    fn spki_text_is_base64_of_either_alphabet() {
        let key = PublicKey::from_pem(P256_PUBLIC).unwrap();
        let standard = key.to_spki_base64();
        let url = base64url_encode(key.to_spki_der());
        for text in [standard.as_str(), standard.trim_end_matches('='), &url] {
            assert_eq!(PublicKey::from_spki_base64(text.as_bytes()).unwrap(), key);
        }
        for text in ["", "*", &format!("{standard} "), P256_PUBLIC, &"A".repeat(MAX_SPKI_BASE64 + 1)] {
            assert!(is_key_malformed(PublicKey::from_spki_base64(text.as_bytes())));
        }
    }

    #[test]
    fn generate_draws_again_and_gives_up() {
        let mut draws = 0;
        let key = PrivateKey::generate(Algorithm::Es256, &mut |buffer| {
            draws += 1;
            buffer.fill(if draws < 3 { 0xff } else { 1 });
            Ok(())
        });
        assert_eq!((key.unwrap().algorithm(), draws), (Algorithm::Es256, 3));
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let mut draws = 0;
            let broken = PrivateKey::generate(algorithm, &mut |_| {
                draws += 1;
                Ok(())
            });
            assert_eq!((broken.unwrap_err().kind(), draws), (ErrorKind::Argument, MAX_GENERATE_TRIES));
            let failed = PrivateKey::generate(algorithm, &mut |_| Err(Error::argument("no entropy")));
            assert_eq!(failed.unwrap_err().message(), "no entropy");
        }
    }

    #[test]
    fn nothing_shows_the_secret() {
        let seed = [0xab; 32];
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let key = from_seed(algorithm, seed);
            let shown = format!("{key:?} {key:#?} {:?}", key.public_key());
            assert!(shown.contains("redacted") && shown.contains(key.public_key().thumbprint().as_str()));
            assert!(!shown.to_lowercase().contains("abab") && !shown.contains("171, 171"));
        }
        let text = P256_PKCS8.replace("6vKp", "6vK*");
        let shown = format!("{:?}", PrivateKey::from_pem(&text).unwrap_err());
        assert!(!shown.contains("6vK"), "{shown}");
    }

    #[test]
    #[expect(
        clippy::mutable_key_type,
        reason = "a thumbprint that is made later changes nothing about its key"
    )]
    fn keys_are_values() {
        let (one, same, other) = (
            PublicKey::from_pem(P256_PUBLIC).unwrap(),
            PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap(),
            PublicKey::from_pem(ED25519_PUBLIC).unwrap(),
        );
        let set = std::collections::HashSet::from([one.clone(), same, one.clone(), other]);
        assert_eq!(set.len(), 2);
        assert!(Arc::ptr_eq(&one.0, &one.clone().0));
        fn shared<T: Send + Sync + 'static>(_: &T) {}
        shared(&one);
        shared(&from_seed(Algorithm::Es256, [1; 32]));
    }

    #[test]
    fn a_key_of_one_algorithm_refuses_signatures_of_the_other() {
        let keys = [Algorithm::Es256, Algorithm::EdDsa].map(|algorithm| from_seed(algorithm, [3; 32]));
        for signer in &keys {
            for key in &keys {
                let dynamic: &dyn Signer = signer;
                let signature = dynamic.sign(b"m").unwrap();
                assert_eq!(key.public_key().verify(b"m", &signature), key.algorithm() == signer.algorithm());
                assert_eq!(dynamic.public_key(), signer.public_key());
            }
        }
    }

    fn algorithm() -> impl Strategy<Value = Algorithm> {
        prop_oneof![Just(Algorithm::Es256), Just(Algorithm::EdDsa)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sign_and_verify(algorithm in algorithm(), seed: [u8; 32], message: Vec<u8>, bit in 0..512usize, other: Vec<u8>) {
            prop_assume!(seed[0] != 0xff && seed != [0; 32]);
            let key = from_seed(algorithm, seed);
            let public = key.public_key();
            let signature = key.sign(&message);
            prop_assert_eq!(key.sign(&message), signature, "deterministic");
            prop_assert_eq!(signature.normalized(algorithm), signature, "low-s");
            prop_assert!(public.verify(&message, &signature));
            prop_assert_eq!(public.verify(&other, &signature), other == message);
            let mut flipped = *signature.as_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!public.verify(&message, &Signature::from_bytes(flipped)));
            let mut changed = message.clone();
            changed.push(0);
            prop_assert!(!public.verify(&changed, &signature));
            if let Some(byte) = changed.get_mut(bit % (message.len() + 1)) {
                *byte ^= 1 << (bit % 8);
                prop_assert!(!public.verify(&changed, &signature));
            }
        }

        #[test]
        fn encodings_round_trip(algorithm in algorithm(), seed: [u8; 32]) {
            prop_assume!(seed[0] != 0xff && seed != [0; 32]);
            let key = from_seed(algorithm, seed);
            let public = key.public_key();
            for again in [PrivateKey::from_pkcs8_der(&key.to_pkcs8_der()).unwrap(), PrivateKey::from_pem(&key.to_pem()).unwrap()] {
                prop_assert_eq!(again.public_key(), public);
                prop_assert_eq!(&*again.to_pkcs8_der(), &*key.to_pkcs8_der());
                prop_assert_eq!(again.sign(b"m"), key.sign(b"m"));
            }
            for again in [
                PublicKey::from_spki_der(public.to_spki_der()),
                PublicKey::from_spki_base64(public.to_spki_base64().as_bytes()),
                PublicKey::from_pem(&public.to_pem()),
                PublicKey::from_jwk(&public.to_jwk()),
            ] {
                let again = again.unwrap();
                prop_assert_eq!(&again, public);
                prop_assert_eq!(again.thumbprint(), public.thumbprint());
                prop_assert!(again.spki_der_matches(public.to_spki_der()));
            }
        }

        #[test]
        fn readers_never_panic(bytes: Vec<u8>, at in 0..200usize, with: u8, cut in 0..200usize) {
            let _ = (PublicKey::from_spki_der(&bytes), PublicKey::from_spki_base64(&bytes), PrivateKey::from_pkcs8_der(&bytes));
            for text in [P256_PKCS8, P256_SEC1, ED25519_PKCS8, RSA_PKCS8, P256_PKCS8_EXPLICIT, P256_PUBLIC_COMPRESSED] {
                let mut der = der_of(text);
                let length = der.len();
                der[at % length] = with;
                for der in [&der[..], &der[..cut % length], &der[cut % length..]] {
                    let _ = (PublicKey::from_spki_der(der), PrivateKey::from_pkcs8_der(der));
                    let _ = (p256::from_ec_private_key(der, true), ed25519::from_curve_private_key(der).is_some());
                }
            }
        }
    }
}
