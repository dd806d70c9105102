//! The order of PROTOCOL §5 as a property: a refusal leaves no side effect of a later step behind.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

#[path = "../common/mod.rs"]
mod common;
mod key_sets;
mod pending;
mod probe;
mod purposes;
mod refusals;
mod unspent;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::Algorithm;
use imagxp::publisher::Outcome;
use imagxp::replay::Insert;
use imagxp::{Code, Publisher, Purpose};
use probe::{Probe, probed};
use refusals::refusals;
use std::sync::Arc;

const NONCE: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn a_refusal_has_no_side_effect_of_a_later_step() {
    let (publisher, probe) = probed(POLICY);
    for (code, request, calls) in refusals() {
        // What spends the nonce gets a publisher of its own; all others share one, whose good request must survive them.
        let own = calls.contains(&"insert").then(|| probed(POLICY));
        let (publisher, probe) =
            own.as_ref().map_or((&publisher, &probe), |(publisher, probe)| (publisher, probe));
        let verdict = request.verify(publisher);
        assert_eq!(verdict.code, Some(code), "{verdict:?}");
        assert_eq!(verdict.http, code.http());
        assert_eq!(probe.take(), calls, "{code}");
        assert!(verdict.needs.is_empty(), "{code}: a refusal causes no fetch");
        let verified = calls.contains(&"insert");
        assert_eq!(verdict.agent_id.is_some(), verified, "{code}: names only what was verified");
    }
    // After all that came before the signature, the good request still passes: nobody burned its nonce.
    assert_eq!(Signed::read(NONCE).verify(&publisher).outcome, Outcome::Allow);
    assert_eq!(Signed::read(NONCE).verify(&publisher).code, Some(Code::ReplayNonceSeen));
}

#[test]
fn two_faults_give_the_earlier_steps_code() {
    let all = refusals();
    let (publisher, _) = probed(POLICY);
    // A late payload joined with each early header fault: the early one is reported.
    let late = all.iter().find(|(code, ..)| *code == Code::TimeExpired).unwrap().1.clone();
    for (fault, code) in [
        (late.clone().with("x-imagxp-payload", "e30="), Code::HeaderDuplicate),
        (late.clone().without("x-imagxp-signature"), Code::HeaderMissing),
        (late.clone().without("x-imagxp-signature").with("x-imagxp-signature", "zz"), Code::SigMalformed),
    ] {
        assert_eq!(fault.verify(&publisher).code, Some(code));
    }
    // An expired claim for another resource with a bad signature by an unknown key is expired.
    let mut many = late;
    many.url = "/other".into();
    many.header_mut("x-imagxp-signature")[0] ^= 1;
    assert_eq!(many.verify(&publisher).code, Some(Code::TimeExpired));
    // A replay of a request that would now be refused later is a replay.
    let good = Signed::read(NONCE);
    assert_eq!(good.verify(&publisher).outcome, Outcome::Allow);
    let mut moved = good;
    moved.url = "/other".into();
    assert_eq!(moved.verify(&publisher).code, Some(Code::ReplayNonceSeen));
}

#[test]
fn a_forgery_for_another_resource_is_called_a_forgery() {
    let (publisher, probe) = probed(POLICY);
    let mut forged = Signed::read(NONCE);
    forged.url = "/posts/2".into();
    assert_eq!(forged.verify(&publisher).code, Some(Code::ClaimResourceMismatch));
    forged.header_mut("x-imagxp-signature")[9] ^= 1;
    assert_eq!(forged.verify(&publisher).code, Some(Code::SigInvalid));
    // Nothing was stored, and an unknown agent causes no fetch either.
    assert!(!probe.take().contains(&"insert"));
    let stranger = Publisher::new(policy(POLICY), [7; 16]);
    let mut relayed = Signed::read(NONCE);
    relayed.url = "/posts/2".into();
    let verdict = relayed.verify(&stranger);
    assert_eq!((verdict.code, verdict.needs.len()), (Some(Code::ClaimResourceMismatch), 0));
}

#[test]
fn the_store_fails_closed() {
    for (answer, code) in [(Insert::Full, Code::ReplayStoreFull), (Insert::Error, Code::ReplayStoreError)] {
        let (publisher, probe) = probed(POLICY);
        *probe.answer.lock().unwrap() = Some(answer);
        let verdict = Signed::read(NONCE).verify(&publisher);
        assert_eq!((verdict.code, verdict.outcome), (Some(code), Outcome::Undecided));
    }
    let blind = Arc::new(Probe { blind: true, ..Probe::default() });
    let publisher = know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(blind));
    assert_eq!(Signed::read(NONCE).verify(&publisher).code, Some(Code::ReplayStoreError));
}

#[test]
fn a_clock_that_steps_back_reopens_nothing() {
    let (publisher, _) = probed(POLICY);
    let at = |seconds: i64| now().saturating_add_secs(seconds);
    let read = |seconds: i64, nonce: &str| {
        Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::RagRetrieval), at(seconds), nonce)
    };
    let first = read(0, NONCE);
    assert_eq!(first.start(&publisher, at(0)).verdict.code, None);
    // Far later another request makes the store drop the first one's bucket; then the clock falls back.
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, at(3000)).unwrap();
    assert_eq!(read(3000, "nonce-0000000002").start(&publisher, at(3000)).verdict.code, None);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, at(1)).unwrap();
    assert_eq!(first.start(&publisher, at(1)).verdict.code, Some(Code::TimeExpired));
}

#[test]
fn explaining_spends_nothing() {
    let (publisher, probe) = probed(POLICY);
    for _ in 0..3 {
        let explanation = Signed::read(NONCE).act(|request| publisher.explain(request, now()));
        assert_eq!(explanation.verdict.code, None, "{explanation}");
        assert!(explanation.steps.iter().any(|step| step.number == 9));
    }
    assert!(!probe.take().contains(&"insert"));
    for (code, request, _) in refusals() {
        let explanation = request.act(|request| publisher.explain(request, now()));
        assert_eq!(explanation.verdict.code, Some(code), "{explanation}");
        let last = explanation.steps.last().unwrap();
        assert_ne!(last.result.as_str(), "passed", "{explanation}");
        assert!(explanation.to_string().contains(code.as_str()));
    }
    assert_eq!(Signed::read(NONCE).verify(&publisher).outcome, Outcome::Allow);
}

#[test]
fn an_ed25519_agent_is_an_agent() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    let identity = imagxp::agent::Identity::parse(AGENT, key(3, Algorithm::EdDsa), false).unwrap();
    let manifest = identity.manifest(None, &[]).unwrap();
    publisher.supply(MANIFEST_URL, &manifest.to_json(), None, now()).unwrap();
    let signed = Signed::new(&identity, &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), NONCE);
    let verdict = signed.verify(&publisher);
    assert_eq!(verdict.code, None);
    assert_eq!(verdict.key_id.as_ref(), Some(identity.public_key().thumbprint()));
}

/// A sink that writes itself down where the store does, and what had been asked by then.
struct Witness(Arc<Probe>, bool);

impl imagxp::audit::AuditSink for Witness {
    fn record(&self, _: &imagxp::audit::Record<'_>) -> imagxp::Result<()> {
        self.0.calls.lock().unwrap().push("record");
        if self.1 { Err(imagxp::Error::argument("no room")) } else { Ok(()) }
    }
}

struct Asked(Arc<Probe>);

impl imagxp::publisher::CustomPolicy for Asked {
    fn allows(&self, _: &imagxp::Claim, _: &str) -> imagxp::Result<bool> {
        self.0.calls.lock().unwrap().push("custom");
        Ok(true)
    }
}

#[test]
fn the_record_comes_last_and_before_the_verdict() {
    for broken in [false, true] {
        let (publisher, probe) = probed(POLICY);
        let publisher = publisher
            .with_custom_policy(Arc::new(Asked(Arc::clone(&probe))))
            .with_audit(Arc::new(Witness(Arc::clone(&probe), broken)));
        let verdict = Signed::read(NONCE).verify(&publisher);
        assert_eq!(probe.take(), ["seen", "insert", "custom", "record"]);
        assert_eq!(verdict.code, broken.then_some(Code::AuditUnavailable));
    }
    // A refusal is recorded after what it has done, and does no more than it did without a log.
    for (code, request, calls) in refusals() {
        let (publisher, probe) = probed(POLICY);
        let publisher = publisher.with_audit(Arc::new(Witness(Arc::clone(&probe), false)));
        assert_eq!(request.verify(&publisher).code, Some(code));
        assert_eq!(probe.take(), [calls, &["record"]].concat(), "{code}");
    }
}
