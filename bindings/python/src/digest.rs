//! Body digests.

use crate::boundary;
use pyo3::prelude::*;

/// The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
#[pyfunction]
#[pyo3(signature = (body, /))]
pub(crate) fn content_digest(py: Python<'_>, body: &[u8]) -> PyResult<String> {
    boundary::compute(py, || imagxp::digest::content_digest(body))
}
