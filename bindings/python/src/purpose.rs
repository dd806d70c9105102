//! Why an agent reads.

use crate::errors;
use imagxp::Purpose;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Reads the wire name of a purpose.
pub(crate) fn parse(py: Python<'_>, name: &str) -> PyResult<Purpose> {
    Purpose::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
        errors::argument(py, &format!("`{name}` is not a purpose; use one of {}", names.join(", ")))
    })
}

/// Every wire name.
pub(crate) fn names(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    PyTuple::new(py, Purpose::ALL.iter().map(|purpose| purpose.as_str()))
}
