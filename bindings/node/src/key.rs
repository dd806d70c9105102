//! Public and private keys.

use crate::js::{Anything, Bytes, ClassInstance, JsString, Text};
use crate::json::{self, Json, JsonObject};
use crate::key_file::{self, LoadOptions, SaveOptions};
use crate::{boundary, errors};
use imagxp::crypto::{self, Algorithm, Signature};
use imagxp::json::Limits;
use napi::bindgen_prelude::{Buffer, PromiseRaw};
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;

/// A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`).
#[napi]
#[derive(Clone)]
pub struct PublicKey(pub(crate) crypto::PublicKey);

#[napi]
impl PublicKey {
    /// Reads a PEM `PUBLIC KEY` block.
    #[napi(factory)]
    pub fn from_pem(pem: JsString) -> Result<Self> {
        boundary::call(|| crypto::PublicKey::from_pem(&pem).map(Self))
    }

    /// Reads a SubjectPublicKeyInfo: DER as bytes, or its base64 as a string.
    #[napi(factory, ts_args_type = "spki: Text")]
    pub fn from_spki(spki: Anything) -> Result<Self> {
        if let Ok(der) = spki.read::<Bytes>() {
            return boundary::call(|| crypto::PublicKey::from_spki_der(&der).map(Self));
        }
        let text: Text = spki.read()?;
        boundary::call(|| crypto::PublicKey::from_spki_base64(&text.0).map(Self))
    }

    /// Reads a JSON Web Key (RFC 7517).
    #[napi(factory)]
    pub fn from_jwk(jwk: Json) -> Result<Self> {
        let object = json::to_object(&jwk, &Limits::JWKS)?;
        boundary::call(|| crypto::PublicKey::from_jwk(&object).map(Self))
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[napi(getter, ts_return_type = "Algorithm")]
    pub fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    /// The RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
    #[napi(getter)]
    pub fn thumbprint(&self) -> &str {
        self.0.thumbprint().as_str()
    }

    /// The DER SubjectPublicKeyInfo.
    #[napi]
    pub fn to_spki_der(&self) -> Buffer {
        self.0.to_spki_der().to_vec().into()
    }

    /// The SubjectPublicKeyInfo in standard base64, the form of manifests.
    #[napi]
    pub fn to_spki_base64(&self) -> String {
        self.0.to_spki_base64()
    }

    /// The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block.
    #[napi]
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The required members of the JSON Web Key.
    #[napi(ts_return_type = "JsonObject")]
    pub fn to_jwk(&self) -> JsonObject {
        JsonObject(self.0.to_jwk().into_owned())
    }

    /// Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`.
    #[napi]
    pub fn verify(&self, message: Bytes, signature: Bytes) -> Result<bool> {
        let Ok(signature) = <[u8; 64]>::try_from(&*signature) else { return Ok(false) };
        boundary::compute(|| self.0.verify(&message, &Signature::from_bytes(signature)))
    }

    /// Whether both are the same key.
    #[napi]
    pub fn equals(&self, other: ClassInstance<PublicKey>) -> bool {
        self.0 == other.0
    }
}

/// A private key in memory, erased when it is collected. Nothing but `toPem` and `toPkcs8Der` shows it.
#[napi]
pub struct PrivateKey(pub(crate) Arc<crypto::PrivateKey>);

#[napi]
impl PrivateKey {
    /// Makes a new key from the operating system's entropy.
    #[napi(factory, ts_args_type = "algorithm?: Algorithm")]
    pub fn generate(algorithm: Option<JsString>) -> Result<Self> {
        generate(algorithm.as_deref()).map(|key| Self(Arc::new(key)))
    }

    /// Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it.
    #[napi(factory)]
    pub fn from_pem(pem: JsString) -> Result<Self> {
        boundary::call(|| crypto::PrivateKey::from_pem(&pem).map(|key| Self(Arc::new(key))))
    }

    /// Reads a DER PKCS#8 structure.
    #[napi(factory)]
    pub fn from_pkcs8_der(der: Bytes) -> Result<Self> {
        boundary::call(|| crypto::PrivateKey::from_pkcs8_der(&der).map(|key| Self(Arc::new(key))))
    }

    /// Reads a private JSON Web Key.
    #[napi(factory)]
    pub fn from_jwk(jwk: Json) -> Result<Self> {
        let object = json::to_object(&jwk, &Limits::JWKS)?;
        boundary::call(|| crypto::PrivateKey::from_jwk(&object).map(|key| Self(Arc::new(key))))
    }

    /// Reads a key file: encrypted when a passphrase is given, else PEM, JWK or PKCS#8 DER.
    ///
    /// Rejects with the code `key_file.locked` for a wrong passphrase and for a damaged file alike, and with `io.failed` for a file that
    /// others than its owner may read or write, unless `allowReadable` is true.
    #[napi(ts_args_type = "path: string, options?: LoadOptions", ts_return_type = "Promise<PrivateKey>")]
    pub fn load(
        env: Env,
        path: JsString,
        options: Option<LoadOptions>,
    ) -> Result<PromiseRaw<'static, PrivateKey>> {
        key_file::load(&env, path.0, options, |key| Ok(Self(Arc::new(key))))
    }

    /// Writes a file that only its owner may read (mode 0600), whole or not at all: encrypted when a passphrase is given, else PKCS#8 PEM.
    ///
    /// A file that exists is kept, and the promise rejects with `io.failed`, unless `overwrite` is true.
    #[napi(ts_args_type = "path: string, options?: SaveOptions", ts_return_type = "Promise<void>")]
    pub fn save(
        &self,
        env: Env,
        path: JsString,
        options: Option<SaveOptions>,
    ) -> Result<PromiseRaw<'static, ()>> {
        key_file::save(&env, path.0, Arc::clone(&self.0), options)
    }

    /// The public half.
    #[napi(getter)]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[napi(getter, ts_return_type = "Algorithm")]
    pub fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    /// PKCS#8 PEM, unencrypted: whoever reads this text can sign. JavaScript never erases it from memory; prefer `save`.
    #[napi]
    pub fn to_pem(&self) -> String {
        self.0.to_pem().to_string()
    }

    /// PKCS#8 DER, unencrypted; see `toPem`.
    #[napi]
    pub fn to_pkcs8_der(&self) -> Buffer {
        self.0.to_pkcs8_der().to_vec().into()
    }

    /// Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032).
    #[napi]
    pub fn sign(&self, message: Bytes) -> Result<Buffer> {
        boundary::compute(|| self.0.sign(&message).as_bytes().to_vec().into())
    }
}

/// A new key for the algorithm with this JOSE name, ES256 without one.
pub(crate) fn generate(algorithm: Option<&str>) -> Result<crypto::PrivateKey> {
    let known = self::algorithm(algorithm)?;
    boundary::call(|| crypto::PrivateKey::generate(known, &mut entropy))
}

/// The algorithm with this JOSE name, ES256 without one.
pub(crate) fn algorithm(name: Option<&str>) -> Result<Algorithm> {
    let name = name.unwrap_or("ES256");
    Algorithm::from_name(name)
        .ok_or_else(|| errors::argument(&format!("`{name}` is not an algorithm; use ES256 or EdDSA")))
}

/// Fills a buffer from the operating system.
pub(crate) fn entropy(buffer: &mut [u8]) -> imagxp::Result<()> {
    getrandom::fill(buffer).map_err(|_| imagxp::Error::argument("the operating system gives no entropy"))
}
