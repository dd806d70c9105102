//! The result of a verification: the fixed structure of PROTOCOL §6.

use crate::json;
use imagxp::Code;
use imagxp::json::object_to_canonical;
use imagxp::publisher as core;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

/// How the request is paid for.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(PartialEq)]
pub(crate) struct Payment(core::PaymentFacts);

#[pymethods]
impl Payment {
    /// `not_required`, `visa`, `ads` or `unpaid`.
    #[getter]
    fn state(&self) -> &'static str {
        self.0.state.as_str()
    }

    /// The token's `jti`.
    #[getter]
    fn jti(&self) -> Option<&str> {
        self.0.jti.as_deref()
    }

    /// The token's `iss`.
    #[getter]
    fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// What the token pays: a decimal string.
    #[getter]
    fn amount(&self) -> Option<String> {
        self.0.amount.map(|amount| amount.to_string())
    }

    /// In which currency.
    #[getter]
    fn currency(&self) -> Option<&str> {
        self.0.currency.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("Payment({})", self.state())
    }
}

/// Something that the caller may fetch and hand back.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(PartialEq)]
pub(crate) struct Need(core::Need);

#[pymethods]
impl Need {
    /// `manifest`, `jwks` or `redeem`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind.as_str()
    }

    /// Where it is.
    #[getter]
    fn url(&self) -> &str {
        &self.0.url
    }

    fn __repr__(&self) -> String {
        format!("Need({} {})", self.kind(), self.url())
    }
}

/// The result of a verification. It is neither true nor false: ask `is_allowed`.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Verdict(core::Verdict);

impl Verdict {
    pub(crate) const fn core(&self) -> &core::Verdict {
        &self.0
    }

    pub(crate) fn new(verdict: core::Verdict) -> Self {
        Self(verdict)
    }
}

#[pymethods]
impl Verdict {
    /// Whether the request may pass.
    #[getter]
    fn is_allowed(&self) -> bool {
        self.0.is_allowed()
    }

    /// `allow`, `deny` or `undecided`.
    #[getter]
    fn outcome(&self) -> &'static str {
        self.0.outcome.as_str()
    }

    /// Why not; in observe mode why it would not have; `None` when nothing is wrong.
    #[getter]
    fn code(&self) -> Option<&'static str> {
        self.0.code.map(Code::as_str)
    }

    /// The status to answer with.
    #[getter]
    fn http(&self) -> u16 {
        self.0.http
    }

    /// One sentence, safe to send to a stranger.
    #[getter]
    fn message(&self) -> &'static str {
        self.0.message
    }

    /// What to do, safe to send to a stranger.
    #[getter]
    fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// More, for the log only.
    #[getter]
    fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`.
    #[getter]
    fn retry(&self) -> String {
        self.0.retry.to_string()
    }

    /// `verified_agent`, `unsigned_browser`, `unsigned_client` or `invalid_agent`.
    #[getter]
    fn visitor(&self) -> &'static str {
        self.0.visitor.as_str()
    }

    /// In observe mode: whether enforcing would have refused.
    #[getter]
    fn would_deny(&self) -> bool {
        self.0.would_deny
    }

    /// Who, when verified.
    #[getter]
    fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// With which key (its thumbprint), when verified.
    #[getter]
    fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_ref().map(imagxp::crypto::Thumbprint::as_str)
    }

    /// Why, when verified.
    #[getter]
    fn purpose(&self) -> Option<&'static str> {
        self.0.purpose.map(imagxp::Purpose::as_str)
    }

    /// What, when verified: the signed resource after normalisation.
    #[getter]
    fn resource(&self) -> Option<&str> {
        self.0.resource.as_deref()
    }

    /// What vouches for the key: `domain`, `key_only` or `none`.
    #[getter]
    fn binding(&self) -> &'static str {
        self.0.binding.as_str()
    }

    /// How the request is paid for.
    #[getter]
    fn payment(&self) -> Payment {
        Payment(self.0.payment.clone())
    }

    /// Codes of things worth knowing that did not decide.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.warnings.iter().map(|warning| warning.as_str()))
    }

    /// What the caller may fetch and hand back.
    #[getter]
    fn needs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let needs = self.0.needs.iter().map(|need| Bound::new(py, Need(need.clone())));
        PyTuple::new(py, needs.collect::<PyResult<Vec<_>>>()?)
    }

    /// Headers to add to the response, whatever it will be.
    #[getter]
    fn response_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.response_headers.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// For 402: price, currency, purposes and brokers.
    #[getter]
    fn offer<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0.offer.as_ref().map(|offer| json::object(py, offer)).transpose()
    }

    /// 32 hex digits that name this verification in logs.
    #[getter]
    fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// The JSON body to answer a refusal with.
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body())
    }

    /// Every field with the names of PROTOCOL §6, `detail` included.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        json::object(py, &self.0.to_json())
    }

    /// [`Self::to_dict`] as JSON in RFC 8785 form.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &object_to_canonical(&self.0.to_json()))
    }

    /// Refused: `if verdict:` would let everything pass that is an object.
    pub(crate) fn __bool__(&self, _py: Python<'_>) -> PyResult<bool> {
        Err(PyTypeError::new_err("a verdict is neither true nor false; ask is_allowed"))
    }

    pub(crate) fn __repr__(&self, _py: Python<'_>) -> String {
        match self.0.code {
            Some(code) => format!("Verdict({} {code})", self.outcome()),
            None => format!("Verdict({})", self.outcome()),
        }
    }
}
