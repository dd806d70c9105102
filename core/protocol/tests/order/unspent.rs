//! What a refusal after step 11 costs: no visa.

use crate::common::world::*;
use crate::probe::probed;
use imagxp::audit::{AuditSink, Record};
use imagxp::publisher::{CustomPolicy, PaymentState, Redemption};
use imagxp::replay::{Insert, LaterReplayStore, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::{Claim, Code, Error, Publisher, Timestamp, Verdict};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The publisher's own rule, which says these in turn and then `true`, and counts how often it was asked.
#[derive(Default)]
struct Rule {
    says: Mutex<Vec<Option<bool>>>,
    asked: AtomicUsize,
}

impl Rule {
    fn says(answers: &[Option<bool>]) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(answers.to_vec()), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl CustomPolicy for Rule {
    fn allows(&self, _: &Claim, _: &str) -> imagxp::Result<bool> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut says = self.says.lock().unwrap();
        let answer = if says.is_empty() { Some(true) } else { says.remove(0) };
        answer.ok_or_else(|| Error::argument("no answer"))
    }
}

fn redeeming() -> String {
    POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}")
}

fn ask(publisher: &Publisher, number: u32, token: &str) -> Verdict {
    let first = Signed::paid(token, &format!("nonce-{number:010}")).start(publisher, now());
    match first.pending {
        None => first.verdict,
        Some(mut pending) => {
            assert_eq!(first.verdict.code, Some(Code::PaymentRedeemNeeded));
            pending.redeemed(Redemption::Accepted);
            publisher.resume(pending, now()).verdict
        }
    }
}

#[test]
fn what_the_publishers_own_rule_refuses_costs_no_visa() {
    for json in [POLICY.to_owned(), redeeming()] {
        let rule = Rule::says(&[Some(false), None]);
        let (publisher, probe) = probed(&json);
        let publisher = publisher.with_custom_policy(Arc::clone(&rule) as _);
        let token = visa("jti-0001", |_| ());
        for (number, code) in [(1, Code::PolicyDenied), (2, Code::PolicyError)] {
            let verification = Signed::paid(&token, &format!("nonce-{number:010}")).start(&publisher, now());
            assert_eq!(verification.verdict.code, Some(code));
            assert_eq!(verification.verdict.payment.state, PaymentState::Unpaid);
            // The broker is not asked about a request that is refused here.
            assert!(verification.verdict.needs.is_empty() && verification.pending.is_none());
            assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 1, "the nonce");
        }
        assert_eq!(ask(&publisher, 3, &token).code, None, "{json}");
        assert_eq!(rule.asked(), 3);
        // Nor is the rule asked about a visa that is used up.
        assert_eq!(ask(&publisher, 4, &token).code, Some(Code::PaymentAlreadyUsed));
        assert_eq!(rule.asked(), 3);
    }
}

#[test]
fn a_rule_that_errs_asks_for_a_new_request() {
    let publisher = publisher(POLICY).with_custom_policy(Rule::says(&[None]));
    let verdict = ask(&publisher, 1, &visa("jti-0001", |_| ()));
    assert_eq!(verdict.code, Some(Code::PolicyError));
    assert!(verdict.hint.unwrap().contains("sign a new request"));
}

#[test]
fn the_rule_is_asked_once_however_often_a_request_waits() {
    let rule = Rule::says(&[]);
    let publisher = Publisher::new(policy(&redeeming()), [7; 16])
        .with_replay_store(Arc::new(LaterReplayStore))
        .with_custom_policy(Arc::clone(&rule) as _);
    let real = MemoryReplayStore::default();
    let token = visa("jti-0001", |_| ());
    let mut verification = Signed::paid(&token, "nonce-0000000001").start(&publisher, now());
    let mut waits = Vec::new();
    while let Some(mut pending) = verification.pending {
        let code = verification.verdict.code.unwrap();
        waits.push(code);
        match code {
            Code::IdentityManifestNeeded => {
                publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
            }
            Code::PaymentJwksNeeded => publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap(),
            Code::PaymentRedeemNeeded => pending.redeemed(Redemption::Accepted),
            _ => {
                let entry = *pending.insertion().unwrap();
                pending.inserted(real.insert_if_absent(&entry, now()));
            }
        }
        verification = publisher.resume(pending, now());
    }
    assert_eq!(verification.verdict.code, None);
    assert_eq!(
        waits,
        [
            Code::IdentityManifestNeeded,
            Code::PaymentJwksNeeded,
            Code::ReplayStoreError,
            Code::PaymentRedeemNeeded,
            Code::ReplayStoreError,
        ]
    );
    assert_eq!(rule.asked(), 1);
}

/// A store with room for so many.
struct Filling(MemoryReplayStore, AtomicUsize, Insert);

impl ReplayStore for Filling {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        let room = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
        if room.is_ok() { self.0.insert_if_absent(entry, now) } else { self.2 }
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.0.seen(key, now)
    }
}

#[test]
fn a_store_that_is_full_wastes_no_visa_that_its_broker_has_paid_out() {
    for (answer, code) in [(Insert::Full, Code::ReplayStoreFull), (Insert::Error, Code::ReplayStoreError)] {
        for (json, uses, expected) in
            [(redeeming(), 1, None), (redeeming(), 2, Some(code)), (POLICY.to_owned(), 1, Some(code))]
        {
            let store = Filling(MemoryReplayStore::default(), AtomicUsize::new(1), answer);
            let publisher = know(Publisher::new(policy(&json), [7; 16]).with_replay_store(Arc::new(store)));
            let token = visa("jti-0001", |visa| visa.max_uses = uses);
            let verdict = ask(&publisher, 1, &token);
            assert_eq!(verdict.code, expected, "{uses} {json}");
            assert!(expected.is_none() || verdict.hint.unwrap().contains("sign a new request"));
        }
    }
    // One that has counted the use already says so, whatever the broker says.
    let (publisher, probe) = probed(&redeeming());
    let token = visa("jti-0001", |_| ());
    let first = Signed::paid(&token, "nonce-0000000001").start(&publisher, now());
    *probe.answer.lock().unwrap() = Some(Insert::Seen);
    let mut pending = first.pending.unwrap();
    pending.redeemed(Redemption::Accepted);
    assert_eq!(publisher.resume(pending, now()).verdict.code, Some(Code::PaymentAlreadyUsed));
}

/// Looking first is for whoever else is asked: the rule, the broker.
#[test]
fn a_use_is_looked_for_before_others_are_asked_and_only_then() {
    let token = visa("jti-0001", |_| ());
    let (plain, probe) = probed(POLICY);
    assert_eq!(ask(&plain, 1, &token).code, None);
    let plain = probe.take();
    let (ruled, probe) = probed(POLICY);
    assert_eq!(ask(&ruled.with_custom_policy(Rule::says(&[]) as _), 1, &token).code, None);
    let ruled = probe.take();
    let count = |calls: &[&str], name| calls.iter().filter(|call| **call == name).count();
    assert_eq!((count(&plain, "insert"), count(&ruled, "insert")), (2, 2), "the nonce, the use");
    assert_eq!(count(&ruled, "seen"), count(&plain, "seen") + 1);
    // Who has been asked is not asked after: the use is counted.
    let (redeeming, probe) = probed(&redeeming());
    let mut pending = Signed::paid(&token, "nonce-0000000001").start(&redeeming, now()).pending.unwrap();
    assert_eq!(count(&probe.take(), "seen"), count(&plain, "seen"));
    pending.redeemed(Redemption::Accepted);
    assert_eq!(redeeming.resume(pending, now()).verdict.code, None);
    assert_eq!(probe.take(), ["seen", "insert"]);
}

/// A log that is closed, and opened again.
#[derive(Default)]
struct Closed(AtomicBool, AtomicUsize);

impl AuditSink for Closed {
    fn record(&self, _: &Record<'_>) -> imagxp::Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.ready()
    }

    fn ready(&self) -> imagxp::Result<()> {
        if self.0.load(Ordering::Relaxed) { Ok(()) } else { Err(Error::argument("the log is closed")) }
    }
}

#[test]
fn a_log_that_is_closed_costs_no_visa() {
    for json in [POLICY.to_owned(), redeeming()] {
        let sink = Arc::new(Closed::default());
        let (publisher, probe) = probed(&json);
        let publisher = publisher.with_audit(Arc::clone(&sink) as _);
        let token = visa("jti-0001", |_| ());
        let verification = Signed::paid(&token, "nonce-0000000001").start(&publisher, now());
        assert_eq!(verification.verdict.code, Some(Code::AuditUnavailable));
        assert!(verification.verdict.hint.unwrap().contains("sign a new request"));
        assert!(verification.verdict.needs.is_empty());
        assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 1, "the nonce");
        // An explanation leaves no record, so it asks for no room.
        let explained =
            Signed::paid(&token, "nonce-0000000009").act(|request| publisher.explain(request, now()));
        assert_ne!(explained.verdict.code, Some(Code::AuditUnavailable));
        sink.0.store(true, Ordering::Relaxed);
        assert_eq!(ask(&publisher, 2, &token).code, None);
        assert_eq!(sink.1.load(Ordering::Relaxed), 2);
    }
}
