//! What an agent signs.

use crate::identity::random_uuid;
use crate::json::from_mapping;
use crate::purpose;
use crate::time::Time;
use imagxp::Result;
use imagxp::agent::SignRequestOf;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use std::borrow::Cow;

/// One request to sign: the arguments of a call, or `(method, url, purpose[, options])` of a batch.
pub(crate) struct Wanted {
    pub(crate) request: SignRequestOf<String>,
    pub(crate) now: Option<Time>,
    pub(crate) nonce: Option<String>,
}

impl Wanted {
    /// The nonce that was given, or a random one.
    pub(crate) fn nonce(&self) -> Result<Cow<'_, str>> {
        match &self.nonce {
            Some(nonce) => Ok(Cow::Borrowed(nonce)),
            None => random_uuid().map(Cow::Owned),
        }
    }

    /// Reads one of the keyword arguments of `Identity.sign`.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let request = &mut self.request;
        match name {
            "now" => self.now = value.extract()?,
            "nonce" => self.nonce = value.extract()?,
            "ads_displayed" => request.ads_displayed = value.extract()?,
            "context" => {
                request.context = context(value.extract::<Option<Bound<'_, PyMapping>>>()?.as_ref())?
            }
            "content_digest" => request.content_digest = value.extract()?,
            "payment" => request.payment = value.extract()?,
            "proof" => request.proof = value.extract()?,
            "compatible" => request.compatible = value.extract()?,
            other => return Err(PyTypeError::new_err(format!("there is no option `{other}`"))),
        }
        Ok(())
    }
}

/// The text of a claim's context. Dumped as ASCII, so this is always text.
pub(crate) fn context(context: Option<&Bound<'_, PyMapping>>) -> PyResult<Option<String>> {
    Ok(context.map(from_mapping).transpose()?.and_then(|bytes| String::from_utf8(bytes).ok()))
}

impl<'py> FromPyObject<'_, 'py> for Wanted {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (method, url, purpose, options): (_, _, PyBackedStr, _) = match object.cast::<PyTuple>()?.len() {
            3 => {
                let (method, url, purpose) = object.extract()?;
                (method, url, purpose, None)
            }
            4 => {
                let (method, url, purpose, options): (_, _, _, Bound<'py, PyDict>) = object.extract()?;
                (method, url, purpose, Some(options))
            }
            _ => return Err(PyTypeError::new_err("a request is (method, url, purpose[, options])")),
        };
        let request = SignRequestOf::new(method, url, purpose::parse(object.py(), &purpose)?);
        let mut wanted = Self { request, now: None, nonce: None };
        for (name, value) in options.iter().flatten() {
            wanted.set(&name.extract::<PyBackedStr>()?, &value)?;
        }
        Ok(wanted)
    }
}
