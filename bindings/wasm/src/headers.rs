//! Header lists, without collapsing duplicates.

use crate::errors::Thrown;
use imagxp::agent::SignedHeaders;
use imagxp::headers::HeaderLine;
use js_sys::Array;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "../dist/headers.js")]
extern "C" {
    /// Every line as `name LF value LF`: one string crosses instead of forty. It throws when they are not headers.
    #[wasm_bindgen(catch)]
    fn joined(headers: &JsValue) -> Result<String, JsValue>;
}

/// Every header line of a request, in order.
pub(crate) struct Lines(String);

impl Lines {
    pub(crate) fn read(headers: &JsValue) -> Result<Self, Thrown> {
        joined(headers).map(Self)
    }

    /// The lines as the core takes them.
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        let mut fields = self.0.split('\n');
        let mut lines = Vec::new();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            lines.push((name.as_bytes(), value.as_bytes()));
        }
        lines
    }
}

/// Headers to send, as a list of pairs.
pub(crate) fn pairs<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> JsValue {
    headers.map(|(name, value)| pair(name, value)).collect::<Array>().into()
}

/// As [`pairs`].
pub(crate) fn signed(headers: &SignedHeaders) -> JsValue {
    headers.iter().map(|(name, value)| pair(name, value)).collect::<Array>().into()
}

fn pair(name: &str, value: &str) -> Array {
    Array::of2(&name.into(), &value.into())
}

/// The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing.
#[wasm_bindgen(js_name = userAgent)]
pub fn user_agent(own: &str) -> String {
    imagxp::headers::user_agent(own)
}
