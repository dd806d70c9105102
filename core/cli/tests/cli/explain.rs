//! `explain`: the steps, for people and for programs.

use crate::sandbox::{NOW, Sandbox};

/// `UPDATE=1 cargo test` rewrites the golden text.
#[test]
fn a_refusal_step_by_step() {
    let sandbox = Sandbox::new();
    sandbox.sign("CRAWL_TRAINING", "");
    let text = sandbox.judge("explain", "").exits(1).out;
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/explain.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&golden).unwrap(), "UPDATE=1 rewrites {}", golden.display());
}

#[test]
fn steps_and_verdict_as_json() {
    let sandbox = Sandbox::new();
    sandbox.sign("CRAWL_TRAINING", "");
    let json = sandbox.judge("explain", "--json").exits(1).json();
    assert_eq!(json["verdict"]["code"], "policy.purpose_denied");
    let steps = json["steps"].as_array().unwrap();
    let numbers: Vec<u64> = steps.iter().map(|step| step["step"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&10), "{numbers:?}");
    for member in ["name", "result", "expected", "received"] {
        assert!(steps.iter().all(|step| step[member].is_string()), "{member}");
    }
    assert_eq!(steps.last().unwrap()["result"], "failed");
}

#[test]
fn exit_codes_are_those_of_verify() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.judge("explain", "").exits(0);
    sandbox.sh(&format!("explain request.json --policy policy.json --now {NOW}")).exits(3);
    sandbox.sh("explain none.json --policy policy.json").exits(2);
}

/// Bytes of a stranger must not reach the terminal as they are.
#[test]
fn hostile_bytes_are_shown_escaped() {
    let sandbox = Sandbox::new();
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gnp.exe\u{2028}";
    let json = serde_json::json!({"method": "GET", "url": "/", "headers": [["user-agent", "IMAGXP/1.0"], ["x-imagxp-payload", hostile], ["x-imagxp-signature", hostile]]});
    sandbox.write("request.json", &json.to_string());
    for command in ["verify", "explain"] {
        for form in ["", "--json"] {
            let run = sandbox.judge(command, form).exits(1);
            let harmless = |text: &str| {
                !text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}'))
            };
            assert!(harmless(&run.out) && harmless(&run.err), "{run:?}");
        }
    }
    assert!(sandbox.judge("explain", "").out.contains("\\u{1b}[2J"));
    // The same in an error that repeats an argument or names a file.
    let run = sandbox.run(["verify", "\u{1b}[2J", "--policy", "\u{1b}[31m"]).exits(2);
    assert!(!run.err.contains('\u{1b}'), "{run:?}");
    let run = sandbox.run(["verify", "--\u{1b}[2J"]).exits(2);
    assert!(!run.err.contains('\u{1b}'), "{run:?}");
}
