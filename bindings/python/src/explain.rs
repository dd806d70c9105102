//! What happened in a verification, step by step.

use crate::json;
use crate::verdict::Verdict;
use imagxp::explain as core;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// One step of a verification.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(PartialEq)]
pub(crate) struct Step(core::Step);

#[pymethods]
impl Step {
    /// The number of the step in PROTOCOL §5.
    #[getter]
    fn number(&self) -> u8 {
        self.0.number
    }

    /// What is checked.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    /// `passed`, `failed`, `undecided` or `skipped`.
    #[getter]
    fn result(&self) -> &'static str {
        self.0.result.as_str()
    }

    /// What would have passed.
    #[getter]
    fn expected(&self) -> &str {
        &self.0.expected
    }

    /// What there was.
    #[getter]
    fn received(&self) -> &str {
        &self.0.received
    }

    fn __repr__(&self) -> String {
        format!("Step({} {}: {})", self.0.number, self.0.name, self.0.result.as_str())
    }
}

/// A verification, explained; it spent nothing. `str()` prints it for people, with a stranger's bytes escaped.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Explanation(core::Explanation);

impl Explanation {
    pub(crate) fn new(explanation: core::Explanation) -> Self {
        Self(explanation)
    }
}

#[pymethods]
impl Explanation {
    /// The steps that were taken, in order.
    #[getter]
    fn steps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let steps = self.0.steps.iter().map(|step| Bound::new(py, Step(step.clone())));
        PyTuple::new(py, steps.collect::<PyResult<Vec<_>>>()?)
    }

    /// The verdict.
    #[getter]
    fn verdict(&self) -> Verdict {
        Verdict::new(self.0.verdict.clone())
    }

    /// `{"steps": […], "verdict": {…}}`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        json::object(py, &self.0.to_json())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Explanation({} steps, {})", self.0.steps.len(), self.0.verdict.outcome.as_str())
    }
}
