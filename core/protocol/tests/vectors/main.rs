//! The project's own vectors, `tests/vectors/*.json`: made by the core, read by every language.
//!
//! Each file is `{"about", "cases": [conformance case with its `expect`]}`. The test compares the files with what the core makes now;
//! `UPDATE=1 cargo test -p imagxp --test vectors` rewrites them. What the core answers is not taken on trust: each case states its
//! outcome here, and the runners of all languages check it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod address;
mod assertion;
mod audit;
#[path = "../common/mod.rs"]
mod common;
mod feedback;
mod json;
mod manifest;
mod offer;
mod policy;
mod provenance;
mod resource;
mod sign;
mod spend;
mod visa;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::json::{Limits, canonicalize};
use imagxp::{Purpose, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

/// The private key of a seed as a JWK: these keys are public test data.
fn private_jwk(seed: u8, algorithm: Algorithm) -> Value {
    let key = key(seed, algorithm);
    let mut jwk: Value = from_core(&imagxp::json::object_to_canonical(&key.public_key().to_jwk()));
    // The secret half is the PKCS#8 form's only variable part; take it from there rather than repeat the generator's rule.
    let der = key.to_pkcs8_der();
    let secret = match algorithm {
        Algorithm::EdDsa => &der[16..48],
        _ => &der[36..68],
    };
    jwk["d"] = json!(imagxp::encoding::base64url_encode(secret));
    let check = imagxp::json::parse_object(jwk.to_string().as_bytes(), &Limits::CLAIM).unwrap().into_owned();
    assert_eq!(PrivateKey::from_jwk(&check).unwrap().public_key(), key.public_key());
    jwk
}

fn from_core(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

const TIME: &str = "2026-03-01T12:00:00.000Z";

/// A policy as an object, with members replaced.
fn policy_with(changes: Value) -> Value {
    let mut policy: Value = serde_json::from_str(POLICY).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

fn request(signed: &Signed) -> Value {
    let headers: Vec<Value> = signed
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8(value.clone()).unwrap()]))
        .collect();
    let mut request = json!({ "method": signed.method, "url": signed.url, "headers": headers });
    if let Some(digest) = &signed.body_digest {
        request["body_digest"] = json!(digest);
    }
    request
}

fn verify_case(id: &str, why: &str, policy: Value, signed: &Signed, expect: Value) -> Value {
    json!({
        "id": id, "why": why, "op": "verify", "now": TIME, "policy": policy,
        "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "jwks": { JWKS_URL: from_core(&jwks()) },
        "request": request(signed), "expect": expect,
    })
}

fn deny(code: imagxp::Code) -> Value {
    let outcome = if code.is_undecided() { "undecided" } else { "deny" };
    json!({ "outcome": outcome, "code": code.as_str(), "http": code.http() })
}

fn signed(number: u32, change: impl FnOnce(&mut SignRequest<'_>)) -> Signed {
    let mut request = SignRequest::new("GET", URL, Purpose::RagRetrieval);
    change(&mut request);
    Signed::new(&identity(1), &request, now(), &format!("vector-{number:012}"))
}

#[test]
fn files_are_what_the_core_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let update = std::env::var_os("UPDATE").is_some();
    assert_eq!(Timestamp::parse(TIME), Some(now()));
    for (name, about, cases) in [
        ("sign", "signing: key, request and time in, headers out", sign::cases()),
        ("policy", "evaluation of policies (PROTOCOL §7)", policy::cases()),
        ("visa", "visas: verification and issuing (PROTOCOL §8)", visa::cases()),
        ("json", "strict I-JSON and RFC 8785", json::cases()),
        ("manifest", "manifests (PROTOCOL §4)", manifest::cases()),
        ("provenance", "provenance receipts (PROTOCOL §10)", provenance::cases()),
        ("feedback", "feedback (PROTOCOL §11)", feedback::cases()),
        ("address", "addresses that a fetch may connect to (PROTOCOL §4)", address::cases()),
        ("audit", "evidence and inclusion proofs of audit logs (PROTOCOL §12)", audit::cases()),
        ("offer", "offers of 402 answers, and whom an agent pays (PROTOCOL §8)", offer::cases()),
        ("spend", "an agent's caps and payments", spend::cases()),
        ("assertion", "client assertions (RFC 7523)", assertion::cases()),
        ("resource", "what a claim asks for, and what is requested (PROTOCOL §5 step 6)", resource::cases()),
    ] {
        let file = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&json!({ "about": about, "cases": cases })).unwrap() + "\n";
        if update {
            std::fs::write(&file, text).unwrap();
        } else {
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(found, text, "{} is out of date: run with UPDATE=1", file.display());
        }
    }
}
