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
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    pub(crate) fn read(headers: &JsValue) -> Result<Self, Thrown> {
        let text = joined(headers)?;
        Ok(Self(if text.is_ascii() { text.into_bytes() } else { bytes(&text) }))
    }

    /// The lines as the core takes them.
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        let mut fields = self.0.split(|byte| *byte == b'\n');
        let mut lines = Vec::new();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            lines.push((name, value));
        }
        lines
    }
}

/// Headers are Latin-1 in JavaScript: each character below 256 is the byte that was received. A character beyond cannot have come over the wire;
/// its UTF-8 form stays different from ASCII, which is all that our headers have.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
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
