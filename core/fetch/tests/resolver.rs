//! The core and the fetcher together: from one request to one verdict, with manifests and key sets from real servers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use imagxp::agent::{Identity, SignRequest};
use imagxp::amount::Amount;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::limits::Limits;
use imagxp::policy::Money;
use imagxp::publisher::{Publisher, Redemption, Request, Verification};
use imagxp::visa::{NewVisa, issue};
use imagxp::{AgentId, Code, Policy, Purpose, Timestamp};
use imagxp_fetch::{Fetcher, Profile, Resolver};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Authority, NameServer, Reply, Stream, answer, options, world};

const AGENT: &str = "bot.example.com";
const PAID: &str = "https://pub.example/premium/1";

fn key(seed: u8) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, fill).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn publisher(check: &str) -> Publisher {
    let json = format!(
        r#"{{"version":1,"origins":["https://pub.example"],"purposes":{{"RAG_RETRIEVAL":{{"allow":true}}}},
        "paths":[{{"match":"/premium/*","price":{{"amount":"0.01","currency":"USD"}}}}],
        "payment":{{"brokers":[{{"issuer":"https://broker.example.com","check":"{check}",
        "jwks_uri":"https://broker.example.com:8443/jwks.json"}}]}}}}"#
    );
    Publisher::new(Policy::from_json(json.as_bytes()).unwrap(), [7; 16])
}

/// The header lines of a request of agent 1.
fn signed(url: &str, visa: Option<&str>) -> Vec<(String, String)> {
    static NONCE: AtomicUsize = AtomicUsize::new(0);
    let identity = Identity::parse(AGENT, key(1), false).unwrap();
    let mut request = SignRequest::new("GET", url, Purpose::RagRetrieval);
    request.payment = visa;
    let nonce = format!("nonce-of-this-test-{:06}", NONCE.fetch_add(1, Ordering::SeqCst));
    let headers = identity.sign(&request, now(), &nonce).unwrap();
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    lines.push(("user-agent".into(), "bot IMAGXP/1.0".into()));
    lines
}

fn with<T>(lines: &[(String, String)], url: &str, act: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers: Vec<(&[u8], &[u8])> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    act(&Request { method: "GET", url, headers: &headers, body_digest: None })
}

fn verify(resolver: &Resolver, publisher: &Publisher, url: &str, visa: Option<&str>) -> Verification {
    with(&signed(url, visa), url, |request| resolver.verify(publisher, request, now()))
}

fn code(verification: &Verification) -> Option<&'static str> {
    verification.verdict.code.map(Code::as_str)
}

fn manifest(seed: u8) -> Vec<u8> {
    Identity::parse(AGENT, key(seed), false).unwrap().manifest(None, &[]).unwrap().to_json()
}

fn jwks() -> Vec<u8> {
    let key = key(9);
    let mut jwk = key.public_key().to_jwk();
    jwk.insert("kid", key.public_key().thumbprint().as_str().to_owned());
    let mut set = imagxp::json::Object::new();
    set.insert("keys", vec![imagxp::json::Value::Object(jwk)]);
    imagxp::json::object_to_canonical(&set)
}

fn visa(jti: &str) -> String {
    let agent = AgentId::parse(AGENT, false).unwrap();
    let holder = key(1);
    let paid = Money { amount: Amount::parse("0.01").unwrap(), currency: "USD".into() };
    let visa = NewVisa {
        issuer: "https://broker.example.com",
        audience: "https://pub.example",
        agent_id: &agent,
        key: Some(holder.public_key().thumbprint()),
        jti,
        issued_at: now(),
        lifetime_s: 600,
        paid: &paid,
        purposes: &[],
        max_uses: 1,
    };
    issue(&visa, &key(9)).unwrap()
}

/// Everybody's server: manifests and key sets.
fn serve(stream: &mut dyn Stream, head: &str) {
    if head.contains("/jwks.json") {
        answer(stream, "200 OK", "", &jwks());
    } else {
        answer(stream, "200 OK", "cache-control: max-age=90\r\n", &manifest(1));
    }
}

#[test]
fn the_first_request_fetches_and_the_next_does_not() {
    let (fetcher, server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
    for _ in 0..20 {
        let verification = verify(&resolver, &publisher, "https://pub.example/a", None);
        assert!(verification.verdict.is_allowed() && verification.pending.is_none(), "{verification:?}");
        assert!(verification.verdict.warnings.is_empty());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn max_age_is_passed_on() {
    let (fetcher, server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
    assert!(verify(&resolver, &publisher, "https://pub.example/a", None).verdict.is_allowed());
    let at = |seconds: i64| {
        let lines = signed("https://pub.example/a", None);
        with(&lines, "https://pub.example/a", |request| {
            publisher.verify(request, now().saturating_add_secs(seconds)).pending.is_some()
        })
    };
    assert!(!at(85) && at(95), "the answer said 90 s");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_visa_needs_the_brokers_keys_too() {
    let (fetcher, server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
    let verification = verify(&resolver, &publisher, PAID, Some(&visa("visa-0001")));
    assert!(verification.verdict.is_allowed(), "{verification:?}");
    assert_eq!(verification.verdict.payment.jti.as_deref(), Some("visa-0001"));
    let heads = server.heads();
    assert!(
        heads[0].contains("imagxp-agent.json") && heads[1].contains("host: broker.example.com:8443"),
        "{heads:?}"
    );
    assert_eq!(
        code(&verify(&resolver, &publisher, PAID, Some(&visa("visa-0001")))),
        Some("payment.already_used")
    );
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_visa_to_redeem_is_left_to_the_caller() {
    let (fetcher, _server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("redeem"));
    let verification = verify(&resolver, &publisher, PAID, Some(&visa("visa-0002")));
    assert_eq!(code(&verification), Some("payment.redeem_needed"));
    let mut pending = verification.pending.unwrap();
    pending.redeemed(Redemption::Accepted);
    let verification = resolver.resume(&publisher, pending, now());
    assert!(verification.verdict.is_allowed() && verification.pending.is_none(), "{verification:?}");
}

#[test]
fn failures_have_their_codes() {
    for (status, lines, body, expected, http) in [
        ("500 Oh", "", manifest(1), "identity.fetch_failed", 503),
        ("404 No", "", manifest(1), "identity.not_found", 401),
        ("301 There", "location: https://pub.example/m\r\n", manifest(1), "identity.redirect", 401),
        ("200 OK", "content-encoding: gzip\r\n", manifest(1), "identity.manifest_invalid", 401),
        ("200 OK", "", b"{}".to_vec(), "identity.manifest_invalid", 401),
        ("200 OK", "", vec![b' '; 17_000], "identity.manifest_invalid", 401),
        ("200 OK", "", manifest(2), "identity.key_mismatch", 401),
    ] {
        let (fetcher, server, _names) = world(move |stream, _| answer(stream, status, lines, &body));
        let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
        for _ in 0..3 {
            let verification = verify(&resolver, &publisher, "https://pub.example/a", None);
            assert_eq!((code(&verification), verification.verdict.http), (Some(expected), http), "{status}");
            assert!(verification.pending.is_none());
        }
        assert_eq!(server.connections(), 1, "{status}");
    }
}

#[test]
fn inner_addresses_and_a_busy_fetcher_have_their_codes() {
    let authority = Authority::new();
    let names = NameServer::always(Reply::Addresses(vec!["10.0.0.1".parse().unwrap()]));
    let resolver = Resolver::new(Fetcher::new(options(&authority, &names, 1)).unwrap());
    let verification = verify(&resolver, &publisher("offline"), "https://pub.example/a", None);
    assert_eq!(code(&verification), Some("identity.address_denied"));

    let (fetcher, _server, _names) = world(serve);
    // What one host has to bear in a minute has been used up.
    for path in ["/1", "/2"] {
        fetcher.get(&format!("https://{AGENT}{path}"), Profile::MANIFEST).unwrap();
    }
    let verification = verify(&Resolver::new(fetcher), &publisher("offline"), "https://pub.example/a", None);
    assert_eq!((code(&verification), verification.verdict.http), (Some("identity.fetch_busy"), 503));
}

#[test]
fn a_broker_that_is_away_leaves_the_verdict_undecided() {
    let (fetcher, _server, _names) = world(|stream, head| {
        if head.contains("/jwks.json") {
            answer(stream, "503 Away", "", b"");
        } else {
            serve(stream, head);
        }
    });
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
    let verification = verify(&resolver, &publisher, PAID, Some(&visa("visa-0003")));
    assert_eq!(code(&verification), Some("payment.jwks_unavailable"));
    assert_eq!(verification.verdict.outcome.as_str(), "undecided");
}

/// As much of a manifest is fetched as the publisher reads (PROTOCOL §14: 16 KiB, settable to 64).
#[test]
fn a_manifest_may_be_as_long_as_the_publishers_limit() {
    let padded = |length: usize| {
        let mut manifest = manifest(1);
        manifest.resize(length, b' ');
        manifest
    };
    for (length, limit, expected) in [
        (16 << 10, None, None),
        (20 << 10, None, Some("identity.manifest_invalid")),
        (20 << 10, Some(20 << 10), None),
        ((20 << 10) + 1, Some(20 << 10), Some("identity.manifest_invalid")),
        (64 << 10, Some(usize::MAX), None),
        (2 << 10, Some(1 << 10), Some("identity.manifest_invalid")),
    ] {
        let (fetcher, server, _names) = world(move |stream, _| answer(stream, "200 OK", "", &padded(length)));
        let limits = limit.map_or(Limits::DEFAULT, |limit| Limits::DEFAULT.with_manifest(limit));
        let publisher = publisher("offline").with_limits(limits);
        let verification = verify(&Resolver::new(fetcher), &publisher, "https://pub.example/a", None);
        assert_eq!(code(&verification), expected, "{length} of {limit:?} bytes");
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn garbage_never_causes_a_fetch() {
    let (fetcher, server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("offline"));
    let mut lines = signed("https://pub.example/a", None);
    for (name, value) in &mut lines {
        if name == "x-imagxp-signature" {
            *value = format!("{:0>128}", "1");
        }
    }
    let verdict =
        with(&lines, "https://pub.example/a", |request| resolver.verify(&publisher, request, now())).verdict;
    assert_eq!((verdict.code.map(Code::as_str), server.connections()), (Some("sig.invalid"), 0));
}

#[test]
fn many_at_once_share_one_fetch() {
    let (fetcher, server, _names) = world(|stream, head| {
        // Longer than the slowest of the threads needs to ask, shorter than the deadline.
        thread::sleep(Duration::from_millis(1000));
        serve(stream, head);
    });
    let (resolver, publisher) = (Resolver::new(fetcher), Arc::new(publisher("offline")));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (resolver, publisher) = (resolver.clone(), Arc::clone(&publisher));
            thread::spawn(move || {
                verify(&resolver, &publisher, "https://pub.example/a", None).verdict.is_allowed()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    assert_eq!(server.connections(), 1);
}

#[cfg(feature = "async")]
#[test]
fn the_same_within_a_runtime() {
    let (fetcher, server, _names) = world(serve);
    let (resolver, publisher) = (Resolver::new(fetcher), publisher("redeem"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lines = signed(PAID, Some(&visa("visa-0004")));
    let headers: Vec<(&[u8], &[u8])> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Request { method: "GET", url: PAID, headers: &headers, body_digest: None };
    let verdict = runtime.block_on(async {
        let verification = resolver.verify_async(&publisher, &request, now()).await;
        let mut pending = verification.pending.unwrap();
        pending.redeemed(Redemption::Accepted);
        resolver.resume_async(&publisher, pending, now()).await.verdict
    });
    assert!(verdict.is_allowed() && server.connections() == 2, "{verdict:?}");
}
