//! `visa issue`.

use crate::sandbox::{KNOWN_THUMBPRINT, NOW, Sandbox};

const BASE: &str = "visa issue --issuer https://broker.example --audience https://pub.example --agent-id bot.example.com --currency EUR";

#[test]
fn says_what_it_was_told() {
    let sandbox = Sandbox::new();
    let args = format!(
        "{BASE} --key agent.jwk --jkt {KNOWN_THUMBPRINT} --amount 0.10 --lifetime 60 --jti visa-0001 --max-uses 3 --purpose SUMMARY --now {NOW} --json"
    );
    let issued = sandbox.sh(&args).exits(0).json();
    assert_eq!(issued["kid"], KNOWN_THUMBPRINT);
    assert_eq!(issued["jti"], "visa-0001");
    assert_eq!(issued["expires_at"], "2026-11-21T12:01:00.000Z");
    let token = issued["token"].as_str().unwrap();
    let part = token.split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&imagxp::encoding::base64url_decode(part.as_bytes()).unwrap()).unwrap();
    assert_eq!(claims["iss"], "https://broker.example");
    assert_eq!(claims["aud"], "https://pub.example");
    assert_eq!(claims["sub"], "bot.example.com");
    assert_eq!(claims["amount"], "0.1");
    assert_eq!(claims["currency"], "EUR");
    assert_eq!(claims["cnf"]["jkt"], KNOWN_THUMBPRINT);
    assert_eq!(claims["max_uses"], 3);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert_eq!(claims["purposes"], serde_json::json!(["SUMMARY"]));
    assert_eq!(
        sandbox.sh(&args.replace(" --json", "")).exits(0).out,
        format!("{token}\n"),
        "the same input gives the same token"
    );
}

#[test]
fn names_are_fresh_by_default() {
    let sandbox = Sandbox::new();
    let issue =
        || sandbox.sh(&format!("{BASE} --key agent.jwk --amount 1 --json")).exits(0).json()["jti"].clone();
    assert_ne!(issue(), issue());
}

#[test]
fn refuses_what_no_publisher_would_accept() {
    let sandbox = Sandbox::new();
    sandbox.sh("keygen --alg eddsa -o ed.pem").exits(0);
    for args in [
        "--key ed.pem --amount 1",
        "--key agent.jwk --amount 1e3",
        "--key agent.jwk --amount -1",
        "--key agent.jwk --amount 1 --lifetime 3601",
        "--key agent.jwk --amount 1 --lifetime 0",
        "--key agent.jwk --amount 1 --max-uses 0",
        "--key agent.jwk --amount 1 --jti short",
        "--key agent.jwk --amount 1 --jkt short",
        "--key agent.jwk --amount 1 --purpose READING",
        "--key agent.jwk",
        "--key agent.jwk --amount 1 --agent-id localhost",
    ] {
        assert_eq!(
            sandbox.sh(&format!("{BASE} {args} --json")).json_error()["code"],
            "usage.argument",
            "{args}"
        );
    }
}
