//! What happened in a verification, step by step.

use crate::errors::Thrown;
use crate::{json, verdict};
use imagxp::explain::Explanation;
use imagxp::json::{Object, Value};
use js_sys::Reflect;
use wasm_bindgen::prelude::*;

/// A verification, explained; it spent nothing.
pub(crate) fn to_js(explanation: &Explanation) -> Result<JsValue, Thrown> {
    let steps = explanation.steps.iter().map(|step| {
        let mut object = Object::new();
        object.insert("number", u32::from(step.number));
        object.insert("name", step.name);
        object.insert("result", step.result.as_str());
        object.insert("expected", step.expected.as_str());
        object.insert("received", step.received.as_str());
        Value::Object(object)
    });
    let mut object = Object::new();
    object.insert("steps", steps.collect::<Vec<_>>());
    object.insert("text", explanation.to_string());
    let answer = json::object(&object)?;
    Reflect::set(&answer, &"verdict".into(), &verdict::to_js(&explanation.verdict)?)?;
    Ok(answer)
}
