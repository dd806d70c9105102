//! The grader against implementations whose faults are known: a faithful one has full marks, each seeded fault loses exactly its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests, which fail by panicking"
)]

mod agent;
mod http;
mod publisher;
mod signer;
#[path = "../../../protocol/tests/common/skip.rs"]
mod skip;
mod verifier;

use serde_json::Value;
use std::process::{Command, Output, Stdio};

/// The program, not yet started.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
    command.args(args).stdin(Stdio::null());
    command
}

/// A report that a run printed, whose exit code must tell whether all marks were won.
fn report(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let full = report["marks"] == report["of"];
    assert_eq!(output.status.code(), Some(i32::from(!full)), "{report:#}");
    report
}

/// The cases that lost their mark, with the reasons.
fn lost(report: &Value) -> Vec<(String, String)> {
    said(report, "fail")
}

/// The cases with this result, with the reasons.
fn said(report: &Value, result: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = report["cases"].as_array().unwrap().iter();
    cases
        .filter(|case| case["result"] == result)
        .map(|case| (text(&case["id"]), text(&case["reason"])))
        .collect()
}

/// Exactly these are lost, in any order.
#[track_caller]
fn assert_lost(report: &Value, expected: &[&str]) {
    let lost = lost(report);
    let mut found: Vec<&str> = lost.iter().map(|(id, _)| id.as_str()).collect();
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{lost:#?}");
    assert!(lost.iter().all(|(_, reason)| !reason.is_empty()));
}
