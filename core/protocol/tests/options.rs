//! What a publisher is made with: limits, a rate store, verdicts that were rebuilt.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::limits::Limits;
use imagxp::publisher::{FetchFailure, MemoryRateStore, PaymentState, RateStore};
use imagxp::replay::{Insert, ReplayEntry, ReplayStore, Seen};
use imagxp::{AgentId, Code, Error, Publisher, Timestamp, Verdict};
use std::sync::Arc;

const RATED: &str = r#""rate":{"requests":1,"per_s":60}"#;

#[test]
fn limits_are_the_publishers() {
    let limits = Limits::DEFAULT.with_header_bytes(100);
    let narrow = know(Publisher::new(policy(POLICY), [7; 16]).with_limits(limits));
    assert_eq!(narrow.limits().header_bytes(), 100);
    assert_eq!(Signed::read("nonce-0000000001").verify(&narrow).code, Some(Code::HeaderTooLarge));
    assert_eq!(Signed::read("nonce-0000000001").verify(&publisher(POLICY)).code, None);
}

/// Knows nothing.
struct Lost;

impl RateStore for Lost {
    fn arrival(&self, _: &[u8; 16]) -> imagxp::Result<Option<i64>> {
        Err(Error::argument("the store is gone"))
    }

    fn replace(&self, _: &[u8; 16], _: Option<i64>, _: i64) -> imagxp::Result<bool> {
        Err(Error::argument("the store is gone"))
    }
}

#[test]
fn a_rate_is_one_for_all_who_share_the_store() {
    let store: Arc<dyn RateStore> = Arc::new(MemoryRateStore::new(10));
    let server = || publisher(&changed(RATED)).with_rate_store(Arc::clone(&store));
    assert_eq!(Signed::read("nonce-0000000001").verify(&server()).code, None);
    assert_eq!(Signed::read("nonce-0000000002").verify(&server()).code, Some(Code::RateAgent));
    let doubtful = Signed::read("nonce-0000000003").verify(&server().with_rate_store(Arc::new(Lost)));
    assert_eq!((doubtful.code, doubtful.http), (Some(Code::PolicyError), 503));
    assert!(doubtful.hint.unwrap().contains("sign a new request"));
}

/// A store that has lost its memory: nothing was seen, and nobody can tell.
struct Blind(Seen);

impl ReplayStore for Blind {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Fresh
    }

    fn seen(&self, key: &[u8; 16], _: Timestamp) -> Seen {
        // The nonce's key is asked for first; half of all keys are enough to reach the uses.
        if key[0].is_multiple_of(2) { Seen::No } else { self.0 }
    }
}

#[test]
fn a_use_that_cannot_be_looked_up_is_not_given() {
    let mut reached = 0;
    for number in 0..16 {
        let publisher =
            Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::new(Blind(Seen::Error)));
        let publisher = know(publisher);
        let token = visa(&format!("jti-{number:08}"), |_| ());
        let verdict = Signed::paid(&token, &format!("nonce-{number:010}")).verify(&publisher);
        let doubt = verdict.code == Some(Code::ReplayStoreError);
        assert!(doubt || verdict.code.is_none(), "{:?}", verdict.code);
        reached += u32::from(doubt && verdict.payment.state == PaymentState::Unpaid);
    }
    assert!(reached > 0, "the store was asked about no visa");
}

#[test]
fn a_broker_is_shown_what_was_let_in() {
    let publisher = publisher(POLICY);
    let request = Signed::paid(&visa("jti-0001", |_| ()), "nonce-0000000001");
    let shown = |verdict: &Verdict, request: &Signed| {
        request.act(|request| publisher.presented_of(verdict, request.headers, now()).is_ok())
    };
    let paid = request.verify(&publisher);
    assert_eq!(paid.payment.state, PaymentState::Visa);
    assert!(shown(&paid, &request));
    let free = Signed::read("nonce-0000000002");
    let verdict = free.verify(&publisher);
    assert!(verdict.is_allowed() && !shown(&verdict, &free));
    assert!(!shown(&verdict, &request), "what another request brought");
    assert!(!shown(&request.verify(&publisher), &request), "what was refused");
    // A key that did not come with the request is the one of the manifest, as long as it is at hand.
    let bare = Signed::paid(&visa("jti-0002", |_| ()), "nonce-0000000003").without("x-imagxp-public-key");
    let paid = bare.verify(&publisher);
    assert!(shown(&paid, &bare));
    let stranger = Publisher::new(policy(POLICY), [7; 16]);
    assert!(bare.act(|request| stranger.presented_of(&paid, request.headers, now()).is_err()));
    assert!(bare.act(|request| publisher.presented_of(&paid, request.headers, now()).unwrap().size() > 500));
}

#[test]
fn feedback_is_its_carriers() {
    let publisher = publisher(POLICY);
    let feedback = Feedback::new(URL, Score::parse("0.5").unwrap(), Reason::Other);
    let value = feedback.sign(&identity(1), now(), "feedback-nonce-0001").unwrap();
    let agent = |name: &str| AgentId::parse(name, false).unwrap();
    let other = Verdict::on_agent(agent("other.example"), None);
    assert!(publisher.feedback(&value, Some(&other), now()).feedback.is_none());
    let carrier = Verdict::on_agent(agent(AGENT), Some(*identity(1).public_key().thumbprint()));
    assert!(publisher.feedback(&value, Some(&carrier), now()).feedback.is_some());
}

#[test]
fn feedback_that_cannot_be_judged_is_not_taken() {
    let feedback = Feedback::new(URL, Score::parse("0.5").unwrap(), Reason::Other);
    let value = feedback.sign(&identity(1), now(), "feedback-nonce-0001").unwrap();
    let lost = publisher(POLICY).with_replay_store(Arc::new(Unsure));
    assert_eq!(lost.feedback(&value, None, now()).verdict.code, Some(Code::ReplayStoreError));
    let alone = Publisher::new(policy(POLICY), [7; 16]);
    alone.supply_failure(MANIFEST_URL, FetchFailure::NotFound, now()).unwrap();
    assert_eq!(alone.feedback(&value, None, now()).verdict.code, Some(Code::IdentityNotFound));
}

/// Cannot tell.
struct Unsure;

impl ReplayStore for Unsure {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Error
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        Seen::Error
    }
}

/// How a fetch failed has one name in every language.
#[test]
fn a_failure_is_read_as_it_is_written() {
    use FetchFailure::{AddressDenied, Busy, Failed, Invalid, NotFound, Redirect};
    for failure in [Failed, NotFound, Redirect, AddressDenied, Busy, Invalid] {
        assert_eq!(FetchFailure::from_name(failure.as_str()), Some(failure));
    }
    assert_eq!(FetchFailure::from_name("FAILED"), None);
}

/// A key set that breaks a rule is a failure that lasts, and says what is wrong with it.
#[test]
fn a_key_set_that_breaks_a_rule_is_no_key_set() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    assert!(publisher.supply(JWKS_URL, b"{\"keys\":7}", None, now()).is_err());
    let verdict = Signed::paid(&visa("jti-0001", |_| ()), "nonce-0000000001").verify(&publisher);
    assert_eq!((verdict.code, verdict.http), (Some(Code::PaymentJwksUnavailable), 503));
}
