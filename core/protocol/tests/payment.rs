//! What an agent pays for, and with which key (PROTOCOL §8). What reaches real brokers is tested in `imagxp-fetch`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod common;

use common::world::*;
use imagxp::Purpose;
use imagxp::agent::Identity;
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions, Receipts};
use imagxp::agent::spend::Caps;
use imagxp::agent::visit::{Action, Event};
use imagxp::crypto::Algorithm;
use std::sync::Arc;

const NONCE: &str = "0123456789abcdef";

const OFFER: &[u8] = br#"{"offer":{"price":"0.01","currency":"USD","purposes":["RAG_RETRIEVAL"],
    "brokers":[{"issuer":"https://broker.example","token_endpoint":"https://broker.example/oauth/token"}]}}"#;

/// Pays what [`OFFER`] asks for.
fn payer(identity: Identity, purse: Arc<Purse>) -> imagxp::Result<Reader> {
    let options = ReaderOptions {
        receipts: Receipts::Ignore,
        brokers: vec![TrustedBroker::new("https://broker.example", false).unwrap()],
        discover: false,
        ..ReaderOptions::new(Purpose::RagRetrieval, "TestBot")
    };
    Reader::new(identity, options, purse)
}

fn answer(status: u16, body: &[u8]) -> Event<'_> {
    Event::Answered { status, headers: &[], body }
}

/// What a broker answers that has sold this visa.
fn sold(visa: &str) -> Vec<u8> {
    format!(r#"{{"access_token":"{visa}","token_type":"Bearer"}}"#).into_bytes()
}

/// A key that no broker could be asked with is refused before anything is asked for; without brokers it reads.
#[test]
fn an_ed25519_key_pays_no_broker() {
    let made = |algorithm| {
        let identity = Identity::parse(AGENT, key(1, algorithm), false).unwrap();
        payer(identity, Arc::new(Purse::in_memory([])))
    };
    assert_eq!(made(Algorithm::EdDsa).unwrap_err().code(), "usage.argument");
    assert!(made(Algorithm::Es256).is_ok());
    let identity = Identity::parse(AGENT, key(1, Algorithm::EdDsa), false).unwrap();
    let options = ReaderOptions::new(Purpose::RagRetrieval, "TestBot");
    assert!(Reader::new(identity, options, Arc::new(Purse::in_memory([]))).is_ok());
}

/// What a broker sold to the key of then is paid and of no use; the next visa is bought with the key of now.
#[test]
fn a_payment_of_unknown_end_outlives_no_rotation() {
    let purse = Arc::new(Purse::in_memory([Caps::new("USD", "1").unwrap()]));
    let ask = |seed: u8, name: &str| {
        let reader = Arc::new(payer(identity(seed), Arc::clone(&purse)).unwrap());
        let mut visit = reader.visit("GET", URL, None).unwrap();
        visit.step(&Event::Start, now(), NONCE);
        let action = visit.step(&answer(402, OFFER), now(), name);
        let Action::RequestToken(request) = action else { panic!("{action:?}") };
        (visit, request.headers[2].1.clone())
    };
    let books = || {
        let books = purse.spend().snapshot();
        (books.spent("USD").to_string(), books.open().len())
    };
    let old = sold(&visa("visa-of-the-old-key", |_| ()));
    let (mut visit, first) = ask(1, "purchase-of-key-1");
    visit.step(&Event::Failed { sent: true, detail: "cut off" }, now(), NONCE);
    assert_eq!(books(), ("0.01".into(), 1));

    // The broker says what it said to the old key: that one is over, and another is asked for.
    let (mut visit, again) = ask(2, "purchase-of-key-2");
    assert_eq!((first.as_str(), &again), ("purchase-of-key-1", &first));
    let action = visit.step(&answer(200, &old), now(), "purchase-of-key-2");
    let Action::RequestToken(request) = action else { panic!("{action:?}") };
    assert_eq!((request.headers[2].1.as_str(), books()), ("purchase-of-key-2", ("0.02".into(), 1)));
    let new = sold(&visa("visa-of-the-new-key", |visa| {
        visa.key = Some(Box::leak(Box::new(*identity(2).public_key().thumbprint())));
    }));
    let action = visit.step(&answer(200, &new), now(), NONCE);
    assert!(matches!(action, Action::Send(_)), "{action:?}");
    assert_eq!(books(), ("0.02".into(), 0));

    // A purchase of its own that is answered with another's visa is not known to be paid.
    let (mut visit, _) = ask(2, "purchase-of-key-3");
    let Action::Refused(refusal) = visit.step(&answer(200, &old), now(), NONCE) else { panic!() };
    assert_eq!((refusal.error.code(), books()), ("spend.unknown", ("0.03".into(), 1)));
    // Neither is one whose visa is wrong in more than its key.
    let other = sold(&visa("visa-for-another-site", |visa| visa.audience = "https://other.example"));
    let (mut visit, _) = ask(2, "purchase-of-key-4");
    let Action::Refused(refusal) = visit.step(&answer(200, &other), now(), NONCE) else { panic!() };
    assert_eq!((refusal.error.code(), books()), ("spend.unknown", ("0.03".into(), 1)));
}
