//! How long a broker's key set serves (PROTOCOL §8): fresh for what its answer says, within bounds, and an hour longer while it cannot be fetched.

use crate::common::world::*;
use imagxp::agent::SignRequest;
use imagxp::publisher::{FetchFailure, Outcome, Warning};
use imagxp::{Code, Publisher, Purpose, Verdict};

/// A read that pays, so many seconds after the set was fetched, whose agent is known.
fn read(publisher: &Publisher, seconds: i64) -> Verdict {
    let at = now().saturating_add_secs(seconds);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, at).unwrap();
    let token = visa(&format!("jti-{seconds:08}"), |visa| visa.issued_at = at);
    let request = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &request, at, &format!("nonce-{seconds:010}")).start(publisher, at).verdict
}

#[test]
fn a_key_set_is_fresh_within_bounds_and_serves_an_hour_longer() {
    for (max_age, fresh) in [(None, 300), (Some(0), 300), (Some(7200), 7200), (Some(u32::MAX), 86_400)] {
        let publisher = Publisher::new(policy(POLICY), [7; 16]);
        publisher.supply(JWKS_URL, &jwks(), max_age, now()).unwrap();
        let failed = |seconds: i64| {
            let at = now().saturating_add_secs(seconds);
            publisher.supply_failure(JWKS_URL, FetchFailure::Failed, at).unwrap();
        };
        let said = |seconds: i64| {
            let verdict = read(&publisher, seconds);
            (verdict.outcome, verdict.code, verdict.warnings)
        };
        assert_eq!(said(fresh - 1), (Outcome::Allow, None, vec![]), "{max_age:?}");
        let needed = (Outcome::Undecided, Some(Code::PaymentJwksNeeded), vec![]);
        assert_eq!(said(fresh), needed, "{max_age:?}");
        failed(fresh);
        let stale = (Outcome::Allow, None, vec![Warning::JwksStale]);
        assert_eq!(said(fresh + 1), stale, "{max_age:?}");
        // A failure is remembered for a minute; then it is tried again.
        assert_eq!(said(fresh + 60).1, Some(Code::PaymentJwksNeeded), "{max_age:?}");
        failed(fresh + 3600);
        assert_eq!(said(fresh + 3600), stale, "{max_age:?}");
        assert_eq!(said(fresh + 3601).1, Some(Code::PaymentJwksUnavailable), "{max_age:?}");
    }
}
