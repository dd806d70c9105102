//! An agent's identity: its domain and the key with which it signs.

use crate::headers::header_list;
use crate::json::from_mapping;
use crate::key::{PrivateKey, PublicKey};
use crate::manifest::{Manifest, ManifestKey};
use crate::signer::ExternalSigner;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors, key, key_file, purpose};
use imagxp::agent::{self, SignRequest, SignedHeaders};
use imagxp::{Purpose, Timestamp, crypto};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping, PyType};
use std::path::PathBuf;
use std::sync::Arc;

/// A domain name and the key that signs for it. It cannot be pickled, and its `repr` shows the public key only.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Identity {
    pub(crate) inner: agent::Identity,
    /// Absent when the key lives elsewhere.
    key: Option<Arc<crypto::PrivateKey>>,
}

impl Identity {
    fn with_key(
        py: Python<'_>,
        name: &str,
        key: Arc<crypto::PrivateKey>,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let agent_id = agent_id::parse(py, name, allow_loopback)?;
        let signer: Arc<dyn crypto::Signer> = Arc::<crypto::PrivateKey>::clone(&key);
        Ok(Self { inner: agent::Identity::with_signer(agent_id, signer), key: Some(key) })
    }
}

#[pymethods]
impl Identity {
    /// Joins a domain with a key in memory. `allow_loopback` admits `localhost` and `127.0.0.1`, for development.
    #[new]
    #[pyo3(signature = (agent_id, key, *, allow_loopback = false))]
    fn new(py: Python<'_>, agent_id: &str, key: &PrivateKey, allow_loopback: bool) -> PyResult<Self> {
        Self::with_key(py, agent_id, Arc::clone(&key.0), allow_loopback)
    }

    /// Joins a domain with a new key.
    #[classmethod]
    #[pyo3(signature = (agent_id, algorithm = "ES256", *, allow_loopback = false))]
    fn generate(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        agent_id: &str,
        algorithm: &str,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        Self::with_key(py, agent_id, Arc::new(PrivateKey::generate_key(py, algorithm)?), allow_loopback)
    }

    /// Joins a domain with the key in a PEM file.
    #[classmethod]
    #[pyo3(signature = (agent_id, path, *, allow_loopback = false))]
    fn load(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        agent_id: &str,
        path: PathBuf,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        Self::with_key(py, agent_id, Arc::new(key_file::load(py, &path)?), allow_loopback)
    }

    /// Joins a domain with a key that lives elsewhere (KMS, HSM): `sign` takes the message and returns its signature as bytes,
    /// 64 of them (r and s, or Ed25519's), or ECDSA in DER when `der` is true. It hashes the message itself.
    #[classmethod]
    #[pyo3(signature = (agent_id, public_key, sign, *, der = false, allow_loopback = false))]
    fn external(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        agent_id: &str,
        public_key: &PublicKey,
        sign: Py<PyAny>,
        der: bool,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        if !sign.bind(py).is_callable() {
            return Err(PyTypeError::new_err("sign is not callable"));
        }
        let agent_id = agent_id::parse(py, agent_id, allow_loopback)?;
        let signer = Arc::new(ExternalSigner::new(public_key.0.clone(), sign, der));
        Ok(Self { inner: agent::Identity::with_signer(agent_id, signer), key: None })
    }

    /// The domain.
    #[getter]
    fn agent_id(&self) -> &str {
        self.inner.agent_id().as_str()
    }

    /// The key that publishers must find in the manifest.
    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey(self.inner.public_key().clone())
    }

    /// The thumbprint of the key.
    #[getter]
    fn key_id(&self) -> &str {
        self.inner.public_key().thumbprint().as_str()
    }

    /// Whether signing calls Python code, which may wait for a network.
    #[getter]
    fn is_external(&self) -> bool {
        self.key.is_none()
    }

    /// Writes the key to a PEM file; see `PrivateKey.save`. `UsageError` when the key lives elsewhere.
    #[pyo3(signature = (path, /, *, overwrite = false))]
    fn save(&self, py: Python<'_>, path: PathBuf, overwrite: bool) -> PyResult<()> {
        let key = self.key.as_ref().ok_or_else(|| errors::argument(py, "an external key cannot be saved"))?;
        key_file::save(py, &path, key, overwrite)
    }

    /// Signs one request; returns the headers to send. `User-Agent` is not among them: see `imagxp.user_agent`.
    ///
    /// `url` is absolute. `now` is the clock's time and `nonce` a random UUID unless given.
    #[pyo3(signature = (method, url, purpose, *, now = None, nonce = None, ads_displayed = None, context = None,
        content_digest = None, payment = None, proof = None, compatible = false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        url: &str,
        purpose: &str,
        now: Option<Time>,
        nonce: Option<&str>,
        ads_displayed: Option<bool>,
        context: Option<&Bound<'py, PyMapping>>,
        content_digest: Option<&str>,
        payment: Option<&str>,
        proof: Option<&str>,
        compatible: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        // Dumped as ASCII, so this is always text.
        let context = context.map(from_mapping).transpose()?.and_then(|bytes| String::from_utf8(bytes).ok());
        let request = SignRequest {
            ads_displayed,
            context: context.as_deref(),
            content_digest,
            payment,
            proof,
            compatible,
            ..SignRequest::new(method, url, purpose::parse(py, purpose)?)
        };
        let now = time::or_now(now);
        let headers = boundary::call(py, || match nonce {
            Some(nonce) => self.inner.sign(&request, now, nonce),
            None => self.inner.sign(&request, now, &random_uuid()?),
        })?;
        header_list(py, &headers)
    }

    /// Signs many requests for one purpose, each `(method, url)` with a nonce of its own, without holding the interpreter.
    #[pyo3(signature = (requests, purpose, *, now = None))]
    fn sign_many<'py>(
        &self,
        py: Python<'py>,
        requests: Vec<(String, String)>,
        purpose: &str,
        now: Option<Time>,
    ) -> PyResult<Bound<'py, PyList>> {
        let purpose = purpose::parse(py, purpose)?;
        let now = time::or_now(now);
        let signed = boundary::call(py, || sign_all(&self.inner, &requests, purpose, now))?;
        let lists = signed.iter().map(|headers| header_list(py, headers)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, lists)
    }

    /// The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
    ///
    /// To rotate: publish both keys, wait one cache lifetime (an hour at most), sign with the new one, then leave the old one out.
    #[pyo3(signature = (*, contact = None, others = Vec::new()))]
    fn manifest(
        &self,
        py: Python<'_>,
        contact: Option<String>,
        others: Vec<PyRef<'_, ManifestKey>>,
    ) -> PyResult<Manifest> {
        let others: Vec<_> = others.iter().map(|key| key.0.clone()).collect();
        boundary::call(py, || self.inner.manifest(contact, &others).map(Manifest))
    }

    /// Refused: what is pickled travels. The default refuses from protocol 2 on only.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an identity cannot be pickled or copied"))
    }

    fn __repr__(&self) -> String {
        format!("Identity({} {})", self.agent_id(), self.key_id())
    }
}

fn sign_all(
    identity: &agent::Identity,
    requests: &[(String, String)],
    purpose: Purpose,
    now: Timestamp,
) -> imagxp::Result<Vec<SignedHeaders>> {
    requests
        .iter()
        .map(|(method, url)| identity.sign(&SignRequest::new(method, url, purpose), now, &random_uuid()?))
        .collect()
}

/// A random UUID (RFC 9562, version 4), the nonce of our agents.
pub(crate) fn random_uuid() -> imagxp::Result<String> {
    let mut bytes = [0_u8; 16];
    key::entropy(&mut bytes)?;
    let bits = (u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}
