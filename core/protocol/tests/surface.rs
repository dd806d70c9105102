//! The Rust column of tests/surface.json: each name is referred to here, so it exists, and nothing in the column is missing here.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use imagxp::agent::offer::Offer;
use imagxp::agent::reader::Reader;
use imagxp::agent::spend::Spend;
use imagxp::agent::token_request::{TokenAnswer, TokenRequest};
use imagxp::agent::visit::Visit;
use imagxp::agent::{Identity, assertion};
use imagxp::crypto::{PrivateKey, PublicKey};
use imagxp::digest::content_digest;
use imagxp::feedback::{Feedback, SignedFeedback, header_value};
use imagxp::provenance::{Receipt, SignedReceipt};
use imagxp::publisher::Pending;
use imagxp::replay::MemoryReplayStore;
use imagxp::token::verify_token;
use imagxp::visa::issue;
use imagxp::{AgentId, Code, Manifest, Policy, Publisher, VERSION, Verdict, json};
use std::collections::BTreeSet;

/// Refers to each item, which proves that it exists, and lists the names.
macro_rules! names {
    ($($item:expr),* $(,)?) => {{
        $(let _ = $item;)*
        [$(stringify!($item)),*].map(|name| name.replace(' ', "")).into_iter().collect::<BTreeSet<String>>()
    }};
}

#[test]
fn the_rust_column_is_true() {
    let here = names![
        PrivateKey::generate,
        Offer::parse,
        Offer::choose,
        Spend::reserve,
        Spend::settle,
        Spend::to_json,
        Spend::from_json,
        Identity::assert_client,
        assertion::verify,
        assertion::read_agent,
        TokenRequest::new,
        TokenAnswer::read,
        Reader::visit,
        Visit::step,
        Reader::new,
        PrivateKey::from_pem,
        PrivateKey::from_pkcs8_der,
        PrivateKey::from_jwk,
        PrivateKey::to_pem,
        PrivateKey::public_key,
        PublicKey::from_pem,
        PublicKey::from_spki_der,
        PublicKey::from_jwk,
        PublicKey::algorithm,
        PublicKey::to_spki_der,
        PublicKey::to_pem,
        PublicKey::to_jwk,
        PublicKey::thumbprint,
        PublicKey::verify,
        Identity::new,
        Identity::with_signer,
        Identity::sign,
        Identity::manifest,
        Manifest::to_json,
        Manifest::parse,
        AgentId::parse,
        json::canonicalize,
        Policy::from_json,
        Policy::public_json,
        Policy::remarks,
        Policy::schema,
        Publisher::new,
        Publisher::verify,
        Publisher::resume,
        Publisher::explain,
        Publisher::supply,
        Publisher::supply_failure,
        Publisher::with_replay_store,
        Pending::redeemed,
        Receipt::sign,
        Receipt::check,
        Receipt::describes,
        SignedReceipt::from_headers,
        SignedReceipt::publisher,
        SignedReceipt::verify,
        Feedback::sign,
        header_value,
        Publisher::feedback,
        SignedFeedback::parse,
        SignedFeedback::verify,
        MemoryReplayStore::new,
        Verdict::to_json,
        Verdict::body,
        verify_token,
        issue,
        content_digest,
        Code::ALL,
        Code::as_str,
        Code::number,
        Code::http,
        Code::message,
        Code::hint,
        VERSION,
    ];
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/surface.json")).unwrap();
    let surface: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let mut listed = BTreeSet::new();
    for operation in surface["operations"].as_array().unwrap() {
        for name in operation["rust"].as_array().unwrap() {
            listed.insert(name.as_str().unwrap().to_owned());
        }
        for language in ["rust", "c", "python"] {
            let gap = surface["gaps"][language][operation["name"].as_str().unwrap()].as_str();
            let offered = operation[language].as_array().is_some_and(|names| !names.is_empty());
            assert!(
                offered != gap.is_some_and(|reason| !reason.is_empty()),
                "{language} {}: offered, or a gap with a reason",
                operation["name"]
            );
        }
    }
    assert_eq!(here, listed);
}
