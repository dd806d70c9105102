//! What a hostile agent, visitor or clock might try, each once found or feared, as a test of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::Algorithm;
use imagxp::json::{Object, Value};
use imagxp::publisher::{CustomPolicy, FetchFailure, Outcome, Visitor};
use imagxp::{Claim, Code, Error, Publisher, Purpose, Timestamp, Verdict};
use std::sync::{Arc, Mutex};

fn at(seconds: i64) -> Timestamp {
    now().saturating_add_secs(seconds)
}

fn unsigned(publisher: &Publisher, url: &str) -> Verdict {
    let mut visitor = Signed::read("nonce-0000000001");
    visitor.headers.clear();
    visitor.url = url.to_owned();
    visitor.verify(publisher)
}

fn premium(nonce: &str, token: &str, seconds: i64) -> Signed {
    let request = SignRequest {
        payment: Some(token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &request, at(seconds), nonce)
}

#[test]
fn a_disguised_path_is_closed_in_every_reading() {
    let json = POLICY.replace(
        "\"paths\":[",
        "\"unsigned\":\"allow\",\"paths\":[{\"match\":\"/secret/*\",\"unsigned\":\"deny\"},",
    );
    let publisher = publisher(&json);
    assert_eq!(unsigned(&publisher, "/public/x").outcome, Outcome::Allow);
    for url in [
        "/secret/x",
        "/public//../secret/x",
        "//secret/x".trim_start_matches('/'),
        "/secret/5/..%2F..%2Ffree",
        "/%73ecret/x",
        "/secret%2fx",
        "/a/..%2fsecret/x",
        "/free/..;/secret/x",
        "/secret;v=1/x",
        "/./secret//x",
        "/x%5C..%5Csecret/y",
        "/100%",
        "/secret/%zz",
    ] {
        let url = if url.starts_with('/') { url.to_owned() } else { format!("https://pub.example//{url}") };
        assert_eq!(unsigned(&publisher, &url).code, Some(Code::AuthRequired), "{url}");
    }
    // A long path that servers may read in several ways is not read at all.
    for (url, code) in [
        (format!("/{}secret/x", "a/../".repeat(300)), Some(Code::AuthRequired)),
        (format!("/{}public/x", "a/../".repeat(300)), Some(Code::AuthRequired)),
        (format!("/{}public/x", "a/../".repeat(200)), None),
        (format!("/{}secret/x", "a/../".repeat(200)), Some(Code::AuthRequired)),
        (format!("/public/{}", "a/".repeat(1000)), None),
        (format!("/secret/{}", "a/".repeat(1000)), Some(Code::AuthRequired)),
        (format!("/public/x?{}", "a/../".repeat(300)), None),
        (format!("/public/{}", "%C3%A9".repeat(160)), None),
    ] {
        assert_eq!(unsigned(&publisher, &url).code, code, "{url}");
    }
    // A signed request pays the price of the dearest reading.
    for path in ["/premium/1", "/x//../premium/1", "/%70remium%2F1", "/premium/1/..%2f..%2ffree"] {
        let url = format!("https://pub.example{path}");
        let signed = Signed::new(
            &identity(1),
            &SignRequest::new("GET", &url, Purpose::RagRetrieval),
            now(),
            "nonce-0000000001",
        );
        assert_eq!(
            signed.verify(&common::world::publisher(&json)).code,
            Some(Code::PaymentRequired),
            "{path}"
        );
    }
}

/// A rule of the publisher's own, which writes down what it was asked about.
struct Own(Mutex<Vec<String>>);

impl CustomPolicy for Own {
    fn allows(&self, _: &Claim, path: &str) -> Result<bool, Error> {
        self.0.lock().unwrap().push(path.to_owned());
        if path == "/broken" { Err(Error::argument("no answer")) } else { Ok(path != "/private") }
    }
}

#[test]
fn a_disguised_path_is_closed_by_a_rule_of_ones_own_too() {
    let own = Arc::new(Own(Mutex::default()));
    let publisher = publisher(POLICY).with_custom_policy(Arc::clone(&own) as _);
    let denied = Some(Code::PolicyDenied);
    for (number, (path, code)) in [
        ("/public", None),
        ("/private", denied),
        ("/private;x=1", denied),
        ("/x/..;/private", denied),
        ("//private", denied),
        ("/x//../private", denied),
        ("/%70rivate", denied),
        ("/x%2F..%2Fprivate", denied),
        ("/broken;x=1", Some(Code::PolicyError)),
        ("/public;x=1", None),
    ]
    .into_iter()
    .enumerate()
    {
        let url = format!("https://pub.example{path}");
        let request = SignRequest::new("GET", &url, Purpose::RagRetrieval);
        let signed = Signed::new(&identity(1), &request, now(), &format!("nonce-{number:010}"));
        assert_eq!(signed.verify(&publisher).code, code, "{path}");
        // What passes was asked about in every reading, and what has one reading once.
        let asked = std::mem::take(&mut *own.0.lock().unwrap());
        if code.is_none() {
            assert_eq!(asked, imagxp::resource::path_readings(path).unwrap());
        }
    }
}

#[test]
fn under_key_only_a_borrowed_name_spends_nothing_of_its_owner() {
    let publisher = publisher(&changed(r#""identity":"key_only","rate":{"requests":2,"per_s":60}"#));
    let read = |seed: u8, nonce: &str| {
        Signed::new(&identity(seed), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), nonce)
            .verify(&publisher)
    };
    for number in 0..2 {
        assert_eq!(read(2, &format!("nonce-000000000{number}")).code, None);
    }
    assert_eq!(read(2, "nonce-0000000009").code, Some(Code::RateAgent));
    // Neither the owner's rate nor the owner's nonces are touched.
    assert_eq!(read(1, "nonce-0000000000").code, None);
    assert_eq!(read(1, "nonce-0000000000").code, Some(Code::ReplayNonceSeen));
    // The same key in another encoding is the same key: the hint is not signed.
    let request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    let signed =
        Signed::new(&identity(1), &request, now(), "nonce-0000000000").without("x-imagxp-public-key");
    let compressed = compressed_spki(identity(1).public_key().to_spki_der());
    let again = signed.with("x-imagxp-public-key", &imagxp::encoding::base64_encode(&compressed));
    assert_eq!(again.verify(&publisher).code, Some(Code::ReplayNonceSeen));
}

/// A P-256 SubjectPublicKeyInfo with its point compressed.
fn compressed_spki(spki: &[u8]) -> Vec<u8> {
    let point = &spki[26..];
    assert_eq!((spki.len(), point[0]), (91, 4));
    let mut der = vec![0x30, 0x39];
    der.extend_from_slice(&spki[2..23]);
    der.extend_from_slice(&[0x03, 0x22, 0x00, 2 + (point[64] & 1)]);
    der.extend_from_slice(&point[1..33]);
    der
}

#[test]
fn a_rate_refusal_costs_no_visa() {
    let publisher = publisher(&changed(r#""rate":{"requests":1,"per_s":60}"#));
    let (one, two) = (visa("jti-0001", |_| ()), visa("jti-0002", |_| ()));
    assert_eq!(premium("nonce-0000000001", &one, 0).start(&publisher, at(0)).verdict.code, None);
    let refused = premium("nonce-0000000002", &two, 0).start(&publisher, at(0)).verdict;
    assert_eq!(refused.code, Some(Code::RateAgent));
    assert!(refused.hint.unwrap().contains("sign a new request"));
    assert_eq!(premium("nonce-0000000003", &two, 61).start(&publisher, at(61)).verdict.code, None);
    assert_eq!(
        premium("nonce-0000000004", &two, 130).start(&publisher, at(130)).verdict.code,
        Some(Code::PaymentAlreadyUsed)
    );
}

#[test]
fn a_clock_that_steps_back_reopens_no_visa() {
    let publisher = publisher(POLICY);
    let token = visa("jti-0001", |_| ());
    assert_eq!(premium("nonce-0000000001", &token, 0).start(&publisher, at(0)).verdict.code, None);
    // Later another request makes the store drop the use; then the clock falls back to where the visa still lives.
    for seconds in [800, 590] {
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, at(seconds)).unwrap();
        publisher.supply(JWKS_URL, &jwks(), None, at(seconds)).unwrap();
        if seconds == 800 {
            let other = Signed::new(
                &identity(1),
                &SignRequest::new("GET", URL, Purpose::RagRetrieval),
                at(800),
                "nonce-0000000002",
            );
            assert_eq!(other.start(&publisher, at(800)).verdict.code, None);
        }
    }
    let verdict = premium("nonce-0000000003", &token, 590).start(&publisher, at(590)).verdict;
    assert!(matches!(verdict.code, Some(Code::PaymentExpired | Code::TimeExpired)), "{verdict:?}");
}

/// A token with any claims, signed by the broker.
fn token(typ: Option<&str>, change: impl FnOnce(&mut Object<'static>)) -> String {
    common::world::token("jti-0001", change, |header| {
        match typ {
            Some(typ) => header.insert("typ", typ.to_owned()),
            None => header.remove("typ"),
        };
    })
}

#[test]
fn tokens_of_unclear_kind_or_count_are_refused() {
    let agent = publisher(POLICY);
    let verify =
        |publisher: &Publisher, nonce: &str, token: &str| premium(nonce, token, 0).verify(publisher).code;
    assert_eq!(verify(&agent, "nonce-0000000001", &token(None, |_| ())), Some(Code::PaymentInvalidToken));
    assert_eq!(
        verify(&agent, "nonce-0000000002", &token(Some("imagxp-adproof+jwt"), |_| ())),
        Some(Code::PaymentInvalidToken)
    );
    assert_eq!(verify(&agent, "nonce-0000000003", &token(Some("application/imagxp-visa+jwt"), |_| ())), None);
    let bearer = publisher(&POLICY.replace("jwks.json\"}", "jwks.json\",\"binding\":\"bearer\"}"));
    let plain = token(None, |claims| {
        claims.remove("jti");
        claims.remove("sub");
    });
    for nonce in ["nonce-0000000004", "nonce-0000000005"] {
        let verdict = premium(nonce, &plain, 0).verify(&bearer);
        assert_eq!((verdict.code, verdict.warnings[0].as_str()), (None, "payment.bearer"));
    }
    let uncountable = token(None, |claims| {
        claims.remove("jti");
        claims.insert("max_uses", 1);
    });
    assert_eq!(verify(&bearer, "nonce-0000000006", &uncountable), Some(Code::PaymentInvalidToken));
    // Another serialiser's small number, exactly.
    let number = imagxp::json::parse(b"1e-2", &imagxp::json::Limits::CLAIM).unwrap().into_owned();
    let small = token(Some("JWT"), |claims| {
        drop((claims.insert("amount", number), claims.insert("jti", "jti-0009")))
    });
    assert_eq!(verify(&agent, "nonce-0000000007", &small), None);
}

#[test]
fn a_busy_fetcher_shuts_nobody_out_for_long() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    publisher.supply_failure(JWKS_URL, FetchFailure::Busy, now()).unwrap();
    let token = visa("jti-0001", |_| ());
    let code = |seconds: i64| {
        premium("nonce-0000000001", &token, seconds).start(&publisher, at(seconds)).verdict.code
    };
    assert_eq!(code(1), Some(Code::PaymentJwksUnavailable));
    let later = premium("nonce-0000000002", &token, 2).start(&publisher, at(2)).verdict;
    assert_eq!(later.code, Some(Code::PaymentJwksNeeded));
}

#[test]
fn a_path_claim_still_names_one_of_our_sites() {
    let publisher = publisher(&changed(r#""resource_match":"path""#));
    let evil = Identity::parse(AGENT, key(1, Algorithm::Es256), false).unwrap();
    let request = SignRequest::new("GET", "https://evil.example/posts/1", Purpose::RagRetrieval);
    let mut relayed = Signed::new(&evil, &request, now(), "nonce-0000000001");
    relayed.url = "/posts/1".into();
    assert_eq!(relayed.verify(&publisher).code, Some(Code::ClaimResourceMismatch));
}

#[test]
fn an_agent_with_broken_headers_is_no_client() {
    let verdict =
        Signed::read("nonce-0000000001").with("x-imagxp-payload", "e30=").verify(&publisher(POLICY));
    assert_eq!((verdict.code, verdict.visitor), (Some(Code::HeaderDuplicate), Visitor::InvalidAgent));
}

#[test]
fn a_manifest_has_at_most_eight_keys_in_all() {
    let spki = |seed: u8| key(seed, Algorithm::EdDsa).public_key().to_spki_base64();
    let keys: Vec<Value<'_>> = (1..=8)
        .map(|seed| {
            let mut entry = Object::new();
            entry.insert("public_key", spki(seed));
            entry.insert("alg", "Ed25519");
            Value::Object(entry)
        })
        .collect();
    let mut manifest = Object::new();
    manifest.insert("agent_id", AGENT);
    manifest.insert("keys", keys);
    let agent = imagxp::AgentId::parse(AGENT, false).unwrap();
    let parse = |manifest: &Object<'_>| {
        imagxp::Manifest::parse(&imagxp::json::object_to_canonical(manifest), &agent, 16_384)
    };
    assert_eq!(parse(&manifest).unwrap().keys().len(), 8);
    manifest.insert("public_key", spki(1));
    assert_eq!(parse(&manifest).unwrap().keys().len(), 8);
    manifest.insert("public_key", spki(9));
    assert_eq!(parse(&manifest).unwrap_err().code(), "identity.manifest_invalid");
}
