//! Public and private keys.

use crate::errors::{self, Thrown, raise};
use crate::json;
use imagxp::crypto::{self, Algorithm, Signature};
use imagxp::json::{Limits, parse_object};
use imagxp::{Error, ErrorKind};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(buffer: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// Fills a buffer from the engine's entropy.
pub(crate) fn entropy(buffer: &mut [u8]) -> imagxp::Result<()> {
    // Cloudflare has no entropy before the first request, where a Worker's top level runs.
    get_random_values(buffer).map(|_| ()).map_err(|_| {
        Error::new(ErrorKind::Io, "there is no entropy here: make this while a request is handled")
    })
}

/// A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`).
#[wasm_bindgen]
pub struct PublicKey(pub(crate) crypto::PublicKey);

impl PublicKey {
    pub(crate) fn read_base64(text: &str) -> Result<crypto::PublicKey, Thrown> {
        crypto::PublicKey::from_spki_base64(text.as_bytes()).map_err(raise)
    }
}

#[wasm_bindgen]
impl PublicKey {
    /// Reads a PEM `PUBLIC KEY` block.
    #[wasm_bindgen(js_name = fromPem)]
    pub fn from_pem(pem: &str) -> Result<PublicKey, Thrown> {
        crypto::PublicKey::from_pem(pem).map(Self).map_err(raise)
    }

    /// Reads a SubjectPublicKeyInfo: DER as bytes, or its base64 as a string.
    #[wasm_bindgen(js_name = fromSpki)]
    pub fn from_spki(
        #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] spki: JsValue,
    ) -> Result<PublicKey, Thrown> {
        match spki.as_string() {
            Some(text) => Self::read_base64(&text).map(Self),
            None => crypto::PublicKey::from_spki_der(&json::bytes(&spki)?).map(Self).map_err(raise),
        }
    }

    /// Reads a JSON Web Key (RFC 7517).
    #[wasm_bindgen(js_name = fromJwk)]
    pub fn from_jwk(
        #[wasm_bindgen(unchecked_param_type = "Document")] jwk: JsValue,
    ) -> Result<PublicKey, Thrown> {
        let text = json::document(&jwk)?;
        let object = parse_object(&text, &Limits::JWKS).map_err(|error| raise(error.into()))?;
        crypto::PublicKey::from_jwk(&object).map(Self).map_err(raise)
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[wasm_bindgen(getter)]
    pub fn algorithm(&self) -> String {
        self.0.algorithm().as_str().to_owned()
    }

    /// The RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
    #[wasm_bindgen(getter)]
    pub fn thumbprint(&self) -> String {
        self.0.thumbprint().as_str().to_owned()
    }

    /// The DER SubjectPublicKeyInfo.
    #[wasm_bindgen(js_name = toSpkiDer)]
    pub fn to_spki_der(&self) -> Vec<u8> {
        self.0.to_spki_der().to_vec()
    }

    /// The SubjectPublicKeyInfo in standard base64, the form of manifests.
    #[wasm_bindgen(js_name = toSpkiBase64)]
    pub fn to_spki_base64(&self) -> String {
        self.0.to_spki_base64()
    }

    /// The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block.
    #[wasm_bindgen(js_name = toPem)]
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The required members of the JSON Web Key.
    #[wasm_bindgen(js_name = toJwk, unchecked_return_type = "Record<string, string>")]
    pub fn to_jwk(&self) -> Result<JsValue, Thrown> {
        json::object(&self.0.to_jwk())
    }

    /// Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        <[u8; 64]>::try_from(signature)
            .is_ok_and(|signature| self.0.verify(message, &Signature::from_bytes(signature)))
    }
}

/// A private key in memory, erased when it is freed. Where a key must not be in memory, use WebCrypto and `Identity.external`.
#[wasm_bindgen]
pub struct PrivateKey(pub(crate) Arc<crypto::PrivateKey>);

impl PrivateKey {
    fn of(key: imagxp::Result<crypto::PrivateKey>) -> Result<Self, Thrown> {
        key.map(|key| Self(Arc::new(key))).map_err(raise)
    }
}

#[wasm_bindgen]
impl PrivateKey {
    /// Makes a new key, `ES256` unless `EdDSA` is asked for.
    pub fn generate(algorithm: Option<String>) -> Result<PrivateKey, Thrown> {
        let name = algorithm.as_deref().unwrap_or("ES256");
        let algorithm = Algorithm::from_name(name)
            .ok_or_else(|| errors::argument(&format!("`{name}` is not an algorithm; use ES256 or EdDSA")))?;
        Self::of(crypto::PrivateKey::generate(algorithm, &mut entropy))
    }

    /// Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it.
    #[wasm_bindgen(js_name = fromPem)]
    pub fn from_pem(pem: &str) -> Result<PrivateKey, Thrown> {
        Self::of(crypto::PrivateKey::from_pem(pem))
    }

    /// Reads a DER PKCS#8 structure.
    #[wasm_bindgen(js_name = fromPkcs8Der)]
    pub fn from_pkcs8_der(der: &[u8]) -> Result<PrivateKey, Thrown> {
        Self::of(crypto::PrivateKey::from_pkcs8_der(der))
    }

    /// Reads a private JSON Web Key.
    #[wasm_bindgen(js_name = fromJwk)]
    pub fn from_jwk(
        #[wasm_bindgen(unchecked_param_type = "Document")] jwk: JsValue,
    ) -> Result<PrivateKey, Thrown> {
        let text = json::document(&jwk)?;
        let object = parse_object(&text, &Limits::JWKS).map_err(|error| raise(error.into()))?;
        Self::of(crypto::PrivateKey::from_jwk(&object))
    }

    /// The public half.
    #[wasm_bindgen(getter, js_name = publicKey)]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[wasm_bindgen(getter)]
    pub fn algorithm(&self) -> String {
        self.0.algorithm().as_str().to_owned()
    }

    /// PKCS#8 PEM, unencrypted: whoever reads this text can sign. JavaScript never erases it from memory.
    #[wasm_bindgen(js_name = toPem)]
    pub fn to_pem(&self) -> String {
        self.0.to_pem().to_string()
    }

    /// PKCS#8 DER, unencrypted; see `toPem`.
    #[wasm_bindgen(js_name = toPkcs8Der)]
    pub fn to_pkcs8_der(&self) -> Vec<u8> {
        self.0.to_pkcs8_der().to_vec()
    }

    /// Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_bytes().to_vec()
    }
}
