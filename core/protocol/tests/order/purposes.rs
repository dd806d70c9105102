//! A page that is there for some purposes only: the others are refused before anything is paid.

use crate::NONCE;
use crate::common::world::*;
use crate::probe::probed;
use imagxp::agent::SignRequest;
use imagxp::publisher::{NeedKind, Outcome, Redemption};
use imagxp::{Code, Publisher, Purpose, Timestamp, Verdict};

/// The policy of most tests, with a second purpose that costs the same.
fn two_purposes(check: &str) -> String {
    POLICY
        .replace(r#""CRAWL_TRAINING":{"allow":false}"#, r#""SUMMARY":{"allow":true}"#)
        .replace("jwks.json\"}", &format!("jwks.json\",\"check\":\"{check}\"}}"))
}

fn paid(purpose: Purpose, nonce: &str, token: &str) -> Signed {
    let request = SignRequest {
        payment: Some(token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", purpose)
    };
    Signed::new(&identity(1), &request, now(), nonce)
}

fn verify_for(publisher: &Publisher, signed: &Signed, purposes: &[Purpose], now: Timestamp) -> Verdict {
    signed.act(|request| publisher.verify_for(request, purposes, now)).verdict
}

#[test]
fn another_purpose_costs_no_visa() {
    let (publisher, probe) = probed(&two_purposes("offline"));
    let token = visa("jti-0001", |_| ());
    let other = paid(Purpose::RagRetrieval, NONCE, &token);
    let verdict = verify_for(&publisher, &other, &[Purpose::Summary], now());
    assert_eq!((verdict.code, verdict.outcome), (Some(Code::PolicyPurposeDenied), Outcome::Deny));
    assert_eq!(verdict.agent_id.unwrap().as_str(), AGENT);
    assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 1, "the nonce, and no use");
    let wanted = paid(Purpose::Summary, "nonce-0000000002", &token);
    assert_eq!(verify_for(&publisher, &wanted, &[Purpose::Summary], now()).code, None);
    let again = paid(Purpose::Summary, "nonce-0000000003", &token);
    assert_eq!(verify_for(&publisher, &again, &[], now()).code, Some(Code::PaymentAlreadyUsed));
}

#[test]
fn purposes_are_kept_while_a_verification_waits() {
    let token = visa("jti-0001", |_| ());
    let start = |purpose: Purpose| {
        let publisher = Publisher::new(policy(&two_purposes("redeem")), [7; 16]);
        let purposes = [Purpose::Summary, Purpose::Quotation];
        let signed = paid(purpose, NONCE, &token);
        let first = signed.act(|request| publisher.verify_for(request, &purposes, now()));
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
        let second = publisher.resume(first.pending.unwrap(), now());
        (publisher, second)
    };
    let (_, other) = start(Purpose::RagRetrieval);
    assert_eq!(other.verdict.code, Some(Code::PolicyPurposeDenied), "no key set is fetched, no broker asked");
    let (publisher, wanted) = start(Purpose::Summary);
    assert_eq!(wanted.verdict.code, Some(Code::PaymentJwksNeeded));
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    let third = publisher.resume(wanted.pending.unwrap(), now());
    assert_eq!(third.verdict.needs[0].kind, NeedKind::Redeem);
    let mut pending = third.pending.unwrap();
    pending.redeemed(Redemption::Accepted);
    assert_eq!(publisher.resume(pending, now()).verdict.code, None);
}

#[test]
fn what_the_policy_denies_stays_denied_and_observing_refuses_nothing() {
    let enforcing = publisher(POLICY);
    let training =
        Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::CrawlTraining), now(), NONCE);
    let verdict = verify_for(&enforcing, &training, &[Purpose::CrawlTraining], now());
    assert_eq!(verdict.code, Some(Code::PolicyPurposeDenied), "a page opens nothing");
    let observing = publisher(&changed(r#""mode":"observe""#));
    let verdict = verify_for(&observing, &Signed::read(NONCE), &[Purpose::Summary], now());
    assert_eq!((verdict.outcome, verdict.would_deny), (Outcome::Allow, true));
}
