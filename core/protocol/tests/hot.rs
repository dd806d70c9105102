//! Keys with tables inside the publisher: who gets one, and that no verdict changes, one by one or in batches.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::Algorithm;
use imagxp::publisher::{NeedKind, Outcome};
use imagxp::{Code, Publisher, Purpose};

fn forged(mut signed: Signed) -> Signed {
    let digit = &mut signed.header_mut("x-imagxp-signature")[9];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    signed
}

fn stranger(number: u8, nonce: &str) -> Signed {
    let identity =
        Identity::parse(&format!("s{number}.example"), key(number, Algorithm::Es256), false).unwrap();
    Signed::new(&identity, &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), nonce)
}

#[test]
fn a_key_gets_a_table_at_its_second_verified_request() {
    let publisher = publisher(POLICY);
    for number in 0..3 {
        assert_eq!(publisher.hot_keys().len(), usize::from(number >= 2));
        let verdict = Signed::read(&format!("nonce-000000000{number}")).verify(&publisher);
        assert_eq!(verdict.outcome, Outcome::Allow);
    }
    assert!(publisher.hot_keys().bytes() > 10_000);
    let none = know(Publisher::new(policy(POLICY), [7; 16]).with_hot_keys(0));
    for number in 0..3 {
        assert!(Signed::read(&format!("nonce-000000000{number}")).verify(&none).is_allowed());
    }
    assert!(none.hot_keys().is_empty());
}

/// Forgeries, good signatures of keys that the manifest does not list, agents that nobody knows, replays: none is a verified request.
#[test]
fn strangers_get_no_tables() {
    let publisher = publisher(POLICY);
    let good = Signed::read("nonce-0000000000");
    assert!(good.verify(&publisher).is_allowed());
    let mut random = Random(1);
    for _ in 0..20 {
        assert_eq!(good.verify(&publisher).code, Some(Code::ReplayNonceSeen));
        let nonce = random.nonce();
        assert_eq!(forged(Signed::read(&nonce)).verify(&publisher).code, Some(Code::SigInvalid));
        // The agent's name, and a key that its manifest lacks.
        let other =
            Signed::new(&identity(2), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), &nonce);
        assert_eq!(other.verify(&publisher).outcome, Outcome::Deny);
        let unknown = stranger(3, &nonce).verify(&publisher);
        assert_eq!(unknown.needs[0].kind, NeedKind::Manifest);
    }
    assert!(publisher.hot_keys().is_empty());
}

#[test]
fn issuers_of_visas_get_tables_too() {
    let publisher = publisher(POLICY);
    for number in 0..4 {
        let token = visa(&format!("visa-000{number}"), |_| {});
        let request = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        let nonce = format!("nonce-000000000{number}");
        assert!(Signed::new(&identity(1), &request, now(), &nonce).verify(&publisher).is_allowed());
    }
    assert_eq!(publisher.hot_keys().len(), 2, "the agent and the broker");
}

/// What comes at a site, with some of it twice.
fn traffic(count: usize, seed: u64) -> Vec<Signed> {
    let mut random = Random(seed);
    let mut requests: Vec<Signed> = Vec::new();
    for _ in 0..count {
        let nonce = random.nonce();
        let good = Signed::read(&nonce);
        requests.push(match random.below(12) {
            0 if !requests.is_empty() => requests[random.below(requests.len())].clone(),
            1 => forged(good),
            2 => good.without("x-imagxp-public-key"),
            3 => forged(good).without("x-imagxp-public-key"),
            4 => good.without("x-imagxp-payload").without("x-imagxp-signature"),
            5 => stranger(3, &nonce),
            6 => {
                let training = SignRequest::new("GET", URL, Purpose::CrawlTraining);
                Signed::new(&identity(1), &training, now(), &nonce)
            }
            7 => {
                let mut other = good;
                other.url = "https://pub.example/posts/2".into();
                other
            }
            8 => {
                let token = visa(if random.below(2) == 0 { "the-same-visa" } else { &nonce }, |_| {});
                let request = SignRequest {
                    payment: Some(&token),
                    ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
                };
                Signed::new(&identity(1), &request, now(), &nonce)
            }
            9 => {
                Signed::new(&identity(2), &SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), &nonce)
            }
            _ => good,
        });
    }
    requests
}

#[test]
fn a_batch_has_the_verdicts_of_one_by_one() {
    let rated = POLICY.replacen("\"version\":1", "\"version\":1,\"rate\":{\"requests\":40,\"per_s\":60}", 1);
    for (size, seed) in [(0, 1), (1, 2), (2, 3), (8, 4), (64, 5), (150, 6)] {
        let plain = know(Publisher::new(policy(&rated), [7; 16]).with_hot_keys(0));
        let batched = publisher(&rated);
        for round in 0..3 {
            let requests = traffic(size, seed * 10 + round);
            let expected: Vec<String> =
                requests.iter().map(|request| format!("{:?}", request.verify(&plain))).collect();
            let lines: Vec<Vec<(&[u8], &[u8])>> = requests
                .iter()
                .map(|request| {
                    request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect()
                })
                .collect();
            let views: Vec<imagxp::Request<'_>> = requests
                .iter()
                .zip(&lines)
                .map(|(request, headers)| imagxp::Request {
                    method: &request.method,
                    url: &request.url,
                    headers,
                    body_digest: None,
                })
                .collect();
            let got = batched.verify_batch(&views, now());
            assert!(got.iter().all(|one| one.pending.is_some() != one.verdict.needs.is_empty()));
            let got: Vec<String> = got.iter().map(|one| format!("{:?}", one.verdict)).collect();
            assert_eq!(got, expected, "{size} requests, round {round}");
        }
        if size >= 8 {
            assert!(!batched.hot_keys().is_empty());
        }
    }
}

/// A visa of two uses, seen again and again: its signature is not checked twice, everything else is.
#[test]
fn a_seen_visa_is_still_counted_timed_and_bound() {
    let publisher = publisher(POLICY);
    let token = visa("visa-0001", |visa| visa.max_uses = 3);
    let mut random = Random(7);
    let mut show = |token: &str, publisher: &Publisher, seed: u8, purpose: Purpose, seconds: i64| {
        let at = now().saturating_add_secs(seconds);
        let request = SignRequest {
            payment: Some(token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", purpose)
        };
        let signed = Signed::new(&identity(seed), &request, at, &random.nonce());
        signed.start(publisher, at).verdict.code
    };
    for _ in 0..2 {
        assert_eq!(show(&token, &publisher, 1, Purpose::RagRetrieval, 0), None);
    }
    // A byte more or less is another token.
    let mut changed = token.clone().into_bytes();
    let last = changed.len() - 3;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    assert_eq!(show(&changed, &publisher, 1, Purpose::RagRetrieval, 0), Some(Code::PaymentInvalidToken));
    // The agent's next key did not pay.
    publisher.supply(MANIFEST_URL, &manifest(&[1, 2]), None, now()).unwrap();
    assert_eq!(show(&token, &publisher, 2, Purpose::RagRetrieval, 0), Some(Code::PaymentWrongHolder));
    assert_eq!(show(&token, &publisher, 1, Purpose::RagRetrieval, 0), None);
    assert_eq!(show(&token, &publisher, 1, Purpose::RagRetrieval, 0), Some(Code::PaymentAlreadyUsed));
    let other = visa("visa-0002", |visa| visa.max_uses = 3);
    assert_eq!(show(&other, &publisher, 1, Purpose::RagRetrieval, 0), None);
    // The broker withdraws its key: what it signed with it is worth nothing any more.
    publisher.supply(JWKS_URL, &jwks_of(8), None, now()).unwrap();
    let refused = show(&other, &publisher, 1, Purpose::RagRetrieval, 0);
    assert!(matches!(refused, Some(Code::PaymentJwksNeeded | Code::PaymentInvalidToken)), "{refused:?}");
    publisher.supply(JWKS_URL, &jwks(), None, now()).unwrap();
    assert_eq!(show(&other, &publisher, 1, Purpose::RagRetrieval, 0), None);
    publisher.supply(MANIFEST_URL, &manifest(&[1]), None, now().saturating_add_secs(700)).unwrap();
    publisher.supply(JWKS_URL, &jwks(), None, now().saturating_add_secs(700)).unwrap();
    assert_eq!(show(&other, &publisher, 1, Purpose::RagRetrieval, 700), Some(Code::PaymentExpired));
}
