//! 100 000 forged requests: names that strangers take, each signed well by a key that its domain does not publish. However many come,
//! no host is asked more than twice in a minute, and memory stays where it is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::{Policy, Publisher, Purpose, Request, Timestamp};
use imagxp_fetch::Resolver;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use support::{answer, host_of, world};

const HOSTS: usize = 20;
const REQUESTS: usize = 100_000;
const THREADS: usize = 4;

fn key(seed: u8) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::EdDsa, fill).unwrap()
}

fn host(number: usize) -> String {
    format!("h{number}.example.com")
}

#[test]
fn a_hundred_thousand_forged_requests() {
    support::allocator::count_all();
    // A third of the hosts has manifests with other keys, a third has none, a third redirects.
    let (fetcher, server, _names) = world(|stream, head| {
        let host = host_of(head);
        let number: usize = host.trim_start_matches('h').split('.').next().unwrap().parse().unwrap();
        match number % 3 {
            0 => {
                let manifest = Identity::parse(&host, key(1), false).unwrap().manifest(None, &[]).unwrap();
                answer(stream, "200 OK", "", &manifest.to_json());
            }
            1 => answer(stream, "404 No", "", b""),
            _ => answer(stream, "302 There", "location: /\r\n", b""),
        }
    });
    let json =
        br#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{"allow":true}}}"#;
    let publisher = Arc::new(Publisher::new(Policy::from_json(json).unwrap(), [7; 16]));
    let resolver = Resolver::new(fetcher);
    let start = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let forged: Vec<Vec<(String, String)>> = (0..HOSTS)
        .map(|number| {
            let identity = Identity::parse(&host(number), key(2), false).unwrap();
            let request = SignRequest::new("GET", "https://pub.example/a", Purpose::RagRetrieval);
            let signed = identity.sign(&request, start, "nonce-that-is-never-spent").unwrap();
            signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        })
        .collect();
    let forged = Arc::new(forged);

    let before = support::allocator::live_in_all();
    let begin = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (resolver, publisher, forged) =
                (resolver.clone(), Arc::clone(&publisher), Arc::clone(&forged));
            thread::spawn(move || {
                let mut codes: HashMap<&'static str, usize> = HashMap::new();
                for number in (thread..REQUESTS).step_by(THREADS) {
                    let lines: Vec<(&[u8], &[u8])> = forged[number % HOSTS]
                        .iter()
                        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                        .collect();
                    let request = Request { method: "GET", url: "/a", headers: &lines, body_digest: None };
                    // The publisher's clock runs fast, 250 s in all, so that the core wants manifests again and again.
                    let now = start.saturating_add_millis(i64::try_from(number).unwrap() * 250 / 100);
                    let verification = resolver.verify(&publisher, &request, now);
                    assert!(!verification.verdict.is_allowed() && verification.pending.is_none());
                    *codes.entry(verification.verdict.code.unwrap().as_str()).or_default() += 1;
                }
                codes
            })
        })
        .collect();
    let mut codes: HashMap<&'static str, usize> = HashMap::new();
    for thread in threads {
        for (code, count) in thread.join().unwrap() {
            *codes.entry(code).or_default() += count;
        }
    }
    let (took, growth) = (begin.elapsed(), support::allocator::live_in_all() - before);
    let mut asked: HashMap<String, usize> = HashMap::new();
    for head in server.heads() {
        let host = host_of(&head);
        *asked.entry(host).or_default() += 1;
    }
    let most = asked.values().copied().max().unwrap();
    println!(
        "{REQUESTS} in {took:?}: {} fetches, at most {most} of one host, {} KiB more, {codes:?}",
        server.connections(),
        growth / 1024
    );
    assert_eq!((asked.len(), codes.values().sum::<usize>()), (HOSTS, REQUESTS));
    let minutes = usize::try_from(took.as_secs() / 60).unwrap() + 1;
    assert!(most <= 2 * minutes, "{asked:?} in {took:?}");
    assert!(growth <= 2 * 1024 * 1024, "{growth}");
    for code in ["identity.key_mismatch", "identity.not_found", "identity.redirect"] {
        assert!(codes.contains_key(code), "{code}: {codes:?}");
    }
}
