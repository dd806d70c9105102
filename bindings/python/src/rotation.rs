//! An agent's keys in a folder, and their rotation.

use crate::identity::Identity;
use crate::key::{PrivateKey, PublicKey, algorithm};
use crate::key_file::{self, Passphrase};
use crate::manifest::Manifest;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors};
use imagxp::crypto::{PublicKey as CorePublicKey, Thumbprint};
use imagxp_files::rotation::Keyring;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// An agent's keys in a folder: the key that signs now, the next or the old one, and the manifest to serve.
///
/// A step that would come too early raises `RotationError`, whose message says from when on it is safe.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Rotation {
    path: PathBuf,
    keyring: Mutex<Keyring>,
}

impl Rotation {
    fn with(path: PathBuf, keyring: Keyring) -> Self {
        Self { path, keyring: Mutex::new(keyring) }
    }

    /// Looks at the state that was read last.
    fn look<T: Send>(&self, py: Python<'_>, act: impl Send + FnOnce(&Keyring) -> T) -> PyResult<T> {
        boundary::compute(py, || act(&self.keyring.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes a step on the state that is on the disk.
    fn step<T: Send>(
        &self,
        py: Python<'_>,
        act: impl Send + FnOnce(&mut Keyring) -> imagxp::Result<T>,
    ) -> PyResult<T> {
        key_file::call(py, &self.path, || {
            act(&mut self.keyring.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

#[pymethods]
impl Rotation {
    /// Opens the folder of an agent.
    #[new]
    #[pyo3(signature = (path, /))]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let keyring = key_file::call(py, &path, || Keyring::open(&path))?;
        Ok(Self::with(path, keyring))
    }

    /// Makes the folder (mode 0700) for an agent with this key, or a new one; with a passphrase every key in it is encrypted.
    #[classmethod]
    #[pyo3(signature = (path, agent_id, *, key = None, contact = None, passphrase = None, allow_loopback = false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn create(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        path: PathBuf,
        agent_id: &str,
        key: Option<&PrivateKey>,
        contact: Option<String>,
        passphrase: Option<Passphrase>,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let agent = agent_id::parse(py, agent_id, allow_loopback)?;
        let made = match key {
            Some(_) => None,
            None => Some(PrivateKey::generate_key(py, "ES256")?),
        };
        let Some(key) = key.map(|key| &*key.0).or(made.as_ref()) else {
            return Err(errors::argument(py, "no key"));
        };
        let passphrase = passphrase.as_ref().map(|passphrase| &*passphrase.0);
        let keyring = key_file::call(py, &path, || Keyring::create(&path, agent, contact, key, passphrase))?;
        Ok(Self::with(path, keyring))
    }

    /// Whose keys they are.
    #[getter]
    fn agent_id(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |keyring| keyring.agent_id().as_str().to_owned())
    }

    /// Where the rotation stands: `settled`, `prepared`, `published` or `switched`.
    #[getter]
    fn stage(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.look(py, |keyring| keyring.rotation().stage().as_str())
    }

    /// The key that signs now.
    #[getter]
    fn signing_key(&self, py: Python<'_>) -> PyResult<PublicKey> {
        self.look(py, |keyring| PublicKey(keyring.rotation().signing_key().clone()))
    }

    /// The next key, or after switching the old one.
    #[getter]
    fn other_key(&self, py: Python<'_>) -> PyResult<Option<PublicKey>> {
        self.look(py, |keyring| {
            keyring.rotation().other_key().map(|key: &CorePublicKey| PublicKey(key.clone()))
        })
    }

    /// From when on the next step that has to wait (switching or retiring) is safe.
    #[getter]
    fn ready_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let ready = self.look(py, |keyring| keyring.rotation().ready_at())?;
        ready.map(|at| time::to_datetime(py, at)).transpose()
    }

    /// The thumbprints of keys that were revoked, the oldest first.
    #[getter]
    fn revoked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let list = self.look(py, |keyring| {
            keyring.rotation().revoked().iter().map(|key| key.as_str().to_owned()).collect::<Vec<_>>()
        })?;
        PyTuple::new(py, list)
    }

    /// The manifest to serve now.
    fn manifest(&self, py: Python<'_>) -> PyResult<Manifest> {
        self.step(py, |keyring| keyring.manifest().map(Manifest))
    }

    /// Reads the state again: another process may have taken a step.
    fn reload(&self, py: Python<'_>) -> PyResult<()> {
        self.step(py, |keyring| {
            *keyring = Keyring::open(keyring.path())?;
            Ok(())
        })
    }

    /// The agent with the key that signs now.
    #[pyo3(signature = (*, passphrase = None))]
    fn identity(&self, py: Python<'_>, passphrase: Option<Passphrase>) -> PyResult<Identity> {
        let passphrase = passphrase.as_ref().map(|passphrase| &*passphrase.0);
        let (agent_id, key) =
            self.step(py, |keyring| Ok((keyring.agent_id().clone(), keyring.signing_key(passphrase)?)))?;
        Ok(Identity::of(agent_id, key))
    }

    /// Makes the next key; nobody knows of it yet. The passphrase must open the current key.
    #[pyo3(signature = (*, algorithm = "ES256", passphrase = None))]
    fn prepare(&self, py: Python<'_>, algorithm: &str, passphrase: Option<Passphrase>) -> PyResult<()> {
        let algorithm = self::algorithm(py, algorithm)?;
        let passphrase = passphrase.as_ref().map(|passphrase| &*passphrase.0);
        self.step(py, |keyring| keyring.prepare(algorithm, passphrase))
    }

    /// Lists the next key in the manifest; called again, it restarts the wait.
    ///
    /// `max_age` is the longest `Cache-Control: max-age` in seconds with which the manifest was served in the last hour, shared caches
    /// included; without it an hour is assumed.
    #[pyo3(signature = (*, max_age = None, now = None))]
    fn publish(&self, py: Python<'_>, max_age: Option<u32>, now: Option<Time>) -> PyResult<()> {
        self.step(py, |keyring| keyring.publish(time::or_now(now), max_age))
    }

    /// Signs with the next key from now on; called again, it restarts the wait until the old key may go.
    #[pyo3(signature = (*, now = None))]
    fn switch(&self, py: Python<'_>, now: Option<Time>) -> PyResult<()> {
        self.step(py, |keyring| keyring.switch(time::or_now(now)))
    }

    /// Leaves the old key out of the manifest, and removes its file.
    #[pyo3(signature = (*, now = None))]
    fn retire(&self, py: Python<'_>, now: Option<Time>) -> PyResult<()> {
        self.step(py, |keyring| keyring.retire(time::or_now(now)))
    }

    /// Goes back to the old key.
    #[pyo3(signature = (*, now = None))]
    fn abort(&self, py: Python<'_>, now: Option<Time>) -> PyResult<()> {
        self.step(py, |keyring| keyring.abort(time::or_now(now)))
    }

    /// Drops a compromised key at once, named by its thumbprint. Publishers may refuse requests for a while, and accept the revoked key
    /// for up to an hour. When it is the only one, a new key is made, encrypted with the passphrase if there is one.
    #[pyo3(signature = (thumbprint, /, *, passphrase = None))]
    fn revoke(&self, py: Python<'_>, thumbprint: &str, passphrase: Option<Passphrase>) -> PyResult<()> {
        let key = Thumbprint::parse(thumbprint)
            .ok_or_else(|| errors::argument(py, &format!("`{thumbprint}` is not a thumbprint")))?;
        let passphrase = passphrase.as_ref().map(|passphrase| &*passphrase.0);
        self.step(py, |keyring| keyring.revoke(&key, passphrase))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.look(py, |keyring| format!("Rotation({} {})", keyring.agent_id(), keyring.rotation().stage()))
    }
}
