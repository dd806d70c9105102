//! The Rust column of tests/surface.json: each name is referred to here, so it exists, and nothing in the column is missing here.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use imagxp::agent::offer::Offer;
use imagxp::agent::reader::Reader;
use imagxp::agent::rotation::Rotation;
use imagxp::agent::spend::Spend;
use imagxp::agent::token_request::{TokenAnswer, TokenRequest};
use imagxp::agent::visit::Visit;
use imagxp::agent::{Identity, assertion};
use imagxp::audit::proof::{Plan, verify_consistency, verify_inclusion};
use imagxp::audit::{Entry, Evidence, Log, SignedCheckpoint, verify_entry};
use imagxp::crypto::{PrivateKey, PublicKey};
use imagxp::digest::content_digest;
use imagxp::discovery::{Access, Preferences, PublicPolicy, Robots, emit, link};
use imagxp::feedback::{Feedback, SignedFeedback, header_value};
use imagxp::provenance::{Receipt, SignedReceipt};
use imagxp::publisher::{Pending, Redemption};
use imagxp::replay::{LaterReplayStore, MemoryReplayStore};
use imagxp::token::verify_token;
use imagxp::visa::{issue, redeem_body};
use imagxp::{AgentId, Code, Manifest, Policy, Publisher, VERSION, Verdict, address, json};
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
        assertion::verify_hot,
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
        Identity::with_public_key,
        Identity::prepare,
        Identity::prepare_assertion,
        Identity::sign,
        Identity::sign_batch,
        Identity::manifest,
        Manifest::to_json,
        Manifest::parse,
        Manifest::response,
        Rotation::new,
        Rotation::parse,
        Rotation::to_json,
        Rotation::prepare,
        Rotation::publish,
        Rotation::switch,
        Rotation::retire,
        Rotation::abort,
        Rotation::revoke,
        Rotation::manifest,
        Rotation::ready_at,
        AgentId::parse,
        address::is_public,
        address::is_public_text,
        json::canonicalize,
        Policy::from_json,
        Policy::public_json,
        Policy::remarks,
        Policy::schema,
        Publisher::new,
        Publisher::with_first_trace,
        Publisher::verify,
        Publisher::verify_for,
        Publisher::verify_batch,
        Publisher::resume,
        Publisher::explain,
        Publisher::supply,
        Publisher::supply_failure,
        Publisher::with_replay_store,
        Publisher::with_rate_store,
        Pending::redeemed,
        Publisher::presented,
        Publisher::presented_of,
        redeem_body,
        Redemption::of_answer,
        Redemption::of_answers,
        Pending::insertion,
        Pending::inserted,
        Publisher::feedback_inserted,
        LaterReplayStore,
        Receipt::sign,
        Receipt::prepare,
        Receipt::check,
        Receipt::describes,
        SignedReceipt::from_headers,
        SignedReceipt::publisher,
        SignedReceipt::verify,
        Feedback::sign,
        Feedback::prepare,
        header_value,
        Publisher::feedback,
        SignedFeedback::parse,
        SignedFeedback::verify,
        MemoryReplayStore::new,
        Publisher::with_audit,
        Log::follow,
        Entry::parse,
        Plan::inclusion,
        Plan::consistency,
        Evidence::parse,
        Evidence::verify,
        verify_entry,
        verify_inclusion,
        verify_consistency,
        SignedCheckpoint::verify,
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
        Robots::parse,
        Robots::allows,
        Robots::policy_urls,
        Access::from_answer,
        link::policy_url,
        Preferences::read,
        Preferences::to_json,
        emit::emit,
        PublicPolicy::parse,
        VERSION,
    ];
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/surface.json")).unwrap();
    let surface: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let mut listed = BTreeSet::new();
    for operation in surface["operations"].as_array().unwrap() {
        for name in operation["rust"].as_array().unwrap() {
            // The other crates' names are their own tests' business.
            listed.extend(name.as_str().filter(|name| !name.starts_with("imagxp_")).map(str::to_owned));
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
