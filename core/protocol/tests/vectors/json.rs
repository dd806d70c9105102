//! Strict I-JSON and RFC 8785.

use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for (id, text) in [
        ("empty", "{}"),
        ("order", r#"{"b":1,"a":2,"\ud83d\ude00":3,"\ufb33":4}"#),
        ("escapes", r#"{"a":"\u0000\u001f\"\\\/\b\f\n\r\t\u007f\u2028é"}"#),
        ("numbers", "[0,-0,1.0,1e21,1E-7,0.1,123456789012345,9007199254740991,5e-324]"),
        ("double-integer", "[1e20,9007199254740993.0]"),
    ] {
        let canonical =
            String::from_utf8(canonicalize(text.as_bytes(), &Limits::INTERCHANGE).unwrap()).unwrap();
        cases.push(json!({ "id": format!("json-{id}"), "op": "canonicalize", "json": text, "expect": { "canonical": canonical } }));
    }
    for (id, text, code) in [
        ("duplicate", r#"{"a":1,"\u0061":2}"#, "json.duplicate_key"),
        ("trailing", "{}x", "json.malformed"),
        ("safe-integer", "[9007199254740992]", "json.number_range"),
        ("overflow", "[1e309]", "json.number_range"),
        ("surrogate", r#"["\ud800"]"#, "json.invalid_unicode"),
    ] {
        cases.push(json!({ "id": format!("json-{id}"), "op": "canonicalize", "json": text, "expect": { "code": code } }));
    }
    cases
}
