//! The golden vectors of verification (tests/vectors/verify.jsonl), in the core itself: every other language runs them in tests/conformance.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp::json::object_to_canonical;
use imagxp::{Policy, Publisher, Request, Timestamp};
use serde_json::Value;
use std::path::Path;

/// One request: what the case has of manifests and key sets counts as fetched now.
fn verdict(publisher: &Publisher, case: &Value, step: &Value) -> Value {
    let now = Timestamp::parse(step["now"].as_str().unwrap()).unwrap();
    for documents in ["manifests", "jwks"] {
        for (url, body) in case[documents].as_object().into_iter().flatten() {
            // One that is refused is part of the case: the verdict tells.
            let _ = publisher.supply(url, body.to_string().as_bytes(), None, now);
        }
    }
    let request = &step["request"];
    let lines: Vec<(&[u8], &[u8])> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line[0].as_str().unwrap().as_bytes(), line[1].as_str().unwrap().as_bytes()))
        .collect();
    let request = Request {
        method: request["method"].as_str().unwrap(),
        url: request["url"].as_str().unwrap(),
        headers: &lines,
        body_digest: request["body_digest"].as_str(),
    };
    // An explanation decides as the verification does, and spends nothing.
    let explained = publisher.explain(&request, now).verdict;
    let verdict = publisher.verify(&request, now).verdict;
    assert_eq!((explained.code, explained.http), (verdict.code, verdict.http));
    serde_json::from_slice(&object_to_canonical(&verdict.to_json())).unwrap()
}

/// Whether a verdict has every member that is expected.
fn has(verdict: &Value, expected: &Value) -> bool {
    match (expected, verdict) {
        (Value::Object(expected), Value::Object(verdict)) => {
            expected.iter().all(|(name, value)| verdict.get(name).is_some_and(|found| has(found, value)))
        }
        _ => expected == verdict,
    }
}

#[test]
fn every_case_is_decided_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/verify.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let publisher =
            Publisher::new(Policy::from_json(case["policy"].to_string().as_bytes()).unwrap(), [0; 16]);
        let steps: Vec<(&Value, &Value)> = match case["steps"].as_array() {
            Some(steps) => steps.iter().zip(case["expect"].as_array().unwrap()).collect(),
            None => vec![(&case, &case["expect"])],
        };
        for (number, (step, expected)) in steps.into_iter().enumerate() {
            let verdict = verdict(&publisher, &case, step);
            assert!(has(&verdict, expected), "{} step {number}: {verdict} is not {expected}", case["id"]);
            count += 1;
        }
    }
    assert!(count >= 152, "{count} requests");
}
