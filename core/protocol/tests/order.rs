//! The order of PROTOCOL §5 as a property: a refusal leaves no side effect of a later step behind.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::Algorithm;
use imagxp::publisher::{FetchFailure, NeedKind, Outcome, Redemption};
use imagxp::replay::{Insert, LaterReplayStore, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp::visa::redeem_body;
use imagxp::{Code, Publisher, Purpose, Timestamp, Verdict};
use std::sync::{Arc, Mutex};

/// A real store that writes down who asked it what.
#[derive(Default)]
struct Probe {
    inner: MemoryReplayStore,
    calls: Mutex<Vec<&'static str>>,
    answer: Mutex<Option<Insert>>,
    blind: bool,
}

impl ReplayStore for Probe {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        self.calls.lock().unwrap().push("insert");
        let answer = *self.answer.lock().unwrap();
        answer.unwrap_or_else(|| self.inner.insert_if_absent(entry, now))
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.calls.lock().unwrap().push("seen");
        if self.blind { Seen::Error } else { self.inner.seen(key, now) }
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.inner.horizon()
    }
}

impl Probe {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

fn probed(policy_json: &str) -> (Publisher, Arc<Probe>) {
    let probe = Arc::new(Probe::default());
    let publisher = Publisher::new(policy(policy_json), [7; 16]).with_replay_store(Arc::clone(&probe) as _);
    (know(publisher), probe)
}

const NONCE: &str = "00000000-0000-4000-8000-000000000001";

/// Every way to be refused, in the order of the steps; with what the store may have been asked by then.
fn refusals() -> Vec<(Code, Signed, &'static [&'static str])> {
    let good = || Signed::read(NONCE);
    let with_claim = |from: &str, to: &str| {
        // Unsigned tampering is fine here: these steps come before the signature.
        let mut signed = good();
        let payload = signed.header_mut("x-imagxp-payload");
        let text = String::from_utf8(imagxp::encoding::base64_decode(payload).unwrap()).unwrap();
        assert!(text.contains(from), "{from}");
        *payload = imagxp::encoding::base64_encode(text.replacen(from, to, 1).as_bytes()).into_bytes();
        signed
    };
    let method = |method: &str| {
        let mut signed =
            Signed::new(&identity(1), &SignRequest::new(method, URL, Purpose::RagRetrieval), now(), NONCE);
        signed.method = method.into();
        signed
    };
    let mut wrong_url = good();
    wrong_url.url = "/posts/2".into();
    let mut wrong_method = good();
    wrong_method.method = "HEAD".into();
    let digest = Signed::new(
        &identity(1),
        &SignRequest {
            content_digest: Some("sha-256=:AAAA:"),
            ..SignRequest::new("GET", URL, Purpose::RagRetrieval)
        },
        now(),
        NONCE,
    );
    let mut bad_signature = good();
    bad_signature.header_mut("x-imagxp-signature")[3] ^= 1;
    let premium = |payment: Option<&str>| {
        let request = SignRequest {
            payment,
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        Signed::new(&identity(1), &request, now(), NONCE)
    };
    let other_key =
        Signed::new(&identity(2), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), NONCE);
    let training =
        Signed::new(&identity(1), &SignRequest::new("GET", URL, Purpose::CrawlTraining), now(), NONCE);
    vec![
        // Steps 1 to 4: the store is not even asked.
        (Code::HeaderTooLarge, good().with("x", &"y".repeat(40_000)), &[]),
        (Code::HeaderDuplicate, good().with("X-Imagxp-Payload", "e30="), &[]),
        (Code::HeaderConflict, good().with("x-imagxp-payment", "a").with("x-imagxp-credential", "b"), &[]),
        (Code::HeaderMissing, good().without("x-imagxp-signature"), &[]),
        (
            Code::HeaderBase64Invalid,
            good().without("x-imagxp-payload").with("x-imagxp-payload", "e30 ="),
            &[],
        ),
        (Code::SigMalformed, good().without("x-imagxp-signature").with("x-imagxp-signature", "0x00"), &[]),
        (Code::JsonMalformed, good().without("x-imagxp-payload").with("x-imagxp-payload", "W10="), &[]),
        (Code::ClaimAgentIdInvalid, with_claim("agent.example", "localhost"), &[]),
        (Code::ClaimVersionUnsupported, with_claim("\"v\":\"1.1\"", "\"v\":\"2.0\""), &[]),
        (Code::TimeExpired, with_claim("2026-03-01T12", "2026-03-01T11"), &[]),
        (Code::TimeFuture, with_claim("2026-03-01T12", "2026-03-01T13"), &[]),
        // Steps 6 to 8: it has been asked, and nothing has been stored.
        (Code::ClaimResourceMismatch, wrong_url, &["seen"]),
        (Code::ClaimMethodMismatch, wrong_method, &["seen"]),
        (Code::MethodNotAllowed, method("DELETE"), &["seen"]),
        (Code::ClaimDigestMismatch, digest, &["seen"]),
        (Code::SigInvalid, bad_signature, &["seen"]),
        (Code::IdentityKeyMismatch, other_key, &["seen"]),
        // Steps 10 and 11: the nonce is spent, no visa is.
        (Code::PolicyPurposeDenied, training, &["seen", "insert"]),
        (Code::PaymentRequired, premium(None), &["seen", "insert"]),
        (Code::PaymentMalformed, premium(Some("x")), &["seen", "insert"]),
        (
            Code::PaymentWrongAudience,
            premium(Some(&visa("jti-0001", |v| v.audience = "https://x.example"))),
            &["seen", "insert"],
        ),
        (
            Code::PaymentInsufficient,
            premium(Some(&visa("jti-0001", |v| v.paid = Box::leak(Box::new(cheap()))))),
            &["seen", "insert"],
        ),
    ]
}

fn cheap() -> imagxp::policy::Money {
    imagxp::policy::Money { amount: imagxp::amount::Amount::parse("0.009").unwrap(), currency: "USD".into() }
}

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
        assert_eq!(probe.take().iter().filter(|call| **call == "insert").count(), 2);
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
        assert!(!probe.take().contains(&"insert"), "nothing is spent twice");
    }
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
