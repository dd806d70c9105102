//! The table of refusal codes.

use crate::errors::Thrown;
use crate::json;
use imagxp::Code;
use imagxp::json::{Object, Value};
use wasm_bindgen::prelude::*;

/// Every refusal code (PROTOCOL §13), in the order of the protocol.
#[wasm_bindgen(unchecked_return_type = "Code[]")]
pub fn codes() -> Result<JsValue, Thrown> {
    let rows = Code::ALL.iter().map(|code| {
        let mut row = Object::new();
        row.insert("name", code.as_str());
        row.insert("number", code.number());
        row.insert("http", u32::from(code.http()));
        row.insert("retry", code.retry().to_string());
        row.insert("message", code.message());
        row.insert("hint", code.hint());
        Value::Object(row)
    });
    json::value(&Value::Array(rows.collect()))
}
