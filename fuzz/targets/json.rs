//! Strict JSON and RFC 8785: what is accepted is JSON to others too, and its canonical form is a fixed point.
#![no_main]

use imagxp::Code;
use imagxp::json::{Limits, canonicalize, parse, to_canonical};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Whether two documents say the same; numbers are doubles (RFC 8785 §3.2.2.3).
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has =
                |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

/// What `same` must tell apart: a comparison that holds for everything finds nothing.
fn tells_apart() {
    for (one, other) in [
        (r#"{"a":1}"#, r#"{"a":2}"#),
        ("[1]", "[1,2]"),
        (r#"{"a":{"b":[0]}}"#, r#"{"a":{"b":[""]}}"#),
        ("{}", r#"{"a":1}"#),
    ] {
        let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(text).expect("JSON"));
        assert!(same(&one, &one) && !same(&one, &other) && !same(&other, &one), "{one} and {other} are one");
    }
}

fuzz_target!(init: tells_apart(), |data: &[u8]| {
    // The narrow limits must hold whatever the bytes are; only their refusals differ.
    let _ = parse(data, &Limits::CLAIM);
    let Ok(value) = parse(data, &Limits::INTERCHANGE) else { return };
    let theirs: Value = serde_json::from_slice(data).expect("what we accept is JSON");
    let canonical = to_canonical(&value);
    // By another implementation: the same document, which has no name twice, since we refuse those.
    let rewritten: Value = serde_json::from_slice(&canonical).expect("canonical JSON is JSON");
    assert!(same(&theirs, &rewritten), "the canonical form says something else");
    let again = match parse(&canonical, &Limits::INTERCHANGE) {
        Ok(again) => again,
        // RFC 8785 writes 2e20 as an integer, which I-JSON does not admit (json/number.rs).
        Err(error) => {
            return assert_eq!(error.code(), Code::JsonNumberRange, "the canonical form is not strict JSON");
        }
    };
    assert_eq!(to_canonical(&again), canonical, "the canonical form is not a fixed point");
    assert_eq!(canonicalize(data, &Limits::INTERCHANGE).expect("accepted above"), canonical);
});
