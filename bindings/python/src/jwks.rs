//! Key sets of brokers.

use crate::boundary;
use crate::json::Document;
use imagxp::jwks;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::sync::Arc;

/// A set of public keys (RFC 7517 §5).
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct JwkSet(pub(crate) Arc<jwks::JwkSet>);

#[pymethods]
impl JwkSet {
    /// Reads `{"keys": [...]}`; `KeyFormatError` for private key material, a `kid` twice, a malformed key.
    #[classmethod]
    #[pyo3(signature = (document, /))]
    fn parse(_cls: &Bound<'_, PyType>, py: Python<'_>, document: Document) -> PyResult<Self> {
        boundary::call(py, || jwks::JwkSet::parse(&document.0).map(|set| Self(Arc::new(set))))
    }

    /// The `kid` of each usable key; `None` for a key without one.
    #[getter]
    fn kids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.keys().iter().map(jwks::Jwk::kid))
    }

    /// How many keys were passed over because they are of another type, curve, algorithm or use.
    #[getter]
    fn skipped(&self) -> usize {
        self.0.skipped()
    }

    fn __len__(&self) -> usize {
        self.0.keys().len()
    }

    fn __repr__(&self) -> String {
        format!("JwkSet({} keys)", self.0.keys().len())
    }
}
