//! What a replay store is asked to insert.

use crate::errors::{self, Thrown};
use crate::{json, time};
use imagxp::encoding::hex_encode;
use imagxp::json::{Number, Object};
use imagxp::replay::{Insert, ReplayEntry};
use wasm_bindgen::prelude::*;

/// `{key, agent, expiresAt}`: keyed hashes in hex, and milliseconds since 1970.
pub(crate) fn to_js(entry: &ReplayEntry) -> Result<JsValue, Thrown> {
    let mut object = Object::new();
    object.insert("key", hex_encode(&entry.key));
    object.insert("agent", hex_encode(&entry.agent));
    if let Some(millis) = Number::from_f64(time::millis(entry.expires_at)) {
        object.insert("expiresAt", imagxp::json::Value::Number(millis));
    }
    json::object(&object)
}

/// `fresh`, `seen`, `full` or `error`.
pub(crate) fn answer(name: &str) -> Result<Insert, Thrown> {
    Insert::from_name(name)
        .ok_or_else(|| errors::argument("a replay store answers one of fresh, seen, full, error"))
}
