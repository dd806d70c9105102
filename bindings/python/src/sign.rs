//! What an agent signs.

use crate::identity::random_uuid;
use crate::json::from_mapping;
use crate::purpose;
use crate::time::Time;
use imagxp::agent::SignRequest;
use imagxp::{Purpose, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use std::borrow::Cow;

/// The keyword arguments of `Identity.sign`, or the `dict` of a request in a batch.
#[derive(Default)]
pub(crate) struct SignOptions {
    pub(crate) now: Option<Time>,
    pub(crate) nonce: Option<PyBackedStr>,
    pub(crate) ads_displayed: Option<bool>,
    pub(crate) context: Option<String>,
    pub(crate) content_digest: Option<PyBackedStr>,
    pub(crate) payment: Option<PyBackedStr>,
    pub(crate) proof: Option<PyBackedStr>,
    pub(crate) compatible: bool,
}

impl SignOptions {
    /// The request as the core takes it.
    pub(crate) fn request<'a>(&'a self, method: &'a str, url: &'a str, purpose: Purpose) -> SignRequest<'a> {
        SignRequest {
            ads_displayed: self.ads_displayed,
            context: self.context.as_deref(),
            content_digest: self.content_digest.as_deref(),
            payment: self.payment.as_deref(),
            proof: self.proof.as_deref(),
            compatible: self.compatible,
            ..SignRequest::new(method, url, purpose)
        }
    }

    /// The nonce that was given, or a random one.
    pub(crate) fn nonce(&self) -> Result<Cow<'_, str>> {
        match &self.nonce {
            Some(nonce) => Ok(Cow::Borrowed(nonce)),
            None => random_uuid().map(Cow::Owned),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for SignOptions {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut options = Self::default();
        for (name, value) in object.cast::<PyDict>()?.iter() {
            match &*name.extract::<PyBackedStr>()? {
                "now" => options.now = value.extract()?,
                "nonce" => options.nonce = value.extract()?,
                "ads_displayed" => options.ads_displayed = value.extract()?,
                "context" => {
                    options.context = context(value.extract::<Option<Bound<'_, PyMapping>>>()?.as_ref())?
                }
                "content_digest" => options.content_digest = value.extract()?,
                "payment" => options.payment = value.extract()?,
                "proof" => options.proof = value.extract()?,
                "compatible" => options.compatible = value.extract()?,
                other => return Err(PyTypeError::new_err(format!("there is no option `{other}`"))),
            }
        }
        Ok(options)
    }
}

/// The text of a claim's context. Dumped as ASCII, so this is always text.
pub(crate) fn context(context: Option<&Bound<'_, PyMapping>>) -> PyResult<Option<String>> {
    Ok(context.map(from_mapping).transpose()?.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// A request of a batch.
pub(crate) struct Wanted {
    method: PyBackedStr,
    url: PyBackedStr,
    purpose: Purpose,
    pub(crate) options: SignOptions,
}

impl Wanted {
    /// The request as the core takes it.
    pub(crate) fn request(&self) -> SignRequest<'_> {
        self.options.request(&self.method, &self.url, self.purpose)
    }
}

impl<'py> FromPyObject<'_, 'py> for Wanted {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (method, url, purpose, options): (_, _, PyBackedStr, _) = match object.cast::<PyTuple>()?.len() {
            3 => {
                let (method, url, purpose) = object.extract()?;
                (method, url, purpose, SignOptions::default())
            }
            4 => object.extract()?,
            _ => return Err(PyTypeError::new_err("a request is (method, url, purpose[, options])")),
        };
        Ok(Self { method, url, purpose: purpose::parse(object.py(), &purpose)?, options })
    }
}
