//! The agent's key document.

use crate::json::{self, Document};
use crate::key::PublicKey;
use crate::time::{self, Time};
use crate::{agent_id, boundary};
use imagxp::json::{Limits, parse_object};
use imagxp::manifest as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};

/// One key of a manifest with the dates between which it exists.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct ManifestKey(pub(crate) core::ManifestKey);

#[pymethods]
impl ManifestKey {
    /// A key, from when on (inclusive) and until when (inclusive) it exists.
    #[new]
    #[pyo3(signature = (key, *, not_before = None, not_after = None))]
    fn new(key: &PublicKey, not_before: Option<Time>, not_after: Option<Time>) -> Self {
        let (not_before, not_after) = (not_before.map(|time| time.0), not_after.map(|time| time.0));
        Self(core::ManifestKey { key: key.0.clone(), not_before, not_after })
    }

    /// The key.
    #[getter]
    fn key(&self) -> PublicKey {
        PublicKey(self.0.key.clone())
    }

    /// From when on the key exists.
    #[getter]
    fn not_before<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.not_before.map(|at| time::to_datetime(py, at)).transpose()
    }

    /// Until when the key exists.
    #[getter]
    fn not_after<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.not_after.map(|at| time::to_datetime(py, at)).transpose()
    }

    /// Whether the key exists at this time.
    #[pyo3(signature = (now = None))]
    fn exists_at(&self, now: Option<Time>) -> bool {
        self.0.exists_at(time::or_now(now))
    }

    fn __repr__(&self) -> String {
        format!("ManifestKey({})", self.0.key.thumbprint())
    }
}

/// Status, headers, body.
type Answer<'py> = (u16, Vec<(&'static str, String)>, Bound<'py, PyBytes>);

/// A manifest whose every rule holds.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Manifest(pub(crate) core::Manifest);

#[pymethods]
impl Manifest {
    /// Reads the manifest that was fetched for `agent_id`. `ManifestError` when it breaks a rule.
    #[classmethod]
    #[pyo3(signature = (body, agent_id, *, allow_loopback = false))]
    fn parse(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        body: Document,
        agent_id: &str,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let agent_id = agent_id::parse(py, agent_id, allow_loopback)?;
        boundary::call(py, || core::Manifest::parse(&body.0, &agent_id, core::MAX_MANIFEST_BYTES).map(Self))
    }

    /// Whose manifest it is.
    #[getter]
    fn agent_id(&self) -> &str {
        self.0.agent_id().as_str()
    }

    /// Whom to write to.
    #[getter]
    fn contact(&self) -> Option<&str> {
        self.0.contact()
    }

    /// Every key, the current one first.
    #[getter]
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let keys = self.0.keys().iter().map(|key| Bound::new(py, ManifestKey(key.clone())));
        PyTuple::new(py, keys.collect::<PyResult<Vec<_>>>()?)
    }

    /// The keys that exist at this time.
    #[pyo3(signature = (now = None))]
    fn keys_at<'py>(&self, py: Python<'py>, now: Option<Time>) -> PyResult<Bound<'py, PyTuple>> {
        let keys = self.0.keys_at(time::or_now(now)).map(|key| Bound::new(py, PublicKey(key.clone())));
        PyTuple::new(py, keys.collect::<PyResult<Vec<_>>>()?)
    }

    /// The document to publish at `/.well-known/imagxp-agent.json`.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_json())
    }

    /// What a server answers: status, headers, body. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
    ///
    /// `if_none_match` is that header's value, all its lines joined by commas.
    #[pyo3(signature = (method, path, if_none_match = None))]
    fn response<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        path: &str,
        if_none_match: Option<&str>,
    ) -> PyResult<Answer<'py>> {
        let response = boundary::compute(py, || self.0.response(method, path, if_none_match))?;
        Ok((response.status, response.headers, PyBytes::new(py, &response.body)))
    }

    /// The document as a `dict`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let text = self.0.to_json();
        let object = boundary::call(py, || Ok(parse_object(&text, &Limits::MANIFEST)?.into_owned()))?;
        json::object(py, &object)
    }

    fn __repr__(&self) -> String {
        format!("Manifest({}, {} keys)", self.agent_id(), self.0.keys().len())
    }
}
