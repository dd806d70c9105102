//! Feedback: what an agent thinks of what it got.

use crate::digest::Sha256;
use crate::identity::{Identity, random_uuid};
use crate::time::{self, Time};
use crate::verdict::Verdict;
use crate::{boundary, errors};
use imagxp::feedback as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyTuple};

/// What an agent thinks of what it got.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Feedback(core::Feedback);

impl Feedback {
    pub(crate) const fn from_core(feedback: core::Feedback) -> Self {
        Self(feedback)
    }

    pub(crate) const fn as_core(&self) -> &core::Feedback {
        &self.0
    }
}

#[pymethods]
impl Feedback {
    /// Feedback to sign.
    ///
    /// `quality_score`: 0 to 1 with at most six digits after the point, as `Decimal`, `str`, `float` or `int`. `reason`: one of
    /// `imagxp.FEEDBACK_REASONS`. `jti`: the visa that paid. `content_sha256`: 32 bytes, or hex, of what was read.
    #[new]
    #[pyo3(signature = (url, quality_score, reason, *, jti = None, content_sha256 = None))]
    fn new(
        py: Python<'_>,
        url: String,
        quality_score: &Bound<'_, PyAny>,
        reason: &str,
        jti: Option<String>,
        content_sha256: Option<Sha256>,
    ) -> PyResult<Self> {
        let text = match quality_score.cast::<PyFloat>() {
            // Rust writes the shortest decimal that reads back as this number, without an exponent.
            Ok(number) => number.value().to_string(),
            Err(_) => quality_score.str()?.to_str()?.to_owned(),
        };
        let score = core::Score::parse(&text)
            .ok_or_else(|| errors::argument(py, "the score is not 0 to 1 with at most six digits"))?;
        let reason = core::Reason::from_name(reason)
            .ok_or_else(|| errors::argument(py, &format!("`{reason}` is not a reason")))?;
        let mut feedback = core::Feedback::new(url, score, reason);
        feedback.jti = jti;
        feedback.content_sha256 = content_sha256.map(|hash| hash.0);
        Ok(Self(feedback))
    }

    /// The absolute URL that was read.
    #[getter]
    fn url(&self) -> &str {
        &self.0.url
    }

    /// How good it was, as a `Decimal`.
    #[getter]
    fn quality_score<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("decimal")?.getattr("Decimal")?.call1((self.0.quality_score.to_string(),))
    }

    /// How good it was, in millionths.
    #[getter]
    fn score_millionths(&self) -> u32 {
        self.0.quality_score.millionths()
    }

    /// Why.
    #[getter]
    fn reason(&self) -> &'static str {
        self.0.reason.as_str()
    }

    /// Who says so; `None` before it is signed, and in the seed's form.
    #[getter]
    fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// The visa that paid.
    #[getter]
    fn jti(&self) -> Option<&str> {
        self.0.jti.as_deref()
    }

    /// The SHA-256 of what was read, 32 bytes.
    #[getter]
    fn content_sha256<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.content_sha256.as_ref().map(|hash| PyBytes::new(py, hash))
    }

    /// When it was signed; `None` before.
    #[getter]
    fn ts<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.signed_at.as_ref().map(|(ts, _)| time::to_datetime(py, *ts)).transpose()
    }

    /// Signs it in the identity's name; returns the JSON object, which is also the body of a POST to a broker.
    ///
    /// `now` is the clock's time and `nonce` a random UUID unless given.
    #[pyo3(signature = (identity, /, *, now = None, nonce = None))]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        identity: &Identity,
        now: Option<Time>,
        nonce: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = time::or_now(now);
        let signed = boundary::call(py, || match nonce {
            Some(nonce) => self.0.sign(&identity.inner, now, nonce),
            None => self.0.sign(&identity.inner, now, &random_uuid()?),
        })?;
        Ok(PyBytes::new(py, &signed))
    }

    fn __repr__(&self) -> String {
        format!("Feedback({} {} {})", self.0.url, self.0.quality_score, self.0.reason.as_str())
    }
}

/// The wire name of every reason.
pub(crate) fn reasons(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, core::Reason::ALL.iter().map(|reason| reason.as_str()))
}

/// The value of the request header `x-imagxp-feedback`: base64 of what `Feedback.sign` returned.
#[pyfunction]
#[pyo3(signature = (signed, /))]
pub(crate) fn feedback_header(signed: &[u8]) -> String {
    core::header_value(signed)
}

/// The result of `Publisher.feedback`: a verdict on the feedback, and the feedback itself when it holds.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct FeedbackVerification {
    /// Whether the feedback is this agent's, new, and about this site.
    #[pyo3(get)]
    verdict: Py<Verdict>,
    /// What it says; only when the verdict allows.
    #[pyo3(get)]
    feedback: Option<Feedback>,
}

impl FeedbackVerification {
    pub(crate) fn new(
        py: Python<'_>,
        verification: imagxp::publisher::FeedbackVerification,
    ) -> PyResult<Self> {
        let verdict = Py::new(py, Verdict::new(verification.verdict))?;
        Ok(Self { verdict, feedback: verification.feedback.map(Feedback::from_core) })
    }
}

#[pymethods]
impl FeedbackVerification {
    fn __repr__(&self, py: Python<'_>) -> String {
        format!("FeedbackVerification({})", self.verdict.get().__repr__(py))
    }

    /// Refused: see `Verdict.__bool__`.
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.verdict.get().__bool__(py)
    }
}
