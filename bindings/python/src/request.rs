//! A request as it came to a site.

use crate::headers::Headers;
use imagxp::Request;
use imagxp::headers::HeaderLine;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyTuple;

/// What is verified or explained: the arguments of one call, or a tuple of a batch.
pub(crate) struct Received<'py> {
    pub(crate) method: PyBackedStr,
    pub(crate) url: PyBackedStr,
    pub(crate) headers: Headers<'py>,
    pub(crate) body_digest: Option<PyBackedStr>,
}

impl Received<'_> {
    /// The header lines, for [`Self::view`].
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        self.headers.lines()
    }

    /// The request as the core takes it.
    pub(crate) fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> Request<'a> {
        Request { method: &self.method, url: &self.url, headers, body_digest: self.body_digest.as_deref() }
    }
}

impl<'py> FromPyObject<'_, 'py> for Received<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (method, url, headers, body_digest) = match object.cast::<PyTuple>()?.len() {
            3 => {
                let (method, url, headers) = object.extract()?;
                (method, url, headers, None)
            }
            4 => object.extract()?,
            _ => return Err(PyTypeError::new_err("a request is (method, url, headers[, body_digest])")),
        };
        Ok(Self { method, url, headers, body_digest })
    }
}
