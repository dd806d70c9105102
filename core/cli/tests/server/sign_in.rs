//! Who asks: signed requests.

use crate::party::Party;
use crate::service::Service;
use serde_json::json;
use std::sync::atomic::Ordering;

#[test]
fn operators_need_their_role_and_domains_are_no_operators() {
    let service = Service::start(&[]);
    let agent = Party::new();
    agent.get(&service, "/v1/verdicts").refuses(403, "auth.forbidden");
    service.get("/v1/verdicts", &service.token).is(200);
    service.get("/v1/verdicts", "imagxp_op_wrong").refuses(401, "auth.token_invalid");
    service.get("/v1/verdicts", "a.b.c").refuses(401, "auth.token_invalid");
    service.send("GET", "/v1/verdicts", &[("authorization", "Basic x")], b"").refuses(401, "auth.malformed");
    let token = format!("Bearer {}", service.token);
    agent
        .ask(&service, "GET", "/v1/verdicts", &[("authorization", &token)], b"")
        .refuses(400, "auth.conflict");
    assert_eq!(agent.fetched.load(Ordering::Relaxed), 1, "one fetch for all requests");
}

#[test]
fn a_signature_holds_for_one_request() {
    let service = Service::start(&[]);
    let agent = Party::new();
    let url = format!("{}/v1/verdicts", service.issuer);
    let headers = agent.headers("GET", &url, b"");
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service.send("GET", "/v1/verdicts", &lines, b"").refuses(403, "auth.forbidden");
    service.send("GET", "/v1/verdicts", &lines, b"").refuses(409, "replay.nonce_seen");
    // Another target, another body, no digest of the body.
    let headers = agent.headers("GET", &url, b"");
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service.send("GET", "/v1/session", &lines, b"").refuses(403, "claim.resource_mismatch");
    let stranger = Party::new();
    let forged = stranger.headers("GET", &url, b"");
    let mixed: Vec<_> = headers
        .iter()
        .map(|(name, value)| {
            let signature = forged.iter().find(|(other, _)| other == "x-imagxp-signature").unwrap();
            (name.as_str(), if name == "x-imagxp-signature" { signature.1.as_str() } else { value.as_str() })
        })
        .collect();
    service.send("GET", "/v1/verdicts", &mixed, b"").refuses(401, "sig.invalid");
}

#[test]
fn a_body_is_part_of_what_is_signed() {
    let service = Service::start(&[]);
    let agent = Party::new();
    let body = json!({"visas": []}).to_string();
    let url = format!("{}/v1/visas/redeem", service.issuer);
    let headers = agent.headers("POST", &url, body.as_bytes());
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service
        .send("POST", "/v1/visas/redeem", &lines, br#"{"visas": [] }"#)
        .refuses(400, "claim.digest_mismatch");
    let mut bare = agent.headers("POST", &url, b"");
    bare.push(("content-type".into(), "application/json".into()));
    let lines: Vec<_> = bare.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    service.send("POST", "/v1/visas/redeem", &lines, body.as_bytes()).refuses(400, "claim.digest_mismatch");
}
