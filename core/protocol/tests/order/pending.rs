//! What waits for a document, a broker or a store, and goes on from there.

use crate::NONCE;
use crate::common::world::*;
use crate::probe::{Probe, probed};
use crate::refusals::refusals;
use imagxp::agent::SignRequest;
use imagxp::publisher::{FetchFailure, NeedKind, Outcome, Redemption};
use imagxp::replay::{Insert, LaterReplayStore, MemoryReplayStore, ReplayStore};
use imagxp::visa::redeem_body;
use imagxp::{Code, Publisher, Purpose, Verdict};
use std::sync::Arc;

#[test]
fn a_fetch_in_between_is_not_a_replay() {
    let probe = Arc::new(Probe::default());
    let publisher = Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::clone(&probe) as _);
    let token = visa("jti-0001", |_| ());
    let request = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    // 299 s old when it comes; the fetches take longer than the second that is left.
    let signed = Signed::new(&identity(1), &request, now().saturating_add_secs(-299), NONCE);

    let first = signed.start(&publisher, now());
    assert_eq!(
        (first.verdict.outcome, first.verdict.code),
        (Outcome::Undecided, Some(Code::IdentityManifestNeeded))
    );
    assert_eq!(
        (first.verdict.needs[0].kind, first.verdict.needs[0].url.as_str()),
        (NeedKind::Manifest, MANIFEST_URL)
    );
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();

    let second = publisher.resume(first.pending.unwrap(), now());
    assert_eq!(second.verdict.code, Some(Code::PaymentJwksNeeded));
    assert_eq!(
        (second.verdict.needs[0].kind, second.verdict.needs[0].url.as_str()),
        (NeedKind::Jwks, JWKS_URL)
    );
    assert!(!probe.take().contains(&"insert"), "manifest and key set needs come before the nonce is spent");
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();

    let third = publisher.resume(second.pending.unwrap(), now().saturating_add_secs(3));
    assert_eq!(third.verdict.code, None, "{:?}", third.verdict);
    assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 2, "one nonce, one use");
    assert_eq!(signed.verify(&publisher).code, Some(Code::ReplayNonceSeen));
}

#[test]
fn copies_that_were_pending_together_meet_in_the_store() {
    // Two copies of a request arrive in its last second; the manifest comes when its time has run out.
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    let token =
        visa("jti-0001", |visa| (visa.issued_at, visa.lifetime_s) = (now().saturating_add_secs(-600), 600));
    let request = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    let old = now().saturating_add_secs(-300);
    let copies = [NONCE, NONCE, "nonce-of-another-request"]
        .map(|nonce| Signed::new(&identity(1), &request, old, nonce));
    let mut pending = copies.map(|signed| signed.start(&publisher, now()).pending.unwrap()).into_iter();
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    let mut resume = |seconds: i64| {
        let later = now().saturating_add_secs(seconds);
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, later).unwrap();
        publisher.resume(pending.next().unwrap(), later).verdict.code
    };
    assert_eq!(resume(50), None);
    assert_eq!(resume(55), Some(Code::ReplayNonceSeen));
    // Another request with the same visa, whose end has passed meanwhile too.
    assert_eq!(resume(60), Some(Code::PaymentAlreadyUsed));
}

#[test]
fn nothing_stays_pending_for_ever() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    let pending = Signed::read(NONCE).start(&publisher, now()).pending.unwrap();
    let later = now().saturating_add_millis(60_001);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, later).unwrap();
    assert_eq!(publisher.resume(pending, later).verdict.code, Some(Code::TimeExpired));
}

#[test]
fn redemption_resumes_after_the_nonce() {
    let json = POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}");
    for (answer, code) in [
        (Redemption::Accepted, None),
        (Redemption::Refused, Some(Code::PaymentInvalidToken)),
        (Redemption::Unavailable, Some(Code::PaymentRedeemUnavailable)),
    ] {
        let (publisher, probe) = probed(&json);
        let token = visa("jti-0001", |_| ());
        let request = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        // Whether the request brings its key or not.
        let signed = Signed::new(&identity(1), &request, now(), NONCE);
        let brings = answer != Redemption::Refused;
        let signed = if brings { signed } else { signed.without("x-imagxp-public-key") };
        let first = signed.start(&publisher, now());
        assert_eq!(first.verdict.code, Some(Code::PaymentRedeemNeeded));
        assert_eq!(first.verdict.needs[0].url, "https://broker.example/v1/visas/redeem");
        assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 1, "the nonce");
        // What the broker is to be shown, with the key that signed.
        let mut pending = first.pending.unwrap();
        let presented = publisher.presented(&first.verdict, &pending, now()).unwrap();
        let body = redeem_body(&[presented]).unwrap();
        let body = String::from_utf8(body).unwrap();
        let key = identity(1).public_key().to_spki_base64();
        assert!(body.contains(&format!(r#""public_key":"{key}""#)) && body.contains(&token), "{body}");
        pending.redeemed(answer);
        let refused = Verdict { needs: Vec::new(), ..first.verdict };
        assert_eq!(publisher.presented(&refused, &pending, now()).unwrap_err().code(), "usage.argument");
        let second = publisher.resume(pending, now());
        assert_eq!(second.verdict.code, code);
        // Nothing is spent twice, and a use is counted when the broker has said that it is paid.
        let counted = probe.take().iter().filter(|call| **call == "insert").count();
        assert_eq!(counted, usize::from(answer == Redemption::Accepted));
    }
}

#[test]
fn a_visa_that_its_broker_could_not_be_asked_about_is_good_for_the_next_request() {
    let json = POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}");
    let (publisher, _) = probed(&json);
    let token = visa("jti-0001", |_| ());
    for (number, answer, code) in
        [(1, Redemption::Unavailable, Some(Code::PaymentRedeemUnavailable)), (2, Redemption::Accepted, None)]
    {
        let first = Signed::paid(&token, &format!("nonce-000000000{number}")).start(&publisher, now());
        let mut pending = first.pending.unwrap();
        pending.redeemed(answer);
        assert_eq!(publisher.resume(pending, now()).verdict.code, code);
    }
    // And then it is used up: the broker is not asked again.
    let third = Signed::paid(&token, "nonce-0000000003").start(&publisher, now());
    assert_eq!(third.verdict.code, Some(Code::PaymentAlreadyUsed));
}

#[test]
fn requests_that_wait_for_their_brokers_together_are_refused_by_rate_before_anything_is_paid() {
    let json = POLICY.replace("jwks.json\"}", "jwks.json\",\"check\":\"redeem\"}");
    let json = json.replacen('{', r#"{"rate":{"requests":1,"per_s":60},"#, 1);
    let (publisher, _) = probed(&json);
    let (one, two) = (visa("jti-0001", |_| ()), visa("jti-0002", |_| ()));
    let first = Signed::paid(&one, "nonce-0000000001").start(&publisher, now());
    let second = Signed::paid(&two, "nonce-0000000002").start(&publisher, now());
    assert_eq!(first.verdict.code, Some(Code::PaymentRedeemNeeded));
    assert_eq!(second.verdict.code, Some(Code::RateAgent));
    let mut pending = first.pending.unwrap();
    pending.redeemed(Redemption::Accepted);
    assert_eq!(publisher.resume(pending, now()).verdict.code, None);
}

#[test]
fn failed_fetches_have_their_codes() {
    for (failure, code, outcome) in [
        (FetchFailure::Failed, Code::IdentityFetchFailed, Outcome::Undecided),
        (FetchFailure::Busy, Code::IdentityFetchBusy, Outcome::Undecided),
        (FetchFailure::NotFound, Code::IdentityNotFound, Outcome::Deny),
        (FetchFailure::Redirect, Code::IdentityRedirect, Outcome::Deny),
        (FetchFailure::AddressDenied, Code::IdentityAddressDenied, Outcome::Deny),
        (FetchFailure::Invalid, Code::IdentityManifestInvalid, Outcome::Deny),
    ] {
        let publisher = Publisher::new(policy(POLICY), [7; 16]);
        let first = Signed::read(NONCE).start(&publisher, now());
        publisher.supply_failure(MANIFEST_URL, failure, now()).unwrap();
        let verdict = publisher.resume(first.pending.unwrap(), now()).verdict;
        assert_eq!((verdict.code, verdict.outcome), (Some(code), outcome));
        assert!(verdict.needs.is_empty(), "asked once");
        // A minute later it is worth another try.
        let later = Signed::new(
            &identity(1),
            &SignRequest::new("GET", URL, Purpose::RagRetrieval),
            now().saturating_add_secs(60),
            NONCE,
        );
        let verdict = later.start(&publisher, now().saturating_add_secs(60)).verdict;
        assert_eq!(verdict.code, Some(Code::IdentityManifestNeeded));
    }
}

#[test]
fn garbage_never_causes_a_fetch() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    let mut garbage = Signed::read(NONCE);
    garbage.header_mut("x-imagxp-signature")[0] ^= 1;
    let verdict = garbage.verify(&publisher);
    assert_eq!((verdict.code, verdict.needs.len()), (Some(Code::SigInvalid), 0));
    let malformed = Signed::read(NONCE).without("x-imagxp-public-key").with("x-imagxp-public-key", "AAAA");
    let verdict = malformed.verify(&publisher);
    assert_eq!((verdict.code, verdict.needs.len()), (Some(Code::KeyMalformed), 0));
}

#[test]
fn an_unlisted_key_causes_one_refresh_per_half_minute() {
    let publisher = publisher(POLICY);
    let at = |seconds: i64| now().saturating_add_secs(seconds);
    let read = |seconds: i64, hint: bool| {
        let signed = Signed::new(
            &identity(2),
            &SignRequest::new("GET", URL, Purpose::RagRetrieval),
            at(seconds),
            NONCE,
        );
        if hint { signed } else { signed.without("x-imagxp-public-key") }
    };
    for hint in [true, false] {
        let mismatch = if hint { Code::IdentityKeyMismatch } else { Code::SigInvalid };
        assert_eq!(read(29, hint).start(&publisher, at(29)).verdict.code, Some(mismatch));
        let asked = read(30, hint).start(&publisher, at(30));
        assert_eq!(asked.verdict.code, Some(Code::IdentityManifestNeeded));
    }
    publisher.supply(MANIFEST_URL, &manifest(&[2, 1]), None, at(30)).unwrap();
    assert_eq!(read(31, true).start(&publisher, at(31)).verdict.code, None);
}

/// While the agent's domain cannot be asked nobody can tell a key that is new from one that is not the agent's.
#[test]
fn an_unlisted_key_is_undecided_while_the_manifest_cannot_be_fetched() {
    let at = |seconds: i64| now().saturating_add_secs(30 + seconds);
    for hint in [true, false] {
        for (failure, again) in [(FetchFailure::Failed, 30), (FetchFailure::Busy, 2)] {
            let publisher = publisher(POLICY);
            let ask = SignRequest::new("GET", URL, Purpose::RagRetrieval);
            let signed = Signed::new(&identity(2), &ask, at(0), NONCE);
            let signed = if hint { signed } else { signed.without("x-imagxp-public-key") };
            let waiting = signed.start(&publisher, at(0));
            assert_eq!(waiting.verdict.code, Some(Code::IdentityManifestNeeded));
            publisher.supply_failure(MANIFEST_URL, failure, at(0)).unwrap();
            for verdict in [
                publisher.resume(waiting.pending.unwrap(), at(0)).verdict,
                signed.start(&publisher, at(again - 1)).verdict,
            ] {
                assert_eq!(verdict.code, Some(failure.code()), "{failure:?}, hint {hint}");
                assert_eq!((verdict.outcome, verdict.needs.len()), (Outcome::Undecided, 0));
            }
            // A forgery is one all the same, where its hint says so, and the listed key passes.
            if hint {
                let mut forged = signed.clone();
                *forged.header_mut("x-imagxp-signature") = vec![b'1'; 128];
                assert_eq!(forged.start(&publisher, at(0)).verdict.code, Some(Code::SigInvalid));
            }
            let listed = Signed::new(&identity(1), &ask, at(0), "nonce-0000000002");
            assert_eq!(listed.start(&publisher, at(0)).verdict.code, None);
            let waiting = signed.start(&publisher, at(again));
            assert_eq!(waiting.verdict.code, Some(Code::IdentityManifestNeeded), "{failure:?}, hint {hint}");
            publisher.supply(MANIFEST_URL, &manifest(&[1]), None, at(again)).unwrap();
            // A refresh that succeeded is the domain's last word for a while.
            let refused = publisher.resume(waiting.pending.unwrap(), at(again)).verdict;
            let code = if hint { Code::IdentityKeyMismatch } else { Code::SigInvalid };
            assert_eq!((refused.code, refused.outcome), (Some(code), Outcome::Deny));
        }
    }
}

#[test]
fn old_keys_serve_for_an_hour_while_refreshing_fails() {
    let publisher = publisher(POLICY);
    let verdict_at = |seconds: i64, nonce: &str| {
        let at = now().saturating_add_secs(seconds);
        let signed =
            Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::RagRetrieval), at, nonce);
        signed.start(&publisher, at).verdict
    };
    assert_eq!(verdict_at(299, "nonce-0000000001").code, None);
    assert_eq!(verdict_at(300, "nonce-0000000002").code, Some(Code::IdentityManifestNeeded));
    publisher.supply_failure(MANIFEST_URL, FetchFailure::Failed, now().saturating_add_secs(300)).unwrap();
    let stale = verdict_at(301, "nonce-0000000003");
    assert_eq!(stale.code, None);
    assert_eq!(stale.warnings[0].as_str(), "identity.manifest_stale");
    publisher.supply_failure(MANIFEST_URL, FetchFailure::Failed, now().saturating_add_secs(3590)).unwrap();
    assert_eq!(verdict_at(3600, "nonce-0000000004").code, None);
    assert_eq!(verdict_at(3601, "nonce-0000000005").code, Some(Code::IdentityFetchFailed));
}

#[test]
fn a_store_that_answers_later_is_waited_for_at_its_step() {
    let later =
        || know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::new(LaterReplayStore)));
    // Nothing that is refused without a side effect asks the store.
    for (code, signed, calls) in refusals() {
        if !calls.contains(&"insert") {
            let verification = signed.start(&later(), now());
            let asked = verification.pending.as_ref().is_some_and(|pending| pending.insertion().is_some());
            assert!(!asked, "{code:?}");
        }
    }
    let publisher = later();
    let real = MemoryReplayStore::default();
    let signed = Signed::read(NONCE);
    let ask = || {
        let first = signed.start(&publisher, now());
        assert_eq!((first.verdict.code, first.verdict.http), (Some(Code::ReplayStoreError), 503));
        assert_eq!(first.verdict.needs[0].kind, NeedKind::Replay);
        first.pending.unwrap()
    };
    let (mut one, mut two) = (ask(), ask());
    let entry = *one.insertion().unwrap();
    assert_eq!(Some(&entry), two.insertion());
    one.inserted(real.insert_if_absent(&entry, now()));
    two.inserted(real.insert_if_absent(&entry, now()));
    assert_eq!(one.insertion(), None);
    assert_eq!(publisher.resume(one, now()).verdict.code, None);
    assert_eq!(publisher.resume(two, now()).verdict.code, Some(Code::ReplayNonceSeen));

    for (answer, code) in [
        (Insert::Full, Code::ReplayStoreFull),
        (Insert::Error, Code::ReplayStoreError),
        (Insert::Later, Code::ReplayStoreError),
    ] {
        let mut pending = ask();
        pending.inserted(answer);
        let end = publisher.resume(pending, now());
        assert_eq!((end.verdict.code, end.pending.is_none()), (Some(code), true), "{answer:?}");
    }
    // Without an answer it is asked again, and nobody passes.
    let again = publisher.resume(ask(), now());
    assert_eq!(
        (again.verdict.outcome, again.pending.unwrap().insertion()),
        (Outcome::Undecided, Some(&entry))
    );
    assert_eq!(publisher.resume(ask(), now().saturating_add_secs(61)).verdict.code, Some(Code::TimeExpired));
}

#[test]
fn each_use_of_a_visa_is_asked_of_a_store_that_answers_later() {
    let publisher =
        know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::new(LaterReplayStore)));
    let real = MemoryReplayStore::default();
    let token = visa("jti-0001", |visa| visa.max_uses = 2);
    let read = |nonce: &str| {
        let request = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        let mut verification = Signed::new(&identity(1), &request, now(), nonce).start(&publisher, now());
        let mut asked = 0;
        while let Some(mut pending) = verification.pending {
            let entry = *pending.insertion().unwrap();
            pending.inserted(real.insert_if_absent(&entry, now()));
            asked += 1;
            verification = publisher.resume(pending, now());
        }
        (verification.verdict.code, asked)
    };
    assert_eq!(read("nonce-0000000001"), (None, 2));
    assert_eq!(read("nonce-0000000002"), (None, 3));
    assert_eq!(read("nonce-0000000003"), (Some(Code::PaymentAlreadyUsed), 3));
}
