//! `verify`: from files to an exit code.

use crate::sandbox::{KNOWN_THUMBPRINT, NONCE, NOW, Sandbox, URL};
use serde_json::Value;

/// The signed request in `request.json` as an HTTP head.
fn head(sandbox: &Sandbox, target: &str, more: &str) -> Vec<u8> {
    let request: Value = serde_json::from_str(&sandbox.read("request.json")).unwrap();
    let lines = request["headers"].as_array().unwrap().iter();
    let lines: String = lines
        .map(|line| format!("{}: {}\r\n", line[0].as_str().unwrap(), line[1].as_str().unwrap()))
        .collect();
    format!(
        "{} {target} HTTP/1.1\r\nHost: elsewhere.example\r\n{lines}{more}\r\n",
        request["method"].as_str().unwrap()
    )
    .into_bytes()
}

fn judge_head(sandbox: &Sandbox, head: &[u8]) -> crate::sandbox::Run {
    sandbox
        .run_with(head, &format!("verify - --policy policy.json --manifest manifest.json --now {NOW} --json"))
}

#[test]
fn allow_is_0() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    let verdict = sandbox.judge("verify", "--json").exits(0).json();
    for (member, value) in [
        ("outcome", "allow"),
        ("visitor", "verified_agent"),
        ("agent_id", "bot.example.com"),
        ("key_id", KNOWN_THUMBPRINT),
        ("purpose", "RAG_RETRIEVAL"),
        ("binding", "domain"),
        ("resource", URL),
        ("retry", "never"),
    ] {
        assert_eq!(verdict[member], value, "{member}");
    }
    let members = [
        "http",
        "message",
        "hint",
        "detail",
        "code",
        "would_deny",
        "payment",
        "warnings",
        "needs",
        "response_headers",
        "trace_id",
    ];
    for member in members {
        assert!(verdict.as_object().unwrap().contains_key(member), "{member}");
    }
    let text = sandbox.judge("verify", "").exits(0).out;
    assert!(text.starts_with("allow\n") && text.contains("  agent     bot.example.com\n"), "{text}");
    assert_eq!(sandbox.judge("verify", "").out, text, "the same input gives the same output");
}

#[test]
fn deny_is_1() {
    let sandbox = Sandbox::new();
    sandbox.sign("CRAWL_TRAINING", "");
    assert_eq!(sandbox.judge("verify", "--json").exits(1).json()["code"], "policy.purpose_denied");
    let text = sandbox.judge("verify", "").exits(1).out;
    assert!(text.starts_with("deny  policy.purpose_denied (http 403): "), "{text}");
    sandbox.sign("RAG_RETRIEVAL", "");
    let late = sandbox.sh(
        "verify request.json --policy policy.json --manifest manifest.json --now 2026-11-21T12:10:00Z --json",
    );
    assert_eq!(late.exits(1).json()["code"], "time.expired");
    // Without --now it is the clock that counts, and that is not exactly then.
    sandbox.sh("verify request.json --policy policy.json --manifest manifest.json").exits(1);
}

#[test]
fn forgeries_are_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    let good = sandbox.read("request.json");
    let signature = good.split("x-imagxp-signature\",\"").nth(1).unwrap();
    let (first, rest) = signature.split_at(1);
    let flipped = if first == "0" { "1" } else { "0" };
    sandbox.write("request.json", &good.replace(signature, &format!("{flipped}{rest}")));
    assert_eq!(sandbox.judge("verify", "--json").exits(1).json()["code"], "sig.invalid");
    // Somebody else's key under this agent's name.
    sandbox.write("request.json", &good);
    sandbox.sh("keygen -o other.pem").exits(0);
    let manifest = sandbox.sh("manifest --agent-id bot.example.com --key other.pem").exits(0).out;
    sandbox.write("manifest.json", &manifest);
    assert_eq!(sandbox.judge("verify", "--json").exits(1).json()["code"], "identity.key_mismatch");
}

#[test]
fn undecided_is_3_and_says_what_it_needs() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    let args = format!("verify request.json --policy policy.json --now {NOW}");
    let verdict = sandbox.sh(&format!("{args} --json")).exits(3).json();
    assert_eq!(verdict["code"], "identity.manifest_needed");
    let url = "https://bot.example.com/.well-known/imagxp-agent.json";
    assert_eq!(verdict["needs"], serde_json::json!([{"kind": "manifest", "url": url}]));
    assert!(sandbox.sh(&args).exits(3).out.contains(&format!("needs     manifest {url}\n")));
    sandbox.sh(&format!("{args} --manifest {url}=manifest.json")).exits(0);
}

#[test]
fn observe_mode_lets_pass_and_tells() {
    let sandbox = Sandbox::new();
    sandbox.sign("CRAWL_TRAINING", "");
    let policy = sandbox.read("policy.json").replacen('{', r#"{"mode":"observe","#, 1);
    sandbox.write("policy.json", &policy);
    assert_eq!(sandbox.judge("verify", "--json").exits(0).json()["would_deny"], true);
    assert!(sandbox.judge("verify", "").out.contains("would have refused"));
}

#[test]
fn raw_heads_are_read_as_they_came() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    // Origin form: the target is the URL, and Host has no say.
    assert_eq!(
        judge_head(&sandbox, &head(&sandbox, "/article?id=1", "")).exits(0).json()["outcome"],
        "allow"
    );
    assert_eq!(judge_head(&sandbox, &head(&sandbox, URL, "")).exits(0).json()["outcome"], "allow");
    for (target, code) in [
        ("/article?id=2", "claim.resource_mismatch"),
        ("https://elsewhere.example/article?id=1", "claim.resource_mismatch"),
        ("*", "claim.resource_mismatch"),
    ] {
        assert_eq!(
            judge_head(&sandbox, &head(&sandbox, target, "")).exits(1).json()["code"],
            code,
            "{target}"
        );
    }
    // A duplicate must reach the core, whatever the case of its name.
    for more in ["X-IMAGXP-Signature: 00\r\n", "x-imagxp-other: 1\r\nX-Imagxp-Other: 2\r\n"] {
        assert_eq!(
            judge_head(&sandbox, &head(&sandbox, "/article?id=1", more)).exits(1).json()["code"],
            "header.duplicate"
        );
    }
    let many = "a: b\r\n".repeat(500);
    assert_eq!(
        judge_head(&sandbox, &head(&sandbox, "/article?id=1", &many)).exits(1).json()["code"],
        "header.too_large"
    );
}

#[test]
fn the_form_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.judge("verify", "--input json").exits(0);
    assert_eq!(sandbox.judge("verify", "--input http --json").json_error()["code"], "file.malformed");
    std::fs::write(sandbox.path("request.json"), head(&sandbox, "/article?id=1", "")).unwrap();
    sandbox.judge("verify", "--input http").exits(0);
    sandbox.judge("verify", "--input json").exits(2);
}

#[test]
fn bodies_are_checked_against_the_claim() {
    let sandbox = Sandbox::new();
    sandbox.write("body.txt", "hello");
    sandbox.write("other.txt", "hullo");
    sandbox.sign("RAG_RETRIEVAL", "--method POST --body body.txt");
    sandbox.judge("verify", "").exits(0);
    assert_eq!(sandbox.judge("verify", "--body body.txt --json").json_error()["code"], "usage.argument");
    let mut request: Value = serde_json::from_str(&sandbox.read("request.json")).unwrap();
    let mut bare = head(&sandbox, "/article?id=1", "Content-Length: 5\r\n");
    request.as_object_mut().unwrap().remove("body_digest");
    sandbox.write("request.json", &request.to_string());
    assert_eq!(sandbox.judge("verify", "--json").exits(1).json()["code"], "claim.digest_mismatch");
    assert_eq!(
        sandbox.judge("verify", "--body other.txt --json").exits(1).json()["code"],
        "claim.digest_mismatch"
    );
    sandbox.judge("verify", "--body body.txt").exits(0);
    bare.extend(b"hello");
    judge_head(&sandbox, &bare).exits(0);
    bare.extend(b"!");
    assert_eq!(judge_head(&sandbox, &bare).json_error()["code"], "file.malformed");
}

#[test]
fn visas_are_checked_against_a_key_set() {
    let sandbox = Sandbox::new();
    let policy = |check: &str| {
        format!(
            r#"{{"version":1,"origins":["https://pub.example"],"purposes":{{"RAG_RETRIEVAL":{{"price":{{"amount":"0.05","currency":"USD"}}}}}},
        "payment":{{"brokers":[{{"issuer":"https://broker.example","jwks_uri":"https://broker.example/jwks.json","check":"{check}"}}]}}}}"#
        )
    };
    sandbox.write("policy.json", &policy("offline"));
    sandbox.sh("keygen -o broker.pem").exits(0);
    sandbox.write("jwks.json", &sandbox.sh("jwk --set broker.pem").exits(0).out);
    let visa = |amount: &str| {
        let args = format!(
            "visa issue --key broker.pem --issuer https://broker.example --audience https://pub.example --agent-id bot.example.com --jkt {KNOWN_THUMBPRINT} --amount {amount} --now {NOW}"
        );
        sandbox.write("visa.txt", &sandbox.sh(&args).exits(0).out);
    };
    visa("0.05");
    sandbox.sign("RAG_RETRIEVAL", "--payment @visa.txt");
    let jwks = "--jwks https://broker.example/jwks.json=jwks.json";
    let verdict = sandbox.judge("verify", "--json").exits(3).json();
    assert_eq!(verdict["needs"][0]["kind"], "jwks");
    let paid = sandbox.judge("verify", &format!("{jwks} --json")).exits(0).json();
    assert_eq!(
        (paid["payment"]["state"].as_str(), paid["payment"]["amount"].as_str()),
        (Some("visa"), Some("0.05"))
    );
    assert!(
        sandbox
            .judge("verify", jwks)
            .out
            .contains("  payment   visa, 0.05 USD, from https://broker.example, jti ")
    );
    visa("0.01");
    sandbox.sign("RAG_RETRIEVAL", "--payment @visa.txt");
    assert_eq!(
        sandbox.judge("verify", &format!("{jwks} --json")).exits(1).json()["code"],
        "payment.insufficient"
    );
    sandbox.sign("RAG_RETRIEVAL", "");
    assert_eq!(sandbox.judge("verify", "--json").exits(1).json()["code"], "payment.required");

    // A broker that wants to be asked: its answer is an argument.
    visa("0.05");
    sandbox.sign("RAG_RETRIEVAL", "--payment @visa.txt");
    sandbox.write("policy.json", &policy("redeem"));
    let verdict = sandbox.judge("verify", &format!("{jwks} --json")).exits(3).json();
    assert_eq!(verdict["needs"][0]["kind"], "redeem");
    sandbox.judge("verify", &format!("{jwks} --redeemed accepted")).exits(0);
    sandbox.judge("verify", &format!("{jwks} --redeemed refused")).exits(1);
    sandbox.judge("verify", &format!("{jwks} --redeemed unavailable")).exits(3);
}

#[test]
fn bad_documents_are_warned_about_and_judged() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.write("manifest.json", r#"{"agent_id":"bot.example.com","keys":[]}"#);
    let run = sandbox.judge("verify", "--json");
    let warning: Value = serde_json::from_str(&run.err).unwrap();
    assert_eq!(warning["warning"]["code"], "identity.manifest_invalid");
    assert_eq!(warning["warning"]["file"], "manifest.json");
    assert_eq!(run.exits(1).json()["code"], "identity.manifest_invalid");
}

#[test]
fn broken_input_is_2() {
    let sandbox = Sandbox::new();
    sandbox.sign("RAG_RETRIEVAL", "");
    sandbox.write("empty.json", "");
    sandbox.write("nobody.json", "{}");
    for (args, code) in [
        ("verify none.json --policy policy.json", "file.unreadable"),
        ("verify empty.json --policy policy.json", "file.malformed"),
        ("verify nobody.json --policy policy.json", "file.malformed"),
        ("verify request.json --policy none.json", "file.unreadable"),
        ("verify request.json --policy nobody.json", "usage.policy"),
        ("verify request.json --policy policy.json --manifest nobody.json", "file.malformed"),
        (
            "verify request.json --policy policy.json --manifest https://x.example/y=manifest.json",
            "usage.argument",
        ),
        ("verify request.json --policy policy.json --jwks manifest.json", "usage.argument"),
        (
            "verify request.json --policy policy.json --jwks https://x.example/jwks=manifest.json",
            "usage.argument",
        ),
        ("verify request.json --policy policy.json --now yesterday", "usage.argument"),
        ("verify request.json", "usage.argument"),
        ("verify - --policy -", "usage.argument"),
    ] {
        assert_eq!(sandbox.sh(&format!("{args} --json")).json_error()["code"], code, "{args}");
    }
    assert!(sandbox.sh("verify - --policy - --json").err.contains("can be read for one argument only"));
}

#[test]
fn loopback_agents_need_a_policy_that_admits_them() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "manifest.json",
        &sandbox.sh("manifest --agent-id localhost:8080 --key agent.jwk --allow-loopback").exits(0).out,
    );
    let args = format!(
        "sign --key agent.jwk --agent-id localhost:8080 --allow-loopback --purpose RAG_RETRIEVAL --url {URL} --now {NOW} --nonce {NONCE} --json"
    );
    sandbox.write("request.json", &sandbox.sh(&args).exits(0).out);
    sandbox.judge("verify", "").exits(2);
    sandbox.write("policy.json", &sandbox.read("policy.json").replacen('{', r#"{"allow_loopback":true,"#, 1));
    sandbox.judge("verify", "").exits(0);
}
