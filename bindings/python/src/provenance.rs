//! Provenance receipts: what a publisher served, signed by the publisher.

use crate::digest::Sha256;
use crate::headers::{Headers, header_list};
use crate::identity::Identity;
use crate::manifest::Manifest;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors};
use imagxp::policy::ContentOrigin;
use imagxp::provenance as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyType};

/// What was served: which bytes under which URL, when, to whom, and who made them.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Receipt(core::Receipt);

#[pymethods]
impl Receipt {
    /// A receipt to sign.
    ///
    /// `content_sha256`: 32 bytes, or hex, of the body as it is sent. `origin`: `HUMAN`, `SYNTHETIC` or `HYBRID`. `trace_id`: the verdict's.
    /// `agent_id`: the verified reader, if any.
    #[new]
    #[pyo3(signature = (url, content_sha256, *, origin, trace_id, agent_id = None, now = None))]
    fn new(
        py: Python<'_>,
        url: String,
        content_sha256: Sha256,
        origin: &str,
        trace_id: String,
        agent_id: Option<&str>,
        now: Option<Time>,
    ) -> PyResult<Self> {
        let agent_id = agent_id.map(|name| agent_id::parse(py, name, true)).transpose()?;
        let origin = ContentOrigin::from_name(origin)
            .ok_or_else(|| errors::argument(py, &format!("`{origin}` is not HUMAN, SYNTHETIC or HYBRID")))?;
        let ts = time::or_now(now);
        Ok(Self(core::Receipt { agent_id, content_sha256: content_sha256.0, origin, trace_id, ts, url }))
    }

    /// To whom, when the reader was verified.
    #[getter]
    fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// The SHA-256 of the content, 32 bytes.
    #[getter]
    fn content_sha256<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.content_sha256)
    }

    /// Who made the content: `HUMAN`, `SYNTHETIC` or `HYBRID`.
    #[getter]
    fn origin(&self) -> &'static str {
        self.0.origin.as_str()
    }

    /// The publisher's name for this answer.
    #[getter]
    fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// When.
    #[getter]
    fn ts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        time::to_datetime(py, self.0.ts)
    }

    /// The absolute URL that was requested.
    #[getter]
    fn url(&self) -> &str {
        &self.0.url
    }

    /// Signs the receipt with the key of the publisher's own identity; returns the two response headers.
    #[pyo3(signature = (identity, /))]
    fn sign<'py>(&self, py: Python<'py>, identity: &Identity) -> PyResult<Bound<'py, PyList>> {
        header_list(py, &boundary::call(py, || self.0.sign(identity.inner.signer()))?)
    }

    /// Checks that the receipt speaks of what arrived; `ProvenanceError` (`provenance.mismatch`) says what differs.
    ///
    /// `agent_id`: the reader's. `any_time`: for evidence of long ago, the time is not compared with `now`.
    #[pyo3(signature = (*, url, content_sha256, agent_id = None, now = None, any_time = false))]
    fn check(
        &self,
        py: Python<'_>,
        url: &str,
        content_sha256: Sha256,
        agent_id: Option<&str>,
        now: Option<Time>,
        any_time: bool,
    ) -> PyResult<()> {
        let agent_id = agent_id.map(|name| agent_id::parse(py, name, true)).transpose()?;
        let delivery = core::Delivery { url, content_sha256: &content_sha256.0, agent_id: agent_id.as_ref() };
        let now = time::or_now(now);
        boundary::call(
            py,
            || {
                if any_time { self.0.describes(&delivery) } else { self.0.check(&delivery, now) }
            },
        )
    }

    fn __repr__(&self) -> String {
        format!("Receipt({} {})", self.0.ts, self.0.url)
    }
}

/// A receipt as it was received. Nothing vouches for it before `verify`.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct SignedReceipt(core::SignedReceipt);

#[pymethods]
impl SignedReceipt {
    /// Finds the receipt among an answer's headers; `ProvenanceError` when it is missing or cannot be read.
    #[classmethod]
    #[pyo3(signature = (headers, /))]
    fn from_headers(_cls: &Bound<'_, PyType>, py: Python<'_>, headers: Headers<'_>) -> PyResult<Self> {
        let lines = headers.lines();
        boundary::call(py, || core::SignedReceipt::from_headers(&lines).map(Self))
    }

    /// What the receipt says.
    #[getter]
    fn receipt(&self) -> Receipt {
        Receipt(self.0.receipt().clone())
    }

    /// The thumbprint of the key that is said to have signed.
    #[getter]
    fn key_id(&self) -> &str {
        self.0.kid().as_str()
    }

    /// The publisher in whose manifest the key must be; `None` when the receipt's URL has no host that could publish one.
    #[pyo3(signature = (*, allow_loopback = false))]
    fn publisher(&self, allow_loopback: bool) -> Option<String> {
        self.0.publisher(allow_loopback).map(|publisher| publisher.to_string())
    }

    /// Verifies the signature with the publisher's manifest and returns the receipt; `ImagxpError` with `sig.invalid` or
    /// `identity.key_mismatch` otherwise. Then compare it with what arrived: `Receipt.check`.
    #[pyo3(signature = (manifest, /))]
    fn verify(&self, py: Python<'_>, manifest: &Manifest) -> PyResult<Receipt> {
        boundary::call(py, || self.0.verify(&manifest.0).cloned().map(Receipt))
    }

    fn __repr__(&self) -> String {
        format!("SignedReceipt({})", self.0.receipt().url)
    }
}
