//! Stores that answer later, and remember here what they have answered: what a request has stored itself must not refuse it, nor count twice.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::Algorithm;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::manifest::ManifestKey;
use imagxp::publisher::Pending;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{AgentId, Code, Manifest, Publisher, Purpose, Timestamp};
use std::sync::Arc;

/// Looks at once, inserts later.
#[derive(Default)]
struct Remembering(MemoryReplayStore);

impl ReplayStore for Remembering {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Later
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.0.seen(key, now)
    }
}

fn remembering() -> (Publisher, Arc<Remembering>) {
    let store = Arc::new(Remembering::default());
    let publisher = Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::clone(&store) as _);
    (know(publisher), store)
}

/// Does the one insertion that it waits for.
fn insert(store: &Remembering, pending: &mut Pending) -> Insert {
    let entry = *pending.insertion().unwrap();
    let answer = store.0.insert_if_absent(&entry, now());
    pending.inserted(answer);
    answer
}

#[test]
fn a_copy_that_was_answered_meanwhile_does_not_refuse_the_first() {
    let (publisher, store) = remembering();
    let signed = Signed::read("nonce-0000000001");
    let ask = || signed.start(&publisher, now()).pending.unwrap();
    let (mut first, mut copy) = (ask(), ask());
    assert_eq!(insert(&store, &mut first), Insert::Fresh);
    assert_eq!(insert(&store, &mut copy), Insert::Seen);
    assert_eq!(publisher.resume(first, now()).verdict.code, None);
    assert_eq!(publisher.resume(copy, now()).verdict.code, Some(Code::ReplayNonceSeen));
    let again = signed.start(&publisher, now());
    assert_eq!((again.verdict.code, again.pending.is_none()), (Some(Code::ReplayNonceSeen), true));
}

#[test]
fn a_use_that_was_counted_for_a_request_is_not_counted_again() {
    let (publisher, store) = remembering();
    let token = visa("jti-0001", |visa| visa.max_uses = 3);
    let begin = |nonce: &str| {
        let request = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        let mut pending =
            Signed::new(&identity(1), &request, now(), nonce).start(&publisher, now()).pending.unwrap();
        assert_eq!(insert(&store, &mut pending), Insert::Fresh, "the nonce");
        publisher.resume(pending, now()).pending.unwrap()
    };
    // Both ask for the first use; the second is told to take the next, and has it before the first goes on.
    let (mut one, mut two) = (begin("nonce-0000000001"), begin("nonce-0000000002"));
    assert_eq!(insert(&store, &mut one), Insert::Fresh);
    assert_eq!(insert(&store, &mut two), Insert::Seen);
    let mut two = publisher.resume(two, now()).pending.unwrap();
    assert_eq!(insert(&store, &mut two), Insert::Fresh);
    for pending in [one, two] {
        let verification = publisher.resume(pending, now());
        assert_eq!((verification.verdict.code, verification.pending.is_none()), (None, true));
    }
    // What is known is not asked for one by one.
    let mut three = begin("nonce-0000000003");
    assert_eq!(insert(&store, &mut three), Insert::Fresh);
    assert_eq!(publisher.resume(three, now()).verdict.code, None);
    let request = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    let mut four = Signed::new(&identity(1), &request, now(), "nonce-0000000004")
        .start(&publisher, now())
        .pending
        .unwrap();
    insert(&store, &mut four);
    assert_eq!(publisher.resume(four, now()).verdict.code, Some(Code::PaymentAlreadyUsed));
}

#[test]
fn feedback_does_not_meet_itself() {
    let (publisher, store) = remembering();
    let feedback = Feedback::new(URL.to_owned(), Score::parse("0.5").unwrap(), Reason::Other);
    let value = feedback.sign(&identity(1), now(), "feedback-nonce-0001").unwrap();
    let entry = publisher.feedback(&value, None, now()).insertion.unwrap();
    let answer = store.0.insert_if_absent(&entry, now());
    let taken = publisher.feedback_inserted(&value, None, &entry, answer, now());
    assert!(taken.feedback.is_some(), "{:?}", taken.verdict.code);
    assert_eq!(publisher.feedback(&value, None, now()).verdict.code, Some(Code::ReplayNonceSeen));
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let (publisher, store) = remembering();
    let mut pending = Signed::read("nonce-0000000001").start(&publisher, now()).pending.unwrap();
    assert_eq!(insert(&store, &mut pending), Insert::Fresh);
    assert!(pending.insertion().is_none());
    pending.inserted(Insert::Seen);
    assert_eq!(publisher.resume(pending, now()).verdict.code, None);
}

#[test]
fn a_broker_is_shown_a_key_as_long_as_the_manifest_is_at_hand() {
    let publisher = publisher(&POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}"));
    let token = visa("jti-0001", |_| ());
    let ask = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    let signed = Signed::new(&identity(1), &ask, now(), "nonce-0000000001").without("x-imagxp-public-key");
    let waits = signed.start(&publisher, now());
    let pending = waits.pending.unwrap();
    assert!(publisher.presented(&waits.verdict, &pending, now()).is_ok());
    let tomorrow = now().saturating_add_secs(2 * 86_400);
    let gone = publisher.presented(&waits.verdict, &pending, tomorrow).unwrap_err();
    assert!(gone.to_string().contains("not at hand"), "{gone}");
    let mut ended = ManifestKey::new(key(1, Algorithm::Es256).public_key().clone());
    ended.not_after = Some(now().saturating_add_secs(-1));
    let ended = Manifest::new(AgentId::parse(AGENT, false).unwrap(), None, vec![ended]).unwrap();
    publisher.supply(MANIFEST_URL, &ended.to_json(), None, now()).unwrap();
    assert!(
        publisher.presented(&waits.verdict, &pending, now()).is_ok(),
        "it was good when the request came"
    );
    publisher.supply(MANIFEST_URL, &manifest(&[2]), None, now()).unwrap();
    let exchanged = publisher.presented(&waits.verdict, &pending, now()).unwrap_err();
    assert!(exchanged.to_string().contains("does not list the key"), "{exchanged}");
}
