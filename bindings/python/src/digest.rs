//! Body digests.

use crate::boundary;
use crate::errors;
use imagxp::encoding::hex_decode;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A SHA-256 as Python passes it: 32 bytes, or 64 hex digits.
pub(crate) struct Sha256(pub(crate) [u8; 32]);

impl<'py> FromPyObject<'_, 'py> for Sha256 {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let hash = if let Ok(bytes) = object.cast::<PyBytes>() {
            bytes.as_bytes().try_into().ok()
        } else if let Ok(text) = object.cast::<PyString>() {
            hex_decode(text.to_str()?.as_bytes())
        } else {
            return Err(PyTypeError::new_err("a SHA-256 is bytes, or hex as str"));
        };
        hash.map(Self)
            .ok_or_else(|| errors::argument(object.py(), "a SHA-256 has 32 bytes, or 64 hex digits"))
    }
}

/// The RFC 9530 `Content-Digest` value of a body: `sha-256=:<base64>:`.
#[pyfunction]
#[pyo3(signature = (body, /))]
pub(crate) fn content_digest(py: Python<'_>, body: &[u8]) -> PyResult<String> {
    boundary::compute(py, || imagxp::digest::content_digest(body))
}
