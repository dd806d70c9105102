//! `audit`: recorded by `verify`, verified, proven, shown, exported, and caught when altered.

use crate::sandbox::{NONCE, NOW, Sandbox};
use serde_json::Value;

/// A sandbox with a publisher's key and a log of one allowed and one denied request.
fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen --out publisher.pem").exits(0);
    for (purpose, code) in [("RAG_RETRIEVAL", 0), ("CRAWL_TRAINING", 1)] {
        sandbox.sign(purpose, "");
        sandbox.judge("verify", "--audit log --audit-key publisher.pem").exits(code);
    }
    sandbox
}

#[test]
fn a_body_that_is_not_given_is_a_refusal_on_record() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen --out publisher.pem").exits(0);
    sandbox.write("body.txt", "hello");
    sandbox.sign("RAG_RETRIEVAL", "--method POST --body body.txt");
    let mut request: Value = serde_json::from_str(&sandbox.read("request.json")).unwrap();
    request.as_object_mut().unwrap().remove("body_digest");
    sandbox.write("request.json", &request.to_string());
    sandbox.judge("verify", "--audit log --audit-key publisher.pem").exits(1);
    sandbox.judge("verify", "--audit log --audit-key publisher.pem --body body.txt").exits(0);
    let lines = sandbox.sh("audit show log").exits(0).out;
    assert_eq!(lines.matches("claim.digest_mismatch").count(), 1, "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn a_log_verifies_and_one_changed_byte_is_caught() {
    let sandbox = recorded();
    let text = sandbox.sh("audit verify log --key publisher.pem").exits(0).out;
    assert!(text.starts_with("intact  pub.example/imagxp-audit\n"), "{text}");
    let report = sandbox.sh("audit verify log --key publisher.pem --json").exits(0).json();
    for (member, value) in [("verdicts", 2), ("requests_verified", 2), ("sealed", 3), ("checkpoints", 2)] {
        assert_eq!(report[member], value, "{member}: {report}");
    }
    // What no checkpoint seals is nobody's word.
    let notes = sandbox.read("log/checkpoints");
    let first: String = notes.split_inclusive("\n\n").take(2).collect();
    sandbox.write("log/checkpoints", &first);
    let text = sandbox.sh("audit verify log --key publisher.pem").exits(0).out;
    assert!(
        text.contains("the last 1 are not sealed yet: they could have been changed, reordered"),
        "{text}"
    );
    sandbox.write("log/checkpoints", "");
    let text = sandbox.sh("audit verify log --key publisher.pem").exits(1).out;
    assert!(text.starts_with("ALTERED") && text.contains("no checkpoint seals anything"), "{text}");
    sandbox.write("log/checkpoints", &notes);
    let file = "log/0000000000000000.jsonl";
    let good = sandbox.read(file);
    sandbox.write(file, &good.replacen("\"deny\"", "\"denz\"", 1));
    let text = sandbox.sh("audit verify log --key publisher.pem").exits(1).out;
    assert!(text.starts_with("ALTERED") && text.contains("0000000000000000.jsonl:4: entry 2: "), "{text}");
    let report = sandbox.sh("audit verify log --key publisher.pem --json").exits(1).json();
    assert_eq!((&report["intact"], &report["findings"][0]["line"]), (&Value::Bool(false), &4.into()));
    // Nobody goes on with it.
    let refused = sandbox.judge("verify", "--audit log --audit-key publisher.pem --json").exits(2);
    assert_eq!(refused.json_error()["code"], "audit.altered");
}

#[test]
fn a_kept_checkpoint_and_the_publishers_manifest() {
    let sandbox = recorded();
    let notes = sandbox.read("log/checkpoints");
    let first: String = notes.split_inclusive("\n\n").take(2).collect();
    sandbox.write("kept", &first);
    let manifest = sandbox.sh("manifest --agent-id pub.example --key publisher.pem").exits(0).out;
    sandbox.write("pub.json", &manifest);
    sandbox.sh("audit verify log --manifest pub.json --checkpoint kept").exits(0);
    sandbox.write("kept", &first.replace("pub.example", "pub.exampel"));
    sandbox.sh("audit verify log --manifest pub.json --checkpoint kept").exits(1);
    sandbox.write("kept", "nonsense");
    sandbox.sh("audit verify log --manifest pub.json --checkpoint kept").exits(2);
    sandbox.sh("audit verify log --manifest manifest.json").exits(1);
    sandbox.sh("audit verify log").exits(2);
    sandbox.sh("audit verify").exits(2);
    sandbox.sh("audit verify nowhere --key publisher.pem").exits(2);
}

#[test]
fn evidence_verifies_on_a_second_machine() {
    let sandbox = recorded();
    sandbox.sh(&format!("audit prove log --nonce {NONCE} --key publisher.pem --out evidence.json")).exits(0);
    let by_number = sandbox.sh("audit prove log 1 --key publisher.pem").exits(0).out;
    assert_eq!(sandbox.read("evidence.json"), by_number);
    // Another folder, with nothing but the evidence and the publisher's public key.
    let second = Sandbox::new();
    second.write("evidence.json", &by_number);
    let key = sandbox.sh("key show publisher.pem --json").exits(0).json();
    second.write("publisher.spki", key["public_key"].as_str().or(key["spki"].as_str()).unwrap());
    let text = second.sh("audit verify --bundle evidence.json --key publisher.spki").exits(0).out;
    assert!(text.starts_with("proven  entry 1 of pub.example/imagxp-audit"), "{text}");
    assert!(text.contains("the agent's signature verifies"), "{text}");
    // What was signed comes before the publisher's word.
    let signed = text.find("  signed    ").unwrap();
    assert!(signed < text.find("  record    ").unwrap() && text.contains(NONCE), "{text}");
    assert!(text.contains("the record's URL is the one that was signed"), "{text}");
    let json = second.sh("audit verify --bundle evidence.json --key publisher.spki --json").exits(0).json();
    assert_eq!((&json["key_known"], &json["agent_id"]), (&true.into(), &"bot.example.com".into()));
    let unknown = second.sh("audit verify --bundle evidence.json --json").exits(0);
    assert_eq!(unknown.json()["key_known"], false);
    second.sh("audit verify --bundle evidence.json --key agent.jwk").exits(1);
    second.write("evidence.json", &by_number.replace("\"allow\"", "\"allox\""));
    second.sh("audit verify --bundle evidence.json --key publisher.spki").exits(1);
    second.write("evidence.json", "{}");
    second.sh("audit verify --bundle evidence.json --key publisher.spki").exits(1);
    for bad in ["audit prove log 0", "audit prove log 99", "audit prove log --trace-id x", "audit prove log"]
    {
        sandbox.sh(&format!("{bad} --key publisher.pem")).exits(2);
    }
}

#[test]
fn a_key_that_nobody_vouches_for_is_called_one() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen --out publisher.pem").exits(0);
    let policy = sandbox.read("policy.json").replacen('{', "{\"identity\":\"key_only\",", 1);
    sandbox.write("policy.json", &policy);
    sandbox.sign("RAG_RETRIEVAL", "");
    let recorded = "--policy policy.json --audit log --audit-key publisher.pem";
    sandbox.sh(&format!("verify request.json --now {NOW} {recorded}")).exits(0);
    let report = sandbox.sh("audit verify log --key publisher.pem --json").exits(0).json();
    assert_eq!((&report["requests_verified"], &report["requests_key_only"]), (&0.into(), &1.into()));
    sandbox.sh("audit prove log 0 --key publisher.pem --out evidence.json").exits(0);
    let text = sandbox.sh("audit verify --bundle evidence.json --key publisher.pem").exits(0).out;
    assert!(text.contains("by a key that nobody vouches for, in this name"), "{text}");
    assert!(!text.contains("the agent's signature"), "{text}");
    let proven = sandbox.sh("audit verify --bundle evidence.json --key publisher.pem --json").exits(0).json();
    assert_eq!(proven["binding"], "key_only");
}

#[test]
fn shown_filtered_and_exported() {
    let sandbox = recorded();
    let all = sandbox.sh("audit show log").exits(0).out;
    assert_eq!(all.lines().count(), 2, "{all}");
    for (filter, lines) in [
        ("--agent bot.example.com", 2),
        ("--agent other.example", 0),
        ("--code policy.purpose_denied", 1),
        ("--code ok", 1),
        ("--purpose CRAWL_TRAINING", 1),
        ("--purpose RAG_RETRIEVAL --code policy.purpose_denied", 0),
    ] {
        assert_eq!(
            sandbox.sh(&format!("audit show log {filter}")).exits(0).out.lines().count(),
            lines,
            "{filter}"
        );
    }
    sandbox.sh("audit show log --code nonsense").exits(2);
    let lines = sandbox.sh("audit export log --code ok").exits(0).out;
    let entry: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&entry["n"], &entry["body"]["outcome"]), (&1.into(), &"allow".into()));
    let csv = sandbox.sh("audit export log --format csv").exits(0).out;
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("entry,time,outcome") && rows[2].contains("policy.purpose_denied"), "{csv}");
    assert_eq!(rows[0].split(',').count(), rows[1].split(',').count());
}
