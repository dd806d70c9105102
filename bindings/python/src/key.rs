//! Public and private keys.

use crate::json::{self, Document};
use crate::key_file::Passphrase;
use crate::{boundary, errors, key_file};
use core::hash::{Hash, Hasher};
use imagxp::crypto::{self, Algorithm, Signature};
use imagxp::json::Limits;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use std::hash::DefaultHasher;
use std::path::PathBuf;
use std::sync::Arc;

/// A public key that can verify: ECDSA P-256 (`ES256`) or Ed25519 (`EdDSA`).
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct PublicKey(pub(crate) crypto::PublicKey);

#[pymethods]
impl PublicKey {
    /// Reads a PEM `PUBLIC KEY` block.
    #[classmethod]
    #[pyo3(signature = (pem, /))]
    fn from_pem(_cls: &Bound<'_, PyType>, py: Python<'_>, pem: &str) -> PyResult<Self> {
        boundary::call(py, || crypto::PublicKey::from_pem(pem).map(Self))
    }

    /// Reads a SubjectPublicKeyInfo: DER as `bytes`, or its base64 as `str`.
    #[classmethod]
    #[pyo3(signature = (spki, /))]
    fn from_spki(_cls: &Bound<'_, PyType>, py: Python<'_>, spki: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = spki.cast::<PyString>() {
            let text = text.to_str()?.as_bytes();
            return boundary::call(py, || crypto::PublicKey::from_spki_base64(text).map(Self));
        }
        let der = spki.cast::<PyBytes>()?.as_bytes();
        boundary::call(py, || crypto::PublicKey::from_spki_der(der).map(Self))
    }

    /// Reads a JSON Web Key (RFC 7517).
    #[classmethod]
    #[pyo3(signature = (jwk, /))]
    fn from_jwk(_cls: &Bound<'_, PyType>, py: Python<'_>, jwk: Document) -> PyResult<Self> {
        let object = json::to_object(py, &jwk, &Limits::JWKS)?;
        boundary::call(py, || crypto::PublicKey::from_jwk(&object).map(Self))
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    /// The RFC 7638 SHA-256 thumbprint: 43 characters of base64url.
    #[getter]
    fn thumbprint(&self) -> &str {
        self.0.thumbprint().as_str()
    }

    /// The DER SubjectPublicKeyInfo.
    fn to_spki_der<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.to_spki_der())
    }

    /// The SubjectPublicKeyInfo in standard base64, the form of manifests.
    fn to_spki_base64(&self) -> String {
        self.0.to_spki_base64()
    }

    /// The SubjectPublicKeyInfo as a PEM `PUBLIC KEY` block.
    fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The required members of the JSON Web Key.
    fn to_jwk<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        json::object(py, &self.0.to_jwk())
    }

    /// Whether `signature` (64 bytes: r and s, or Ed25519's) is this key's over `message`.
    #[pyo3(signature = (message, signature, /))]
    fn verify(&self, py: Python<'_>, message: &[u8], signature: &[u8]) -> PyResult<bool> {
        let Ok(signature) = <[u8; 64]>::try_from(signature) else { return Ok(false) };
        boundary::compute(py, || self.0.verify(message, &Signature::from_bytes(signature)))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("PublicKey({} {})", self.algorithm(), self.thumbprint())
    }
}

/// A private key in memory, erased when it is collected. It cannot be pickled or copied, and its `repr` shows the public key only.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct PrivateKey(pub(crate) Arc<crypto::PrivateKey>);

impl PrivateKey {
    pub(crate) fn generate_key(py: Python<'_>, algorithm: &str) -> PyResult<crypto::PrivateKey> {
        let known = self::algorithm(py, algorithm)?;
        boundary::call(py, || crypto::PrivateKey::generate(known, &mut entropy))
    }
}

#[pymethods]
impl PrivateKey {
    /// Makes a new key from the operating system's entropy.
    #[classmethod]
    #[pyo3(signature = (algorithm = "ES256"))]
    fn generate(_cls: &Bound<'_, PyType>, py: Python<'_>, algorithm: &str) -> PyResult<Self> {
        Ok(Self(Arc::new(Self::generate_key(py, algorithm)?)))
    }

    /// Reads PEM: PKCS#8 `PRIVATE KEY`, or SEC 1 `EC PRIVATE KEY` as OpenSSL writes it.
    #[classmethod]
    #[pyo3(signature = (pem, /))]
    fn from_pem(_cls: &Bound<'_, PyType>, py: Python<'_>, pem: &str) -> PyResult<Self> {
        boundary::call(py, || crypto::PrivateKey::from_pem(pem).map(|key| Self(Arc::new(key))))
    }

    /// Reads a DER PKCS#8 structure.
    #[classmethod]
    #[pyo3(signature = (der, /))]
    fn from_pkcs8_der(_cls: &Bound<'_, PyType>, py: Python<'_>, der: &[u8]) -> PyResult<Self> {
        boundary::call(py, || crypto::PrivateKey::from_pkcs8_der(der).map(|key| Self(Arc::new(key))))
    }

    /// Reads a private JSON Web Key.
    #[classmethod]
    #[pyo3(signature = (jwk, /))]
    fn from_jwk(_cls: &Bound<'_, PyType>, py: Python<'_>, jwk: Document) -> PyResult<Self> {
        let object = json::to_object(py, &jwk, &Limits::JWKS)?;
        boundary::call(py, || crypto::PrivateKey::from_jwk(&object).map(|key| Self(Arc::new(key))))
    }

    /// Reads a key file: encrypted when a passphrase is given, else PEM, JWK or PKCS#8 DER.
    ///
    /// `KeyFileError` for a wrong passphrase and for a damaged file alike. `OSError` for a file that others than its owner may read or
    /// write, unless `allow_readable` is true.
    #[classmethod]
    #[pyo3(signature = (path, /, *, passphrase = None, allow_readable = false))]
    fn load(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        path: PathBuf,
        passphrase: Option<Passphrase>,
        allow_readable: bool,
    ) -> PyResult<Self> {
        Ok(Self(Arc::new(key_file::load(py, &path, passphrase.as_ref(), allow_readable)?)))
    }

    /// Writes a file that only its owner may read (mode 0600), whole or not at all: encrypted when a passphrase is given, else PKCS#8 PEM.
    ///
    /// A file that exists is kept and `FileExistsError` raised, unless `overwrite` is true.
    #[pyo3(signature = (path, /, *, passphrase = None, overwrite = false))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        passphrase: Option<Passphrase>,
        overwrite: bool,
    ) -> PyResult<()> {
        key_file::save(py, &path, &self.0, passphrase.as_ref(), overwrite)
    }

    /// The public half.
    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// The JOSE name of the algorithm: `ES256` or `EdDSA`.
    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().as_str()
    }

    /// PKCS#8 PEM, unencrypted: whoever reads this text can sign. Python never erases it from memory; prefer `save`.
    fn to_pem(&self) -> String {
        self.0.to_pem().to_string()
    }

    /// PKCS#8 DER, unencrypted; see `to_pem`.
    fn to_pkcs8_der<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_pkcs8_der())
    }

    /// Signs a message: 64 bytes, deterministic (RFC 6979 with low-s, or RFC 8032).
    #[pyo3(signature = (message, /))]
    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let signature = boundary::compute(py, || self.0.sign(message))?;
        Ok(PyBytes::new(py, signature.as_bytes()))
    }

    /// Refused: what is pickled travels. The default refuses from protocol 2 on only.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a private key cannot be pickled or copied"))
    }

    fn __repr__(&self) -> String {
        format!("PrivateKey({} {}, redacted)", self.algorithm(), self.0.public_key().thumbprint())
    }
}

/// The algorithm with this JOSE name.
pub(crate) fn algorithm(py: Python<'_>, name: &str) -> PyResult<Algorithm> {
    Algorithm::from_name(name)
        .ok_or_else(|| errors::argument(py, &format!("`{name}` is not an algorithm; use ES256 or EdDSA")))
}

/// Fills a buffer from the operating system.
pub(crate) fn entropy(buffer: &mut [u8]) -> imagxp::Result<()> {
    getrandom::fill(buffer).map_err(|_| imagxp::Error::argument("the operating system gives no entropy"))
}
