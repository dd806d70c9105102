//! Decisions that no test noticed when mutation testing (scripts/mutants.sh) changed them: unsigned copies, records, offers, answers, feedback,
//! a broker's new keys.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::audit::{AuditSink, Record};
use imagxp::crypto::Algorithm;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::json::object_to_canonical;
use imagxp::policy::{Mode, Money};
use imagxp::publisher::{FetchFailure, NeedKind, Outcome, PaymentState};
use imagxp::replay::{Insert, ReplayEntry, ReplayStore, Seen};
use imagxp::visa::{NewVisa, issue};
use imagxp::{Code, Error, Publisher, Purpose, Timestamp};
use std::sync::{Arc, Mutex};

const PREMIUM: &str = "https://pub.example/premium/1";

#[test]
fn the_unsigned_copy_of_the_algorithm_is_the_keys() {
    let names = [
        (Algorithm::Es256, ["ES256", "ecdsa-p256-sha256", "ECDSA"]),
        (Algorithm::EdDsa, ["EdDSA", "ed25519", "EDDSA"]),
    ];
    for (algorithm, good) in &names {
        for copy in names.iter().flat_map(|(_, names)| names) {
            let publisher = Publisher::new(policy(POLICY), [7; 16]);
            let agent = Identity::parse(AGENT, key(1, *algorithm), false).unwrap();
            let json = agent.manifest(None, &[]).unwrap().to_json();
            publisher.supply(MANIFEST_URL, &json, None, now()).unwrap();
            let ask = SignRequest::new("GET", URL, Purpose::RagRetrieval);
            let request = Signed::new(&agent, &ask, now(), "nonce-0000000001").with("x-imagxp-alg", copy);
            let expected = if good.contains(copy) { None } else { Some(Code::HeaderConflict) };
            assert_eq!(request.verify(&publisher).code, expected, "{copy} of {algorithm:?}");
        }
    }
}

/// What of a record these tests look at.
#[derive(Default)]
struct Taken(Mutex<Vec<(bool, Option<usize>)>>);

impl AuditSink for Taken {
    fn record(&self, record: &Record<'_>) -> Result<(), Error> {
        self.0.lock().unwrap().push((record.would_deny, record.payload.map(<[u8]>::len)));
        Ok(())
    }
}

#[test]
fn a_record_says_what_observing_let_pass_and_keeps_claims_of_their_size() {
    let sink = Arc::new(Taken::default());
    let last = || sink.0.lock().unwrap().pop().unwrap();
    for (mode, forged, would_deny) in [
        (Mode::Enforce, false, false),
        (Mode::Enforce, true, false),
        (Mode::Observe, false, false),
        (Mode::Observe, true, true),
    ] {
        let publisher =
            know(Publisher::new(policy(POLICY), [7; 16]).with_mode(mode).with_audit(Arc::clone(&sink) as _));
        let mut request = Signed::read("nonce-0000000001");
        if forged {
            *request.header_mut("x-imagxp-signature") = vec![b'1'; 128];
        }
        assert_eq!(request.verify(&publisher).would_deny, would_deny);
        assert_eq!(last().0, would_deny, "{mode:?}, forged {forged}");
        for (bytes, kept) in [(8192, Some(8192)), (8193, None)] {
            let mut request = Signed::read("nonce-0000000002");
            *request.header_mut("x-imagxp-payload") =
                imagxp::encoding::base64_encode(&vec![b'1'; bytes]).into_bytes();
            request.verify(&publisher);
            assert_eq!(last().1, kept);
        }
        let steps = |publisher: &Publisher| request.act(|request| publisher.explain(request, now()).steps);
        assert!(steps(&publisher).iter().any(|step| step.name == "audit record"));
        assert!(!steps(&common::world::publisher(POLICY)).iter().any(|step| step.name == "audit record"));
    }
}

#[test]
fn what_passes_is_labelled_and_what_has_to_pay_is_told_how() {
    let publisher = publisher(&changed(r#""provenance":{"origin":"HYBRID","attribution_required":true}"#));
    let passed = Signed::read("nonce-0000000001").verify(&publisher);
    assert_eq!(passed.response_headers, [("x-imagxp-content-origin", "HYBRID".to_owned())]);
    assert!(passed.offer.is_none());
    let ask = SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval);
    let unpaid = Signed::new(&identity(1), &ask, now(), "nonce-0000000002").verify(&publisher);
    assert_eq!((unpaid.http, unpaid.response_headers), (402, vec![("cache-control", "no-store".to_owned())]));
    let offer = String::from_utf8(object_to_canonical(&unpaid.offer.unwrap())).unwrap();
    for part in [
        r#""price":"0.01""#,
        r#""currency":"USD""#,
        r#""purposes":["RAG_RETRIEVAL"]"#,
        "https://broker.example",
    ] {
        assert!(offer.contains(part), "{part} in {offer}");
    }
    let forged = Signed::new(&identity(2), &ask, now(), "nonce-0000000003").verify(&publisher);
    assert_eq!((forged.http, forged.offer), (401, None));
}

#[test]
fn nothing_secret_is_shown_to_who_debugs() {
    let shown = format!("{:?}", publisher(POLICY));
    assert!(
        shown.starts_with("Publisher") && shown.contains("pub.example") && !shown.contains('7'),
        "{shown}"
    );
}

fn feedback() -> Feedback {
    Feedback::new(URL, Score::from_millionths(100_000).unwrap(), Reason::SeoSpam)
}

/// A store that answers what it is told to, and keeps what it was asked.
struct Told(Seen, Insert, Mutex<Vec<ReplayEntry>>);

impl ReplayStore for Told {
    fn insert_if_absent(&self, entry: &ReplayEntry, _: Timestamp) -> Insert {
        self.2.lock().unwrap().push(*entry);
        self.1
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        self.0
    }
}

fn with_store(store: &Arc<Told>) -> Publisher {
    know(Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::clone(store) as _))
}

#[test]
fn feedback_is_remembered_as_long_as_it_could_come_again_and_an_answer_is_about_its_own_entry() {
    let fresh = Arc::new(Told(Seen::No, Insert::Fresh, Mutex::default()));
    let value = feedback().sign(&identity(1), now(), "feedback-nonce-0001").unwrap();
    assert!(with_store(&fresh).feedback(&value, None, now()).verdict.is_allowed());
    let entry = fresh.2.lock().unwrap()[0];
    // The window of 300 s, and what a pending verification may take on top of it.
    assert_eq!(entry.expires_at, now().saturating_add_secs(300 + 65));

    let seen = Arc::new(Told(Seen::Yes, Insert::Fresh, Mutex::default()));
    let publisher = with_store(&seen);
    let code = |entry: &ReplayEntry| {
        publisher.feedback_inserted(&value, None, entry, Insert::Fresh, now()).verdict.code
    };
    assert_eq!(code(&entry), None);
    assert_eq!(code(&ReplayEntry { key: [1; 16], ..entry }), Some(Code::ReplayNonceSeen));
}

#[test]
fn feedback_is_its_authors() {
    let publisher = publisher(POLICY);
    let carrier = Signed::read("request-nonce-0001").verify(&publisher);
    // The request's agent names itself once more.
    let value = feedback().sign(&identity(1), now(), "feedback-nonce-0001").unwrap();
    assert_eq!(publisher.feedback(&value, Some(&carrier), now()).verdict.code, None);
    // Signed and named, but neither dated nor numbered: only the request that carries it could say when.
    let plain = format!(r#"{{"agent_id":"{AGENT}","quality_score":0.1,"reason":"SEO_SPAM","url":"{URL}"}}"#);
    let signature = key(1, Algorithm::Es256).sign(plain.as_bytes()).to_hex();
    let value = format!(r#"{{"signature":"{signature}",{}"#, plain.trim_start_matches('{')).into_bytes();
    let refused = publisher.feedback(&value, None, now()).verdict;
    assert_eq!((refused.code, refused.outcome), (Some(Code::AuthRequired), Outcome::Deny));
    assert_eq!(publisher.feedback(&value, Some(&carrier), now()).verdict.code, None);
    // As long as a header may be, and one byte more.
    for (length, code) in [(12_288, Code::FeedbackMalformed), (12_289, Code::HeaderTooLarge)] {
        let refused = publisher.feedback(&vec![b'A'; length], None, now()).verdict;
        assert_eq!((refused.code, refused.outcome), (Some(code), Outcome::Deny), "{length}");
    }
}

/// A visa by the broker's key of this seed.
fn visa_by(seed: u8, jti: &str) -> String {
    let agent = imagxp::AgentId::parse(AGENT, false).unwrap();
    let paid = Money { amount: imagxp::amount::Amount::parse("0.01").unwrap(), currency: "USD".into() };
    let visa = NewVisa {
        issuer: "https://broker.example",
        audience: "https://pub.example",
        agent_id: &agent,
        key: None,
        jti,
        issued_at: now(),
        lifetime_s: 600,
        paid: &paid,
        purposes: &[],
        max_uses: 9,
    };
    issue(&visa, &key(seed, Algorithm::Es256)).unwrap()
}

#[test]
fn a_brokers_new_key_is_fetched_once_a_minute_and_only_for_who_names_it() {
    let publisher = publisher(POLICY);
    let (old, new) = (visa_by(9, "jti-0001"), visa_by(10, "jti-0002"));
    let mut number = 0;
    let mut show = |token: &str, seconds: i64| {
        number += 1;
        let at = now().saturating_add_secs(seconds);
        let ask =
            SignRequest { payment: Some(token), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
        Signed::new(&identity(1), &ask, at, &format!("nonce-{number:010}")).start(&publisher, at).verdict
    };
    // The set has just come: another one would be the same.
    assert_eq!(show(&new, 1).code, Some(Code::PaymentInvalidToken));
    // A minute later it may be another one; who names a key of it needs none.
    assert_eq!(show(&old, 61).code, None);
    let waits = show(&new, 61);
    assert_eq!((waits.code, waits.needs[0].kind), (Some(Code::PaymentJwksNeeded), NeedKind::Jwks));
    assert_eq!(waits.needs[0].url, JWKS_URL);
    assert_eq!(show(&old, 61).code, None);
    publisher.supply(JWKS_URL, &jwks_of(10), None, now().saturating_add_secs(61)).unwrap();
    assert_eq!(show(&new, 62).code, None);
    // The old key is not in the new set: what was seen with it holds no longer.
    assert_eq!(show(&old, 62).code, Some(Code::PaymentInvalidToken));
    let waits = show(&old, 130);
    assert_eq!((waits.code, waits.needs.len()), (Some(Code::PaymentJwksNeeded), 1));
}

/// That the broker could not be asked says nothing about a kid that is new: the visa may be good, and is neither refused nor used up.
#[test]
fn a_new_kid_is_undecided_while_the_brokers_set_cannot_be_fetched() {
    for (failure, again) in [
        (FetchFailure::Failed, 60),
        (FetchFailure::NotFound, 60),
        (FetchFailure::Invalid, 60),
        (FetchFailure::Busy, 2),
    ] {
        let publisher = publisher(POLICY);
        // Known throughout: this is about the broker's keys.
        publisher.supply(MANIFEST_URL, &manifest(&[1]), Some(3600), now()).unwrap();
        let at = |seconds: i64| now().saturating_add_secs(61 + seconds);
        let token = visa_by(10, "jti-0001");
        let ask =
            SignRequest { payment: Some(&token), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
        let request = Signed::new(&identity(1), &ask, at(0), "nonce-0000000001");
        let waiting = request.start(&publisher, at(0));
        assert_eq!(waiting.verdict.code, Some(Code::PaymentJwksNeeded));
        publisher.supply_failure(JWKS_URL, failure, at(0)).unwrap();
        for verdict in [
            publisher.resume(waiting.pending.unwrap(), at(0)).verdict,
            request.start(&publisher, at(again - 1)).verdict,
        ] {
            assert_eq!(verdict.code, Some(Code::PaymentJwksUnavailable), "{failure:?}: {verdict:?}");
            assert_eq!((verdict.outcome, verdict.needs.len()), (Outcome::Undecided, 0));
            assert_eq!(verdict.payment.state, PaymentState::Unpaid);
        }
        // The old key is still in the set that is at hand.
        let old = visa_by(9, "jti-0002");
        let with_old =
            SignRequest { payment: Some(&old), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
        let with_old = Signed::new(&identity(1), &with_old, at(0), "nonce-0000000002");
        assert_eq!(with_old.start(&publisher, at(0)).verdict.code, None);
        // Neither nonce nor visa was spent: the same request is good as soon as the set has come.
        let waiting = request.start(&publisher, at(again));
        assert_eq!(waiting.verdict.code, Some(Code::PaymentJwksNeeded), "{failure:?}");
        publisher.supply(JWKS_URL, &jwks_of(10), None, at(again)).unwrap();
        assert_eq!(publisher.resume(waiting.pending.unwrap(), at(again)).verdict.code, None);
        assert_eq!(request.start(&publisher, at(again)).verdict.code, Some(Code::ReplayNonceSeen));
    }
}

/// The same where no set is at hand at all.
#[test]
fn a_visa_is_undecided_while_the_brokers_first_set_cannot_be_fetched() {
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    publisher.supply_failure(JWKS_URL, FetchFailure::Failed, now()).unwrap();
    let token = visa_by(9, "jti-0001");
    let ask =
        SignRequest { payment: Some(&token), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
    let request = Signed::new(&identity(1), &ask, now(), "nonce-0000000001");
    let verdict = request.verify(&publisher);
    assert_eq!(
        (verdict.code, verdict.payment.state),
        (Some(Code::PaymentJwksUnavailable), PaymentState::Unpaid)
    );
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    assert_eq!(request.verify(&publisher).code, None);
}

#[test]
fn the_product_token_is_asked_for_where_the_policy_says_so() {
    for (asks, agent, code) in [
        (true, "bot/1 IMAGXP/1.0", None),
        (true, "bot/1", Some(Code::HeaderMissing)),
        (false, "bot/1 IMAGXP/1.0", None),
        (false, "bot/1", None),
    ] {
        let publisher = publisher(&changed(&format!(r#""require_user_agent":{asks}"#)));
        let mut request = Signed::read("nonce-0000000001");
        *request.header_mut("user-agent") = agent.as_bytes().to_vec();
        assert_eq!(request.verify(&publisher).code, code, "{asks} {agent}");
    }
}

#[test]
fn the_unsigned_copy_of_the_time_is_the_same_time() {
    for (copy, code) in [
        ("2026-03-01T12:00:00.000Z", None),
        ("2026-03-01T12:00:00Z", None),
        ("2026-03-01T12:00:00.001Z", Some(Code::HeaderConflict)),
        ("noon", Some(Code::HeaderConflict)),
    ] {
        let request = Signed::read("nonce-0000000001").with("x-imagxp-timestamp", copy);
        assert_eq!(request.verify(&publisher(POLICY)).code, code, "{copy}");
    }
}

/// A claim that names no resource, or another one than was asked for.
#[test]
fn how_much_of_the_resource_has_to_agree_is_the_policys_to_say() {
    let request = |resource: &str| {
        let claim = format!(
            r#"{{"agent_id":"{AGENT}","nonce":"nonce-0000000001","purpose":"RAG_RETRIEVAL"{resource},"ts":"2026-03-01T12:00:00Z","v":"1.1"}}"#
        );
        let mut request = Signed::read("nonce-0000000001");
        *request.header_mut("x-imagxp-payload") =
            imagxp::encoding::base64_encode(claim.as_bytes()).into_bytes();
        *request.header_mut("x-imagxp-signature") =
            key(1, Algorithm::Es256).sign(claim.as_bytes()).to_hex().into_bytes();
        request
    };
    let none = request("");
    let same = request(r#","resource":"https://pub.example/posts/1""#);
    let other = request(r#","resource":"https://pub.example/posts/2""#);
    let bare = request(r#","resource":"/posts/1""#);
    let mismatch = Some(Code::ClaimResourceMismatch);
    for (rules, codes) in [
        (r#""require_resource":true"#, [Some(Code::ClaimResourceInvalid), None, mismatch, mismatch]),
        (r#""require_resource":false"#, [None, None, mismatch, mismatch]),
        (r#""resource_match":"path""#, [Some(Code::ClaimResourceInvalid), None, mismatch, None]),
        (r#""resource_match":"off""#, [Some(Code::ClaimResourceInvalid), None, None, None]),
    ] {
        for (request, code) in [&none, &same, &other, &bare].into_iter().zip(codes) {
            assert_eq!(request.verify(&publisher(&changed(rules))).code, code, "{rules} {request:?}");
        }
    }
    // "Signed for another resource" is said only of what the agent signed.
    let mut forged = other.clone();
    *forged.header_mut("x-imagxp-signature") = vec![b'1'; 128];
    assert_eq!(forged.verify(&publisher(POLICY)).code, Some(Code::SigInvalid));
}

/// What was found while a verification waited is about the key that it was found of.
#[test]
fn a_key_that_was_exchanged_meanwhile_has_signed_nothing() {
    for (seeds, allowed) in [(&[1_u8][..], true), (&[2], false), (&[2, 1], true)] {
        let publisher = Publisher::new(policy(POLICY), [7; 16]);
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
        let token = visa_by(9, "jti-0001");
        let ask =
            SignRequest { payment: Some(&token), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
        let request =
            Signed::new(&identity(1), &ask, now(), "nonce-0000000001").without("x-imagxp-public-key");
        let waiting = request.start(&publisher, now());
        assert_eq!(waiting.verdict.code, Some(Code::PaymentJwksNeeded));
        publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
        publisher.supply(MANIFEST_URL, &manifest(seeds), None, now()).unwrap();
        let verdict = publisher.resume(waiting.pending.unwrap(), now()).verdict;
        assert_eq!(verdict.is_allowed(), allowed, "{seeds:?}: {verdict:?}");
        let by = key(1, Algorithm::Es256).public_key().thumbprint().as_str().to_owned();
        assert!(!allowed || verdict.key_id.unwrap().as_str() == by);
    }
}
