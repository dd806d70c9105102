//! The table of refusal codes.

use imagxp::Code;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Every code as `(name, number, http, retry, message, hint)`, from which `imagxp.codes` makes its table.
pub(crate) fn table(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let row = |code: &Code| {
        (code.as_str(), code.number(), code.http(), code.retry().to_string(), code.message(), code.hint())
    };
    PyTuple::new(py, Code::ALL.iter().map(row))
}
