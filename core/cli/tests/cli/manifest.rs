//! `manifest` and `manifest check`.

use crate::sandbox::{KNOWN_THUMBPRINT, NOW, Sandbox};

#[test]
fn lists_keys_with_their_dates() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen -o next.pem --alg eddsa").exits(0);
    let run = sandbox.sh(
        "manifest --agent-id bot.example.com --key agent.jwk --also next.pem:2027-01-01T00:00:00Z..2028-01-01T00:00:00Z --contact a@b.example",
    );
    let manifest = run.exits(0).json();
    assert_eq!(manifest["agent_id"], "bot.example.com");
    assert_eq!(manifest["contact"], "a@b.example");
    let keys = manifest["keys"].as_array().unwrap();
    assert_eq!(keys[0]["kid"], KNOWN_THUMBPRINT);
    assert_eq!(keys[0]["public_key"], manifest["public_key"]);
    assert_eq!(keys[1]["not_before"], "2027-01-01T00:00:00.000Z");
    assert_eq!(keys[1]["not_after"], "2028-01-01T00:00:00.000Z");
    sandbox.write("two.json", &manifest.to_string());

    let check = |now: &str| {
        sandbox
            .sh(&format!("manifest check two.json --agent-id bot.example.com --now {now} --json"))
            .exits(0)
            .json()
    };
    let exist = |now: &str| {
        check(now)["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["exists"].as_bool().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(exist(NOW), [true, false]);
    assert_eq!(exist("2027-06-01T00:00:00Z"), [true, true]);
    let report = check(NOW);
    assert_eq!(report["url"], "https://bot.example.com/.well-known/imagxp-agent.json");
    assert_eq!(report["contact"], "a@b.example");
    assert_eq!(report["keys"][1]["algorithm"], "EdDSA");
    assert!(report["keys"][0]["not_before"].is_null());
}

#[test]
fn check_speaks_to_people_too() {
    let sandbox = Sandbox::new();
    let text = sandbox
        .sh(&format!("manifest check manifest.json --agent-id bot.example.com --now {NOW}"))
        .exits(0)
        .out;
    assert!(text.starts_with("manifest.json: ok, the manifest of bot.example.com\n"), "{text}");
    assert!(text.contains(&format!("ES256 {KNOWN_THUMBPRINT}, exists\n")), "{text}");
}

#[test]
fn warns_when_no_key_exists() {
    let sandbox = Sandbox::new();
    let manifest =
        sandbox.sh("manifest --agent-id bot.example.com --key agent.jwk:..2020-01-01T00:00:00Z").exits(0).out;
    let run = sandbox.run_with(
        manifest.as_bytes(),
        &format!("manifest check - --agent-id bot.example.com --now {NOW} --json"),
    );
    assert!(run.err.contains(r#"{"warning":{"code":"identity.key_mismatch""#), "{run:#?}");
    assert_eq!(run.exits(0).json()["keys"][0]["exists"], false);
}

#[test]
fn refuses_what_would_not_work() {
    let sandbox = Sandbox::new();
    for (args, code) in [
        ("--agent-id localhost --key agent.jwk", "usage.argument"),
        ("--agent-id Bot.Example.com --key agent.jwk", "usage.argument"),
        ("--agent-id bot.example.com --key agent.jwk --also agent.jwk", "usage.argument"),
        (
            "--agent-id bot.example.com --key agent.jwk:2027-01-01T00:00:00Z..2026-01-01T00:00:00Z",
            "usage.argument",
        ),
        ("--agent-id bot.example.com --key none.pem", "file.unreadable"),
        ("--agent-id bot.example.com --key policy.json", "key.malformed"),
        ("--agent-id bot.example.com", "usage.argument"),
        ("--key agent.jwk", "usage.argument"),
    ] {
        assert_eq!(sandbox.sh(&format!("manifest {args} --json")).json_error()["code"], code, "{args}");
    }
    let hint = sandbox.sh("manifest --agent-id localhost:8080 --key agent.jwk").exits(2);
    assert!(hint.err.contains("--allow-loopback"), "{hint:#?}");
    sandbox.sh("manifest --agent-id localhost:8080 --key agent.jwk --allow-loopback").exits(0);

    for (content, agent) in [("{}", "bot.example.com"), ("", "bot.example.com")] {
        let error = sandbox
            .run_with(content.as_bytes(), &format!("manifest check - --agent-id {agent} --json"))
            .json_error();
        assert_eq!(error["code"], "identity.manifest_invalid");
    }
    let error = sandbox.sh("manifest check manifest.json --agent-id other.example.com --json").json_error();
    assert_eq!(error["code"], "identity.manifest_invalid");
}
