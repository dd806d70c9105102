//! What is redeemed: a visa with the request that brought it.

use crate::errors;
use crate::headers::Headers;
use crate::key::PublicKey;
use imagxp_fetch::broker;
use pyo3::prelude::*;

/// A visa with the signed request that brought it: the broker looks at both.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Presented(pub(crate) broker::Presented);

#[pymethods]
impl Presented {
    /// The visa and the signature among the headers of a request that was verified. `public_key` is the agent's, where the request did not
    /// bring it: `Publisher.presented` finds it by the verdict.
    #[new]
    #[pyo3(signature = (headers, *, public_key = None))]
    fn new(py: Python<'_>, headers: Headers<'_>, public_key: Option<&PublicKey>) -> PyResult<Self> {
        let presented =
            broker::Presented::of_request(&headers.lines()).map_err(|error| errors::raise(py, &error))?;
        Ok(Self(match public_key {
            Some(key) => presented.with_key(&key.0),
            None => presented,
        }))
    }

    /// The visa, which is as good as money.
    #[getter]
    fn visa(&self) -> &str {
        self.0.visa()
    }

    fn __repr__(&self) -> &'static str {
        "Presented(..)"
    }
}
