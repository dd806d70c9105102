//! Header lines: one joined string, as `headers.cjs` makes it of whatever a framework has.

use crate::js::{self, argument};
use imagxp::agent::SignedHeaders;
use imagxp::headers::HeaderLine;
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use napi_derive::napi;

/// Every header line of a request, in order: names and values, joined by a separator.
///
/// The count is passed along: when a value holds the separator there are more parts than that, and `Joined::lines` says so instead of
/// seeing lines that nobody sent. `headers.cjs` then joins again with a character that occurs nowhere.
pub struct Joined(Vec<u8>);
argument!(Joined);

impl FromNapiValue for Joined {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        let text =
            unsafe { String::from_napi_value(env, value) }.map_err(|_| js::expected("joined headers"))?;
        Ok(Self(if text.is_ascii() { text.into_bytes() } else { bytes(&text) }))
    }
}

/// Node gives header values as latin1: each character below 256 is the byte that was received. A character beyond cannot have come over
/// the wire; its UTF-8 form stays different from ASCII, which is all that our headers have.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

impl Joined {
    /// The lines, when there are `count` names and values.
    pub(crate) fn lines(&self, count: u32, separator: u32) -> Option<Vec<HeaderLine<'_>>> {
        if count == 0 {
            return self.0.is_empty().then(Vec::new);
        }
        let count = usize::try_from(count).ok()?;
        let mut lines = Vec::with_capacity(count.min(256) / 2);
        let mut parts = self.0.split(|byte| u32::from(*byte) == separator);
        for _ in 0..count / 2 {
            lines.push((parts.next()?, parts.next()?));
        }
        (count % 2 == 0 && parts.next().is_none()).then_some(lines)
    }
}

/// Headers to send, as an array of pairs.
pub(crate) fn pairs(headers: &SignedHeaders) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
}

/// The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing.
#[napi]
pub fn user_agent(own: js::JsString) -> String {
    imagxp::headers::user_agent(&own)
}
