//! Feedback at the publisher: clock, replay and order rules as for requests (PROTOCOL §11).
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::Identity;
use imagxp::crypto::Algorithm;
use imagxp::feedback::{Feedback, Reason, Score, header_value};
use imagxp::publisher::{FetchFailure, NeedKind, Outcome, Warning};
use imagxp::replay::{Insert, LaterReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Code, Publisher, Timestamp};
use std::sync::Arc;

const NONCE: &str = "feedback-nonce-0001";

fn publisher() -> Publisher {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    publisher
}

fn feedback() -> Feedback {
    Feedback::new(URL, Score::from_millionths(100_000).unwrap(), Reason::SeoSpam)
}

fn by(seed: u8, nonce: &str) -> Vec<u8> {
    feedback().sign(&identity(seed), now(), nonce).unwrap()
}

/// The seed's form: neither agent_id nor ts nor nonce.
fn seed_form() -> Vec<u8> {
    let unsigned = format!(r#"{{"quality_score":0.1,"reason":"SEO_SPAM","url":"{URL}"}}"#);
    let signature = key(1, Algorithm::Es256).sign(unsigned.as_bytes()).to_hex();
    format!(r#"{{"signature":"{signature}",{}"#, unsigned.trim_start_matches('{')).into_bytes()
}

fn code(publisher: &Publisher, value: &[u8]) -> Option<&'static str> {
    let taken = publisher.feedback(value, None, now());
    assert_eq!(taken.feedback.is_some(), taken.verdict.is_allowed());
    taken.verdict.code.map(Code::as_str)
}

#[test]
fn good_feedback_counts_once() {
    let publisher = publisher();
    let value = header_value(&by(1, NONCE));
    let taken = publisher.feedback(value.as_bytes(), None, now());
    assert_eq!(taken.verdict.code, None);
    assert_eq!(taken.verdict.agent_id.unwrap().as_str(), AGENT);
    assert_eq!(taken.verdict.resource.as_deref(), Some(URL));
    assert_eq!(taken.feedback.unwrap().quality_score.millionths(), 100_000);
    assert_eq!(code(&publisher, value.as_bytes()), Some("replay.nonce_seen"));
    assert_eq!(code(&publisher, &by(1, NONCE)), Some("replay.nonce_seen"));
    assert_eq!(code(&publisher, &by(1, "feedback-nonce-0002")), None);
}

#[test]
fn a_store_that_answers_later_is_asked_once_the_signature_holds() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::new(LaterReplayStore));
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    let forged = publisher.feedback(&by(2, NONCE), None, now());
    assert_eq!((forged.verdict.code, forged.insertion), (Some(Code::SigInvalid), None));
    let value = by(1, NONCE);
    let first = publisher.feedback(&value, None, now());
    assert_eq!((first.verdict.outcome, first.verdict.http), (Outcome::Undecided, 503));
    assert_eq!(first.verdict.needs.first().unwrap().kind, NeedKind::Replay);
    let entry = first.insertion.unwrap();
    for (answer, code) in [
        (Insert::Fresh, None),
        (Insert::Seen, Some(Code::ReplayNonceSeen)),
        (Insert::Error, Some(Code::ReplayStoreError)),
        (Insert::Later, Some(Code::ReplayStoreError)),
    ] {
        let taken = publisher.feedback_inserted(&value, None, &entry, answer, now());
        assert_eq!((taken.verdict.code, taken.insertion), (code, None), "{answer:?}");
    }
    // The answer about one is no answer about another.
    let other =
        publisher.feedback_inserted(&by(1, "feedback-nonce-0002"), None, &entry, Insert::Fresh, now());
    assert!(other.feedback.is_none() && other.insertion.is_some());
}

#[test]
fn nonces_of_requests_and_of_feedback_are_apart() {
    let publisher = publisher();
    assert_eq!(code(&publisher, &by(1, NONCE)), None);
    assert!(Signed::read(NONCE).verify(&publisher).is_allowed());
}

#[test]
fn a_forgery_burns_nothing() {
    let publisher = publisher();
    // The manifest was fetched just now, so a refresh is not due: the signature is simply wrong.
    assert_eq!(code(&publisher, &by(2, NONCE)), Some("sig.invalid"));
    assert_eq!(code(&publisher, &by(1, NONCE)), None);
}

#[test]
fn time_rules_are_those_of_requests() {
    for (seconds, expected) in
        [(300, None), (301, Some("time.expired")), (-60, None), (-61, Some("time.future"))]
    {
        let publisher = publisher();
        publisher.supply(MANIFEST_URL, &manifest(&[1]), Some(3600), now()).unwrap();
        let at = now().saturating_add_secs(seconds);
        let taken = publisher.feedback(&by(1, NONCE), None, at);
        let code = taken.verdict.code.map(Code::as_str);
        assert_eq!(code, expected, "{seconds}");
    }
}

#[test]
fn only_about_this_site_and_by_a_named_agent() {
    let publisher = publisher();
    let elsewhere = Feedback { url: "https://other.example/".into(), ..feedback() };
    let value = elsewhere.sign(&identity(1), now(), NONCE).unwrap();
    assert_eq!(code(&publisher, &value), Some("claim.resource_mismatch"));
    assert_eq!(code(&publisher, &seed_form()), Some("auth.required"));
    assert_eq!(code(&publisher, b"{}"), Some("feedback.malformed"));
    assert_eq!(code(&publisher, &vec![b'A'; 13_000]), Some("header.too_large"));
    let local = Identity::parse("localhost", key(1, Algorithm::Es256), true).unwrap();
    assert_eq!(code(&publisher, &feedback().sign(&local, now(), NONCE).unwrap()), Some("feedback.malformed"));
}

#[test]
fn the_seeds_form_counts_with_the_request_that_carries_it() {
    let publisher = publisher();
    let carrier = Signed::read("request-nonce-0001").verify(&publisher);
    let taken = publisher.feedback(&seed_form(), Some(&carrier), now());
    assert!(taken.verdict.is_allowed(), "{:?}", taken.verdict);
    let again = publisher.feedback(&seed_form(), Some(&carrier), now());
    assert_eq!(again.verdict.code, Some(Code::ReplayNonceSeen));
    // Without a time of its own it is kept for the window and 65 s. When the store has forgotten that, beside what it takes, it counts again.
    for (seconds, expected) in [(364, Some(Code::ReplayNonceSeen)), (900, None)] {
        let later = now().saturating_add_secs(seconds);
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, later).unwrap();
        let beside = feedback().sign(&identity(1), later, &format!("feedback-nonce-{seconds}")).unwrap();
        assert!(publisher.feedback(&beside, None, later).verdict.is_allowed());
        let taken = publisher.feedback(&seed_form(), Some(&carrier), later);
        assert_eq!(taken.verdict.code, expected, "{seconds}");
    }
    let other = Identity::parse("other.example", key(1, Algorithm::Es256), false).unwrap();
    let value = feedback().sign(&other, now(), NONCE).unwrap();
    let taken = publisher.feedback(&value, Some(&carrier), now());
    assert_eq!(taken.verdict.code, Some(Code::HeaderConflict));
}

#[test]
fn a_missing_manifest_is_named_and_nothing_is_spent() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    let taken = publisher.feedback(&by(1, NONCE), None, now());
    assert_eq!(taken.verdict.outcome, Outcome::Undecided);
    assert_eq!(taken.verdict.needs[0].url, MANIFEST_URL);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    assert_eq!(code(&publisher, &by(1, NONCE)), None);
}

#[test]
fn a_rotated_key_is_found_by_one_refresh() {
    let publisher = publisher();
    let later = now().saturating_add_secs(31);
    let value = feedback().sign(&identity(2), later, NONCE).unwrap();
    assert_eq!(publisher.feedback(&value, None, later).verdict.needs.len(), 1);
    publisher.supply(MANIFEST_URL, &manifest(&[1, 2]), None, later).unwrap();
    assert!(publisher.feedback(&value, None, later).verdict.is_allowed());
}

#[test]
fn a_rotated_key_is_undecided_while_the_manifest_cannot_be_fetched() {
    for (failure, again) in [(FetchFailure::Failed, 30), (FetchFailure::Busy, 2)] {
        let publisher = publisher();
        let at = |seconds: i64| now().saturating_add_secs(31 + seconds);
        let value = feedback().sign(&identity(2), at(0), NONCE).unwrap();
        publisher.supply_failure(MANIFEST_URL, failure, at(0)).unwrap();
        let verdict = publisher.feedback(&value, None, at(again - 1)).verdict;
        assert_eq!((verdict.code, verdict.outcome), (Some(failure.code()), Outcome::Undecided));
        assert_eq!(publisher.feedback(&value, None, at(again)).verdict.needs.len(), 1);
        publisher.supply(MANIFEST_URL, &manifest(&[1, 2]), None, at(again)).unwrap();
        assert!(publisher.feedback(&value, None, at(again)).verdict.is_allowed());
    }
}

/// By an agent of this machine, to who develops here.
#[test]
fn an_agent_of_this_machine_counts_where_the_policy_says_so() {
    let loopback = POLICY.replacen(r#""version":1"#, r#""version":1,"allow_loopback":true"#, 1);
    let publisher = Publisher::new(policy(&loopback), [7; 16]);
    let local = Identity::parse("localhost:8000", key(1, Algorithm::Es256), true).unwrap();
    let value = feedback().sign(&local, now(), NONCE).unwrap();
    let need = publisher.feedback(&value, None, now()).verdict.needs.remove(0);
    let manifest = local.manifest(None, &[]).unwrap().to_json();
    publisher.supply(&need.url, &manifest, None, now()).unwrap();
    assert_eq!(code(&publisher, &value), None);
    let elsewhere = Publisher::new(policy(POLICY), [7; 16]);
    assert!(elsewhere.supply(&need.url, &manifest, None, now()).is_err());
}

#[test]
fn a_stale_manifest_is_said_of_feedback_too() {
    let publisher = publisher();
    publisher.supply(MANIFEST_URL, &manifest(&[1]), Some(0), now()).unwrap();
    let later = now().saturating_add_secs(299);
    publisher.supply_failure(MANIFEST_URL, FetchFailure::Failed, later).unwrap();
    let taken = publisher.feedback(&by(1, NONCE), None, later);
    assert_eq!((taken.verdict.code, taken.verdict.warnings), (None, vec![Warning::ManifestStale]));
}

/// Forgets whatever ends by a certain time.
struct Forgetful(Timestamp);

impl ReplayStore for Forgetful {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Fresh
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        Seen::No
    }

    fn horizon(&self) -> Option<Timestamp> {
        Some(self.0)
    }
}

#[test]
fn feedback_of_a_time_that_was_forgotten_is_not_taken() {
    for (seconds, expected) in [(299, None), (300, Some("time.expired"))] {
        let store = Arc::new(Forgetful(now().saturating_add_secs(seconds)));
        let publisher = Publisher::new(policy(POLICY), [7; 16]).with_replay_store(store);
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
        assert_eq!(code(&publisher, &by(1, NONCE)), expected, "{seconds}");
    }
}
