//! JSON between JavaScript and the core. What strangers send is parsed by the core's strict parser only.

use crate::errors::{self, Thrown, raise};
use imagxp::json::{Limits, Object, Value, canonicalize as core_canonicalize, to_canonical};
use js_sys::{JSON, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Text or bytes, as bytes.
pub(crate) fn bytes(value: &JsValue) -> Result<Vec<u8>, Thrown> {
    if let Some(text) = value.as_string() {
        return Ok(text.into_bytes());
    }
    value
        .dyn_ref::<Uint8Array>()
        .map(Uint8Array::to_vec)
        .ok_or_else(|| errors::argument("expected a string or a Uint8Array"))
}

/// A JSON document: text, bytes, or an object that `JSON.stringify` can write.
pub(crate) fn document(value: &JsValue) -> Result<Vec<u8>, Thrown> {
    if value.is_string() || value.is_instance_of::<Uint8Array>() {
        return bytes(value);
    }
    let text =
        if value.is_object() { JSON::stringify(value).ok().and_then(|text| text.as_string()) } else { None };
    text.map(String::into_bytes)
        .ok_or_else(|| errors::argument("expected JSON as a string, a Uint8Array, or an object"))
}

/// A JSON object as one of JavaScript.
pub(crate) fn object(object: &Object<'_>) -> Result<JsValue, Thrown> {
    parse(imagxp::json::object_to_canonical(object))
}

/// A JSON value as one of JavaScript.
pub(crate) fn value(value: &Value<'_>) -> Result<JsValue, Thrown> {
    parse(to_canonical(value))
}

fn parse(canonical: Vec<u8>) -> Result<JsValue, Thrown> {
    JSON::parse(&text(canonical))
}

/// What the core wrote, which is always UTF-8.
pub(crate) fn text(written: Vec<u8>) -> String {
    String::from_utf8(written).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels).
#[wasm_bindgen]
pub fn canonicalize(
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] json: JsValue,
) -> Result<String, Thrown> {
    let canonical =
        core_canonicalize(&bytes(&json)?, &Limits::INTERCHANGE).map_err(|error| raise(error.into()))?;
    Ok(text(canonical))
}
