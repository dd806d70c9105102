//! What a publisher allows, to whom, for what and at which price.

use crate::boundary;
use crate::json::Document;
use imagxp::encoding::hex_encode;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use std::sync::Arc;

/// A policy document whose every rule holds.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Policy(pub(crate) Arc<imagxp::Policy>);

#[pymethods]
impl Policy {
    /// Reads a policy: strict JSON as `str` or `bytes`. `PolicyError` names the member that is wrong, and its line.
    #[classmethod]
    #[pyo3(signature = (document, /))]
    fn from_json(_cls: &Bound<'_, PyType>, py: Python<'_>, document: crate::json::Text) -> PyResult<Self> {
        boundary::call(py, || imagxp::Policy::from_json(&document.0).map(|policy| Self(Arc::new(policy))))
    }

    /// Reads a policy from a mapping.
    #[classmethod]
    #[pyo3(signature = (document, /))]
    fn from_dict(_cls: &Bound<'_, PyType>, py: Python<'_>, document: Document) -> PyResult<Self> {
        boundary::call(py, || imagxp::Policy::from_json(&document.0).map(|policy| Self(Arc::new(policy))))
    }

    /// Reads a policy from TOML text with the same structure.
    #[classmethod]
    #[pyo3(signature = (document, /))]
    fn from_toml(cls: &Bound<'_, PyType>, py: Python<'_>, document: &str) -> PyResult<Self> {
        let parsed = py.import("tomllib")?.getattr("loads")?.call1((document,)).map_err(|cause| {
            let error =
                crate::errors::with_code(py, "usage.policy", &format!("not valid TOML: {}", cause.value(py)));
            error.set_cause(py, Some(cause));
            error
        })?;
        Self::from_dict(cls, py, parsed.extract()?)
    }

    /// Reads a policy file: TOML when its name ends in `.toml`, JSON otherwise.
    #[classmethod]
    #[pyo3(signature = (path, /))]
    fn from_file(cls: &Bound<'_, PyType>, py: Python<'_>, path: std::path::PathBuf) -> PyResult<Self> {
        let text: String = py
            .import("pathlib")?
            .getattr("Path")?
            .call1((&path,))?
            .call_method1("read_text", ("utf-8",))?
            .extract()?;
        if path.extension().is_some_and(|extension| extension == "toml") {
            Self::from_toml(cls, py, &text)
        } else {
            Self::from_json(cls, py, crate::json::Text(text.into_bytes()))
        }
    }

    /// The JSON Schema (2020-12) of policy documents.
    #[staticmethod]
    fn schema() -> String {
        imagxp::Policy::schema()
    }

    /// The public part, to be served at `/.well-known/imagxp-policy.json`.
    fn public_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public_json())
    }

    /// Sentences about what is allowed but hardly meant.
    fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    /// The publisher's origins.
    #[getter]
    fn origins<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.origins().iter().map(ToString::to_string))
    }

    /// `enforce` or `observe`.
    #[getter]
    fn mode(&self) -> &'static str {
        match self.0.document().mode {
            imagxp::policy::Mode::Enforce => "enforce",
            imagxp::policy::Mode::Observe => "observe",
        }
    }

    /// Whether loopback origins and agents are admitted: for development only.
    #[getter]
    fn allow_loopback(&self) -> bool {
        self.0.document().allow_loopback
    }

    /// What the policy says of the content: `HUMAN`, `SYNTHETIC`, `HYBRID`, or nothing.
    #[getter]
    fn content_origin(&self) -> Option<&'static str> {
        self.0.document().provenance.map(|provenance| provenance.origin.as_str())
    }

    /// SHA-256 of the document's RFC 8785 form, in hex.
    #[getter]
    fn hash(&self) -> String {
        hex_encode(self.0.hash())
    }

    fn __repr__(&self) -> String {
        let origins: Vec<String> = self.0.origins().iter().map(ToString::to_string).collect();
        format!("Policy({}, {})", origins.join(" "), self.mode())
    }
}
