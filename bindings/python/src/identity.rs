//! An agent's identity: its domain and the key with which it signs.

use crate::headers::header_list;
use crate::key::{PrivateKey, PublicKey};
use crate::key_file::Passphrase;
use crate::manifest::{Manifest, ManifestKey};
use crate::sign::{self, Wanted};
use crate::signer::ExternalSigner;
use crate::time::{self, Time};
use crate::{agent_id, boundary, dotenv, errors, key, key_file, purpose};
use imagxp::agent::SignRequestOf;
use imagxp::{AgentId, agent, crypto};
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
        Ok(Self::join(agent_id::parse(py, name, allow_loopback)?, key))
    }

    /// Joins a domain that was read already with a key.
    pub(crate) fn of(agent_id: AgentId, key: crypto::PrivateKey) -> Self {
        Self::join(agent_id, Arc::new(key))
    }

    fn join(agent_id: AgentId, key: Arc<crypto::PrivateKey>) -> Self {
        let signer: Arc<dyn crypto::Signer> = Arc::<crypto::PrivateKey>::clone(&key);
        Self { inner: agent::Identity::with_signer(agent_id, signer), key: Some(key) }
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

    /// Joins a domain with the key in a file; see `PrivateKey.load`.
    #[classmethod]
    #[pyo3(signature = (agent_id, path, *, passphrase = None, allow_readable = false, allow_loopback = false))]
    fn load(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        agent_id: &str,
        path: PathBuf,
        passphrase: Option<Passphrase>,
        allow_readable: bool,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let key = key_file::load(py, &path, passphrase.as_ref(), allow_readable)?;
        Self::with_key(py, agent_id, Arc::new(key), allow_loopback)
    }

    /// Takes domain and key from the variables of the reference SDK: `IMAGXP_AGENT_ID`, `IMAGXP_PRIVATE_KEY`, `IMAGXP_PUBLIC_KEY`.
    ///
    /// With a `path` they are read from that `.env` file. Without one `os.environ` counts, and `.env` in the current folder when that has
    /// no key. `agent_id` says the domain where no variable does; they must not differ.
    #[classmethod]
    #[pyo3(signature = (path = None, *, agent_id = None, allow_loopback = false))]
    fn from_env(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        path: Option<PathBuf>,
        agent_id: Option<&str>,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let (agent_id, key) = dotenv::load(py, path.as_deref(), agent_id)?;
        Self::with_key(py, &agent_id, Arc::new(key), allow_loopback)
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

    /// Writes the key to a file; see `PrivateKey.save`. `UsageError` when the key lives elsewhere.
    #[pyo3(signature = (path, /, *, passphrase = None, overwrite = false))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        passphrase: Option<Passphrase>,
        overwrite: bool,
    ) -> PyResult<()> {
        let key = self.key.as_ref().ok_or_else(|| errors::argument(py, "an external key cannot be saved"))?;
        key_file::save(py, &path, key, passphrase.as_ref(), overwrite)
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
        method: String,
        url: String,
        purpose: &str,
        now: Option<Time>,
        nonce: Option<String>,
        ads_displayed: Option<bool>,
        context: Option<&Bound<'py, PyMapping>>,
        content_digest: Option<String>,
        payment: Option<String>,
        proof: Option<String>,
        compatible: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let context = sign::context(context)?;
        let request = SignRequestOf {
            ads_displayed,
            context,
            content_digest,
            payment,
            proof,
            compatible,
            ..SignRequestOf::new(method, url, purpose::parse(py, purpose)?)
        };
        let wanted = Wanted { request, now, nonce };
        let now = time::or_now(now);
        let headers =
            boundary::call(py, || self.inner.sign(&wanted.request.as_ref(), now, &wanted.nonce()?))?;
        header_list(py, &headers)
    }

    /// Signs many requests as `sign` does one after the other, without holding the interpreter: each `(method, url, purpose)`, or
    /// `(method, url, purpose, options)` with a `dict` of `sign`'s keyword arguments. ES256 signatures share their inversions, which
    /// makes eight and more an eighth cheaper.
    ///
    /// All or none: the error names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for the
    /// requests that do not say their own.
    #[pyo3(signature = (requests, *, now = None))]
    fn sign_batch<'py>(
        &self,
        py: Python<'py>,
        requests: Vec<Wanted>,
        now: Option<Time>,
    ) -> PyResult<Bound<'py, PyList>> {
        let now = time::or_now(now);
        let signed = boundary::call(py, || {
            let nonces = requests.iter().map(Wanted::nonce).collect::<imagxp::Result<Vec<_>>>()?;
            let time = |wanted: &Wanted| wanted.now.map_or(now, |own| own.0);
            let batch: Vec<_> = requests
                .iter()
                .zip(&nonces)
                .map(|(wanted, nonce)| (wanted.request.as_ref(), time(wanted), &**nonce))
                .collect();
            self.inner.sign_batch(&batch)
        })?;
        let lists = signed.iter().map(|headers| header_list(py, headers)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, lists)
    }

    /// The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
    ///
    /// `Rotation` keeps the order and the waits of a rotation.
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

/// A random UUID (RFC 9562, version 4), the nonce of our agents.
pub(crate) fn random_uuid() -> imagxp::Result<String> {
    let mut bytes = [0_u8; 16];
    key::entropy(&mut bytes)?;
    Ok(imagxp::encoding::uuid_v4(bytes))
}
