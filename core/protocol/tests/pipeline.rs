//! Branches of the pipeline that mutation testing (scripts/mutants.sh) has found without a test that decides them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::{Algorithm, Signer, jws};
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::explain::StepResult;
use imagxp::json::Object;
use imagxp::publisher::PaymentState;
use imagxp::replay::{Insert, ReplayEntry, ReplayStore, Seen};
use imagxp::{Code, Publisher, Purpose, Timestamp, Verdict};
use std::sync::{Arc, Mutex};

const NETWORK: &str = "https://ads.example";
const PREMIUM: &str = "https://pub.example/premium/1";

/// The good request with its payload in another form: a blank more.
fn rewritten(nonce: &str) -> (Signed, Vec<u8>) {
    let mut request = Signed::read(nonce);
    let payload = base64_decode(request.header_mut("x-imagxp-payload")).unwrap();
    let wider = String::from_utf8(payload).unwrap().replacen(':', ": ", 1).into_bytes();
    *request.header_mut("x-imagxp-payload") = base64_encode(&wider).into_bytes();
    (request, wider)
}

#[test]
fn a_signature_holds_for_one_of_two_readings_and_for_nothing_else() {
    let publisher = publisher(POLICY);
    // Over the canonical form, whatever was sent.
    let (request, _) = rewritten("nonce-0000000001");
    assert_eq!(request.verify(&publisher).code, None);
    // Over what was sent, byte for byte.
    let (mut request, sent) = rewritten("nonce-0000000002");
    let signature = key(1, Algorithm::Es256).sign(&sent);
    *request.header_mut("x-imagxp-signature") = signature.to_hex().into_bytes();
    assert_eq!(request.verify(&publisher).code, None);
    // Over something else, in either form.
    let other = key(1, Algorithm::Es256).sign(b"something else").to_hex().into_bytes();
    for mut request in [rewritten("nonce-0000000003").0, Signed::read("nonce-0000000003")] {
        request.header_mut("x-imagxp-signature").clone_from(&other);
        assert_eq!(request.verify(&publisher).code, Some(Code::SigInvalid));
    }
}

#[test]
fn an_explanation_says_whether_the_signature_is_good() {
    let publisher = publisher(POLICY);
    for (seed, received, result) in [(1, "it is", StepResult::Passed), (2, "it is not", StepResult::Failed)] {
        let mut request = Signed::read("nonce-0000000001");
        let payload = base64_decode(request.header_mut("x-imagxp-payload")).unwrap();
        *request.header_mut("x-imagxp-signature") =
            key(seed, Algorithm::Es256).sign(&payload).to_hex().into_bytes();
        let explained = request.act(|request| publisher.explain(request, now()));
        let step = explained.steps.iter().find(|step| step.name == "signature").unwrap();
        assert_eq!((step.received.as_str(), step.result), (received, result));
    }
}

/// A publisher that sells below /premium/, and takes ad proofs as this says.
fn with_ads(accept: bool) -> Publisher {
    let network =
        format!(r#"{{"issuer":"{NETWORK}","jwks_uri":"https://ads.example/jwks","audience":"pub.example"}}"#);
    let ads = format!(r#""payment":{{"accept_ads":{accept},"ad_networks":[{network}],"#);
    let publisher = publisher(&POLICY.replacen(r#""payment":{"#, &ads, 1));
    publisher.supply("https://ads.example/jwks", &jwks(), None, now()).unwrap();
    publisher
}

/// An ad proof for agent 1, signed by the key of seed 9.
fn proof(issuer: &str, audience: &str) -> String {
    proof_of("imagxp-adproof+jwt", issuer, audience)
}

/// The same with another type in its header.
fn proof_of(typ: &str, issuer: &str, audience: &str) -> String {
    let mut claims = Object::new();
    claims.insert("iss", issuer.to_owned());
    claims.insert("aud", audience.to_owned());
    claims.insert("sub", AGENT);
    claims.insert("jti", "proof-0001");
    claims.insert("iat", 1_772_366_400);
    claims.insert("exp", 1_772_367_000);
    let network = key(9, Algorithm::Es256);
    let mut header = Object::new();
    header.insert("typ", typ.to_owned());
    header.insert("kid", network.public_key().thumbprint().as_str().to_owned());
    jws::sign(&header, &imagxp::json::object_to_canonical(&claims), &network as &dyn Signer).unwrap()
}

fn show(publisher: &Publisher, nonce: &str, proof: &str, displayed: Option<bool>) -> Verdict {
    let request = SignRequest {
        proof: Some(proof),
        ads_displayed: displayed,
        ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &request, now(), nonce).verify(publisher)
}

#[test]
fn an_ad_proof_pays_where_ads_are_accepted_and_were_displayed() {
    let good = proof(NETWORK, "pub.example");
    let open = with_ads(true);
    for (number, displayed) in [None, Some(false)].into_iter().enumerate() {
        let nonce = format!("nonce-000000000{number}");
        assert_eq!(show(&open, &nonce, &good, displayed).code, Some(Code::PaymentRequired), "{displayed:?}");
    }
    let closed = show(&with_ads(false), "nonce-0000000001", &good, Some(true));
    assert_eq!(closed.code, Some(Code::PaymentRequired));
    // Of another network, or for another site.
    let strange = proof("https://other.example", "pub.example");
    let verdict = show(&open, "nonce-0000000002", &strange, Some(true));
    assert_eq!(verdict.code, Some(Code::PaymentInvalidToken));
    // A token of another type, though its network has signed it.
    for (typ, nonce) in [("at+jwt", "nonce-0000000007"), ("JWT", "nonce-0000000008")] {
        let other = proof_of(typ, NETWORK, "pub.example");
        let verdict = show(&open, nonce, &other, Some(true));
        assert_eq!(verdict.code, Some(Code::PaymentInvalidToken), "{typ}");
    }
    let elsewhere = proof(NETWORK, "other.example");
    let verdict = show(&open, "nonce-0000000003", &elsewhere, Some(true));
    assert_eq!(verdict.code, Some(Code::PaymentWrongAudience));
    let verdict = show(&open, "nonce-0000000004", &good, Some(true));
    assert_eq!((verdict.code, verdict.payment.state), (None, PaymentState::Ads));
    assert_eq!(verdict.payment.issuer.as_deref(), Some(NETWORK));
    let again = show(&open, "nonce-0000000005", &good, Some(true));
    assert_eq!(again.code, Some(Code::PaymentAlreadyUsed));
    // A visa is said to be one.
    let token = visa("jti-0001", |_| ());
    let ask =
        SignRequest { payment: Some(&token), ..SignRequest::new("GET", PREMIUM, Purpose::RagRetrieval) };
    let verdict = Signed::new(&identity(1), &ask, now(), "nonce-0000000006").verify(&open);
    assert_eq!((verdict.code, verdict.payment.state), (None, PaymentState::Visa));
}

#[test]
fn keys_are_asked_for_only_where_a_payment_decides() {
    // The broker's keys are not at hand.
    let publisher = Publisher::new(policy(POLICY), [7; 16]);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
    let token = visa("jti-0001", |_| ());
    let ask = |url: &str, purpose, nonce: &str| {
        let request = SignRequest { payment: Some(&token), ..SignRequest::new("GET", url, purpose) };
        Signed::new(&identity(1), &request, now(), nonce).verify(&publisher).code
    };
    assert_eq!(ask(URL, Purpose::RagRetrieval, "nonce-0000000001"), None);
    assert_eq!(ask(PREMIUM, Purpose::CrawlTraining, "nonce-0000000002"), Some(Code::PolicyPurposeDenied));
    assert_eq!(ask(PREMIUM, Purpose::RagRetrieval, "nonce-0000000003"), Some(Code::PaymentJwksNeeded));
}

/// A store that has forgotten everything up to a time.
#[derive(Default)]
struct Forgetful(Mutex<Option<Timestamp>>);

impl ReplayStore for Forgetful {
    fn insert_if_absent(&self, _: &ReplayEntry, _: Timestamp) -> Insert {
        Insert::Fresh
    }

    fn seen(&self, _: &[u8; 16], _: Timestamp) -> Seen {
        Seen::No
    }

    fn horizon(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap()
    }
}

#[test]
fn what_was_forgotten_is_shut_and_what_was_pending_meanwhile_is_not() {
    let store = Arc::new(Forgetful::default());
    let later = |millis: i64| now().saturating_add_millis(millis);
    // The claim ends 300 s after it was made; a nonce is kept 65 s longer.
    for (horizon, fresh, resumed) in [
        (299_999, None, None),
        (300_000, Some(Code::TimeExpired), None),
        (364_999, Some(Code::TimeExpired), None),
        (365_000, Some(Code::TimeExpired), Some(Code::TimeExpired)),
    ] {
        *store.0.lock().unwrap() = None;
        // It knows nobody yet, so that the first request has to wait.
        let publisher = Publisher::new(policy(POLICY), [7; 16]).with_replay_store(Arc::clone(&store) as _);
        let pending = Signed::read("nonce-0000000001").start(&publisher, now()).pending.unwrap();
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now()).unwrap();
        *store.0.lock().unwrap() = Some(later(horizon));
        assert_eq!(publisher.resume(pending, later(1)).verdict.code, resumed, "{horizon} resumed");
        assert_eq!(Signed::read("nonce-0000000002").verify(&publisher).code, fresh, "{horizon} fresh");
    }
}

#[test]
fn the_window_ends_to_the_millisecond() {
    let publisher = publisher(POLICY);
    let later = |millis: i64| now().saturating_add_millis(millis);
    for (number, (age, code)) in [
        (-60_001, Some(Code::TimeFuture)),
        (-60_000, None),
        (300_000, None),
        (300_001, Some(Code::TimeExpired)),
    ]
    .into_iter()
    .enumerate()
    {
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, later(age)).unwrap();
        let verdict = Signed::read(&format!("nonce-000000000{number}")).start(&publisher, later(age)).verdict;
        assert_eq!(verdict.code, code, "{age}");
    }
    // A verification is resumed within a minute, to the millisecond.
    for (pending, code) in [(60_000, None), (60_001, Some(Code::TimeExpired))] {
        let publisher = Publisher::new(policy(POLICY), [7; 16]);
        let waiting = Signed::read("nonce-0000000001").start(&publisher, now()).pending.unwrap();
        publisher.supply(MANIFEST_URL, &manifest(&[1]), None, later(1)).unwrap();
        assert_eq!(publisher.resume(waiting, later(pending)).verdict.code, code, "{pending}");
    }
}

#[test]
fn one_of_our_sites_is_not_another() {
    let both =
        POLICY.replacen(r#"["https://pub.example"]"#, r#"["https://pub.example","https://two.example"]"#, 1);
    let publisher = publisher(&both);
    for (number, (signed, came, code)) in [
        (URL, URL, None),
        (URL, "https://two.example/posts/1", Some(Code::ClaimResourceMismatch)),
        ("https://two.example/posts/1", "https://two.example/posts/1", None),
        ("https://three.example/posts/1", "https://three.example/posts/1", Some(Code::ClaimResourceMismatch)),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = SignRequest::new("GET", signed, Purpose::RagRetrieval);
        let mut request = Signed::new(&identity(1), &ask, now(), &format!("nonce-000000000{number}"));
        request.url = came.to_owned();
        assert_eq!(request.verify(&publisher).code, code, "{signed} at {came}");
    }
}

/// A claim may name another page where the site does not compare them; what the page costs is asked of the one that came.
#[test]
fn the_page_that_came_is_judged_and_not_the_one_that_was_signed() {
    let publisher = publisher(&changed(r#""resource_match":"off""#));
    for (number, (signed, came, code)) in [
        (PREMIUM, PREMIUM, Some(Code::PaymentRequired)),
        (URL, PREMIUM, Some(Code::PaymentRequired)),
        (URL, "/premium/1", Some(Code::PaymentRequired)),
        (PREMIUM, URL, None),
        (PREMIUM, "/posts/1", None),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = SignRequest::new("GET", signed, Purpose::RagRetrieval);
        let mut request = Signed::new(&identity(1), &ask, now(), &format!("nonce-000000000{number}"));
        request.url = came.to_owned();
        assert_eq!(request.verify(&publisher).code, code, "{signed} at {came}");
    }
}

#[test]
fn processes_that_share_a_secret_begin_with_numbers_of_their_own() {
    // As after a fork: the same secret, the same number, the same time.
    let (parent, child) = (publisher(POLICY), publisher(POLICY));
    let trace = |publisher: &Publisher| Signed::read("nonce-0000000001").verify(publisher).trace_id;
    assert_eq!(trace(&parent), trace(&child));
    child.begin_traces(1 << 40);
    let traces = [&parent, &parent, &child, &child].map(trace);
    let different: std::collections::BTreeSet<_> = traces.iter().collect();
    assert_eq!(different.len(), traces.len());
    let other = know(Publisher::new(policy(POLICY), [7; 16]).with_first_trace(1 << 41));
    assert!(!traces.contains(&trace(&other)));
}
