//! What evidence proves of a record that its publisher may have written itself: what the agent signed, and nothing else.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::memory::{record_of, sealed};
use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::audit::{Evidence, Proven};
use imagxp::crypto::Algorithm;
use imagxp::{Purpose, Timestamp};
use serde_json::{Value, json};

const NONCE: &str = "00000000-0000-4000-8000-000000000001";

fn prove(evidence: &Evidence) -> imagxp::Result<Proven> {
    evidence.verify(std::slice::from_ref(&evidence.public_key))
}

fn report(proven: &Proven) -> Value {
    serde_json::from_slice(&imagxp::json::object_to_canonical(&proven.to_json())).unwrap()
}

/// What is said of a record of agent 1 with this change, sealed by its publisher.
fn changed_record(record: &Value, change: impl FnOnce(&mut Value)) -> imagxp::Result<Proven> {
    let mut record = record.clone();
    change(&mut record);
    prove(&sealed(&record, Some(manifest(&[1])), Algorithm::EdDsa))
}

#[test]
fn a_key_that_nobody_vouches_for_is_called_one() {
    let record = record_of(r#""identity":"bound""#, &Signed::read(NONCE));
    let bound = prove(&sealed(&record, Some(manifest(&[1])), Algorithm::EdDsa)).unwrap();
    assert_eq!(report(&bound)["binding"], "domain");
    // Whoever has any key can sign in any name.
    let mut record = record.clone();
    let body = record.as_object_mut().unwrap();
    body.remove("manifest");
    body.insert("binding".into(), json!("key_only"));
    body.insert("public_key".into(), json!(key(1, Algorithm::Es256).public_key().to_spki_base64()));
    let unbound = prove(&sealed(&record, None, Algorithm::EdDsa)).unwrap();
    let said = report(&unbound);
    assert_eq!((&said["binding"], &said["agent_id"]), (&json!("key_only"), &json!(AGENT)));
    assert_eq!(said["request_verified"], true);
    record["binding"] = json!("none");
    let error = prove(&sealed(&record, None, Algorithm::EdDsa)).unwrap_err();
    assert_eq!(error.code(), "audit.altered");
    // Nor does a publisher that asks for no more than a key say more than it knows.
    let stranger =
        Signed::new(&identity(2), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), NONCE);
    let record = record_of(r#""identity":"key_only""#, &stranger);
    assert_eq!(report(&prove(&sealed(&record, None, Algorithm::EdDsa)).unwrap())["binding"], "key_only");
}

#[test]
fn the_time_of_a_record_is_that_of_its_request() {
    let record = record_of(r#""identity":"bound""#, &Signed::read(NONCE));
    let at = |seconds: i64, millis: i64| {
        let time = now().saturating_add_secs(seconds).saturating_add_millis(millis);
        changed_record(&record, |record| record["time"] = json!(time.to_string()))
    };
    for (seconds, millis) in [(0, 0), (300, 0), (-300, 0)] {
        let proven = at(seconds, millis).unwrap();
        assert_eq!(report(&proven)["ts"], "2026-03-01T12:00:00.000Z");
        assert_eq!(proven.claim.unwrap().nonce(), NONCE);
    }
    for (seconds, millis) in [(300, 1), (-300, -1), (86_400, 0)] {
        assert_eq!(at(seconds, millis).unwrap_err().code(), "audit.altered");
    }
    for time in [Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)] {
        let far = changed_record(&record, |record| record["time"] = json!(time.to_string()));
        assert_eq!(far.unwrap_err().code(), "audit.altered");
    }
}

#[test]
fn what_is_recorded_at_the_edges_of_the_window_is_proven() {
    for (seconds, policy) in
        [(-300, r#""mode":"enforce""#), (300, r#""clock":{"past_s":300,"future_s":300}"#)]
    {
        let ask = SignRequest::new("GET", URL, Purpose::RagRetrieval);
        let signed = Signed::new(&identity(1), &ask, now().saturating_add_secs(seconds), NONCE);
        let record = record_of(policy, &signed);
        assert!(prove(&sealed(&record, Some(manifest(&[1])), Algorithm::EdDsa)).unwrap().request_verified);
    }
}

#[test]
fn a_url_is_the_publishers_word_unless_it_was_signed() {
    let record = record_of(r#""identity":"bound""#, &Signed::read(NONCE));
    for (url, signed) in [
        (URL, json!(true)),
        ("/posts/1", json!(true)),
        ("/posts/%31", json!(true)),
        ("/posts/2", json!(false)),
        ("/posts/1?", json!(false)),
        ("https://other.example/posts/1", json!(false)),
        ("nonsense", json!(null)),
    ] {
        let proven = changed_record(&record, |record| record["url"] = json!(url)).unwrap();
        let said = report(&proven);
        assert_eq!((&said["url"], &said["url_signed"]), (&json!(url), &signed));
        assert_eq!(said["resource"], URL, "what was signed is told beside it");
    }
    let cut = changed_record(&record, |record| record["url_cut"] = json!(true)).unwrap();
    assert_eq!(report(&cut)["url_signed"], json!(null));
}

#[test]
fn a_body_is_the_one_that_was_signed() {
    let body = imagxp::digest::content_digest(b"body");
    let ask =
        SignRequest { content_digest: Some(&body), ..SignRequest::new("GET", URL, Purpose::RagRetrieval) };
    let mut signed = Signed::new(&identity(1), &ask, now(), NONCE);
    signed.body_digest = Some(body);
    let record = record_of(r#""identity":"bound""#, &signed);
    assert!(changed_record(&record, |_| ()).unwrap().request_verified);
    let other = imagxp::digest::content_digest(b"another");
    for digest in [json!(other), json!("")] {
        let proven = changed_record(&record, |record| record["body_digest"] = digest);
        assert_eq!(proven.unwrap_err().code(), "audit.altered");
    }
    let without =
        changed_record(&record, |record| drop(record.as_object_mut().unwrap().remove("body_digest")));
    assert_eq!(without.unwrap_err().code(), "audit.altered");
}
