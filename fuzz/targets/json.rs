//! Strict JSON and RFC 8785: what is accepted is JSON to others too, and its canonical form is a fixed point.
#![no_main]

use imagxp::Code;
use imagxp::json::{Limits, canonicalize, parse, to_canonical};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The narrow limits must hold whatever the bytes are; only their refusals differ.
    let _ = parse(data, &Limits::CLAIM);
    let Ok(value) = parse(data, &Limits::INTERCHANGE) else { return };
    assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok(), "we accept what is not JSON");
    let canonical = to_canonical(&value);
    let again = match parse(&canonical, &Limits::INTERCHANGE) {
        Ok(again) => again,
        // RFC 8785 writes 2e20 as an integer, which I-JSON does not admit (json/number.rs).
        Err(error) => {
            return assert_eq!(error.code(), Code::JsonNumberRange, "the canonical form is not strict JSON");
        }
    };
    assert_eq!(to_canonical(&again), canonical, "the canonical form is not a fixed point");
    assert_eq!(canonicalize(data, &Limits::INTERCHANGE).expect("accepted above"), canonical);
    // The canonical order is not the document's, so the values are compared through another implementation.
    let theirs: serde_json::Value = serde_json::from_slice(&canonical).expect("canonical JSON is JSON");
    if let (Some(ours), Some(theirs)) = (again.as_object(), theirs.as_object()) {
        assert_eq!(ours.len(), theirs.len(), "a member was lost");
    }
});
