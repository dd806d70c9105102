//! A request as it came to a site: the arguments of one call, or one of a batch.

use crate::errors::{self, Thrown};
use crate::headers::Lines;
use imagxp::Request;
use imagxp::headers::HeaderLine;
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// What is verified or explained.
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Lines,
    pub(crate) body_digest: Option<String>,
}

impl Received {
    /// Reads `[method, url, headers, bodyDigest?]`.
    pub(crate) fn read(value: &JsValue) -> Result<Self, Thrown> {
        let wrong = || errors::argument("a request is not [method, url, headers, bodyDigest?]");
        let parts =
            value.dyn_ref::<Array>().filter(|parts| matches!(parts.length(), 3 | 4)).ok_or_else(wrong)?;
        let text = |index| parts.get(index).as_string().ok_or_else(wrong);
        let digest = parts.get(3);
        let absent = digest.is_undefined() || digest.is_null();
        Ok(Self {
            method: text(0)?,
            url: text(1)?,
            headers: Lines::read(&parts.get(2))?,
            body_digest: if absent { None } else { Some(text(3)?) },
        })
    }

    /// The header lines, for [`Self::view`].
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        self.headers.lines()
    }

    /// The request as the core takes it.
    pub(crate) fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> Request<'a> {
        let body_digest = self.body_digest.as_deref();
        Request { method: &self.method, url: &self.url, headers, body_digest }
    }
}
