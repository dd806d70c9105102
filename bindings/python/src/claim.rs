//! The claim, as a publisher's own rule sees it.

use crate::{json, time};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::borrow::Cow;

/// A verified claim, given to the rule of the publisher's own.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Claim(imagxp::Claim);

impl Claim {
    pub(crate) fn new(claim: imagxp::Claim) -> Self {
        Self(claim)
    }
}

#[pymethods]
impl Claim {
    /// Who asks.
    #[getter]
    fn agent_id(&self) -> &str {
        self.0.agent_id.as_str()
    }

    /// Why.
    #[getter]
    fn purpose(&self) -> &'static str {
        self.0.purpose.as_str()
    }

    /// When the claim was made.
    #[getter]
    fn ts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        time::to_datetime(py, self.0.ts)
    }

    /// The nonce.
    #[getter]
    fn nonce(&self) -> &str {
        self.0.nonce()
    }

    /// What is asked for, normalised.
    #[getter]
    fn resource(&self) -> Option<String> {
        self.0.resource_text().map(Cow::into_owned)
    }

    /// The method that was signed.
    #[getter]
    fn method(&self) -> Option<&str> {
        self.0.method()
    }

    /// The digest of the body that was signed.
    #[getter]
    fn content_digest(&self) -> Option<&str> {
        self.0.content_digest()
    }

    /// Whether the agent says that it displays ads.
    #[getter]
    fn ads_displayed(&self) -> Option<bool> {
        self.0.ads_displayed
    }

    /// Every other member, signed and uninterpreted.
    #[getter]
    fn extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        json::object(py, &self.0.extra())
    }

    fn __repr__(&self) -> String {
        format!("Claim({} for {})", self.agent_id(), self.purpose())
    }
}
