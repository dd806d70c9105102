//! The price of a verdict: whole, without the signature check, and of each refusal before it.
//!
//! `cargo bench -p imagxp --bench verify`. The bars are those of issue 2 and PERFORMANCE "refuse": at most 20 µs for the worst 16 KiB
//! before the signature; at most 6 µs for everything but ECDSA. Times are reported, never asserted.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use imagxp::agent::{Identity, SignRequest};
use imagxp::crypto::{Algorithm, PrivateKey, Signature};
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::publisher::Outcome;
use imagxp::{Policy, Publisher, Purpose, Request, Timestamp};
use std::hint::black_box;
use std::time::Instant;

const POLICY: &str = r#"{"version":1,"origins":["https://pub.example"],"purposes":{"RAG_RETRIEVAL":{},"CRAWL_TRAINING":{"allow":false}}}"#;
const URL: &str = "https://pub.example/2026/03/01/an-article?page=2";

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn identity() -> Identity {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(1);
        Ok(())
    };
    Identity::parse("agent.example", PrivateKey::generate(Algorithm::Es256, fill).unwrap(), false).unwrap()
}

fn publisher() -> Publisher {
    let publisher = Publisher::new(Policy::from_json(POLICY.as_bytes()).unwrap(), [7; 16]);
    let manifest = identity().manifest(None, &[]).unwrap();
    publisher
        .supply("https://agent.example/.well-known/imagxp-agent.json", &manifest.to_json(), None, now())
        .unwrap();
    publisher
}

type Headers = Vec<(String, Vec<u8>)>;

fn signed(nonce: &str) -> Headers {
    let headers =
        identity().sign(&SignRequest::new("GET", URL, Purpose::RagRetrieval), now(), nonce).unwrap();
    let usual = [
        ("host", "pub.example"),
        ("user-agent", "bot/1 IMAGXP/1.0"),
        ("accept", "text/html,application/xhtml+xml"),
        ("accept-encoding", "gzip, br"),
        ("connection", "keep-alive"),
    ];
    let usual = usual.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    usual.chain(headers.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))).collect()
}

fn with<T>(headers: &Headers, act: impl FnOnce(&Request<'_>) -> T) -> T {
    let lines: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    act(&Request { method: "GET", url: URL, headers: &lines, body_digest: None })
}

fn replaced(name: &str, value: Vec<u8>) -> Headers {
    let mut headers = signed("00000000-0000-4000-8000-000000000001");
    headers.iter_mut().find(|(candidate, _)| candidate == name).unwrap().1 = value;
    headers
}

/// A claim of 8 KiB whose extra member is filled with items, under the good request's other headers.
fn claim_filled(open: &str, item: &str, close: &str, most: usize) -> Headers {
    let good = signed("00000000-0000-4000-8000-000000000001");
    let payload = &good.iter().find(|(name, _)| name == "x-imagxp-payload").unwrap().1;
    let claim = String::from_utf8(base64_decode(payload).unwrap()).unwrap();
    let mut filled = open.to_owned();
    let mut count = 0;
    while claim.len() + filled.len() + item.len() + close.len() + 8 < 8192 && count < most {
        if count > 0 {
            filled.push(',');
        }
        filled.push_str(&item.replace('#', &count.to_string()));
        count += 1;
    }
    let claim = claim.replacen('{', &format!("{{\"a\":{filled}{close},"), 1);
    replaced("x-imagxp-payload", base64_encode(claim.as_bytes()).into_bytes())
}

/// Requests that are refused, or get, at the latest just before the signature check; each as costly as it can be made.
fn refusals() -> Vec<(&'static str, Headers)> {
    // Sixteen unknown headers of ours are compared with each other; the last one is a duplicate.
    let mut many: Headers =
        (0..16).map(|number| (format!("x-imagxp-{number:0>1800}"), b"y".to_vec())).collect();
    many.extend(signed("00000000-0000-4000-8000-000000000001"));
    many.insert(16, (format!("X-Imagxp-{:0>1800}", 14), b"y".to_vec()));
    many.truncate(17);
    let ordinary: Headers =
        (0..100).map(|number| (format!("x-other-{number:0>250}"), b"y".to_vec())).collect();
    // r = 0 is refused without arithmetic on the curve: this is the whole way to the signature.
    let zero = Signature::from_bytes([0; 64]).to_hex().into_bytes();
    let to_signature = |mut headers: Headers| {
        headers.iter_mut().find(|(name, _)| name == "x-imagxp-signature").unwrap().1.clone_from(&zero);
        headers
    };
    vec![
        ("typical, to the signature", to_signature(signed("00000000-0000-4000-8000-000000000001"))),
        ("long unknown x-imagxp- headers", many),
        ("100 long header lines", ordinary),
        ("12 KiB of invalid base64", replaced("x-imagxp-payload", [vec![b'A'; 12287], vec![b'!']].concat())),
        ("8 KiB of one string", to_signature(claim_filled("\"", &"x".repeat(4000), "\"", 1))),
        (
            "8 KiB of escapes",
            to_signature(claim_filled("[", "\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"", "]", 200)),
        ),
        ("8 KiB of short strings", to_signature(claim_filled("[", "\"\\n\"", "]", 200))),
        (
            "200 half-way numbers",
            to_signature(claim_filled("[", "9007199254740993.000000000000001", "]", 200)),
        ),
        ("200 objects", to_signature(claim_filled("[", "{\"\":0}", "]", 110))),
        ("members in every object", to_signature(claim_filled("{", "\"name#\":{\"b\":0,\"a\":1}", "}", 60))),
        ("8 KiB of digits", to_signature(claim_filled("[", "123456789012345", "]", 200))),
        ("8 KiB of white space", to_signature(claim_filled("[", &" ".repeat(3000), "1]", 2))),
        ("8 KiB cut off", replaced("x-imagxp-payload", base64_encode(&[b'['; 8192]).into_bytes())),
    ]
}

fn refuse(criterion: &mut Criterion) {
    let publisher = publisher();
    let mut group = criterion.benchmark_group("refuse");
    for (name, headers) in refusals() {
        let verdict = with(&headers, |request| publisher.verify(request, now()).verdict);
        assert_eq!(verdict.outcome, Outcome::Deny, "{name}: {verdict:?}");
        group.bench_function(
            BenchmarkId::from_parameter(format!("{name} ({})", verdict.code.unwrap())),
            |bencher| {
                bencher.iter(|| with(&headers, |request| publisher.verify(black_box(request), now())));
            },
        );
    }
    group.finish();
}

/// Whole verdict and raw signature check by turns, so that a busy machine slows both; the difference of the medians is the overhead.
fn overhead(_: &mut Criterion) {
    const ROUNDS: usize = 4000;
    let publisher = publisher();
    let identity = identity();
    let requests: Vec<Headers> = (0..ROUNDS).map(|number| signed(&format!("nonce-{number:016}"))).collect();
    let (mut whole, mut raw) = (Vec::new(), Vec::new());
    for headers in &requests {
        let lines: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let request = Request { method: "GET", url: URL, headers: &lines, body_digest: None };
        let begin = Instant::now();
        let verdict = black_box(publisher.verify(black_box(&request), now())).verdict;
        whole.push(begin.elapsed());
        assert_eq!(verdict.outcome, Outcome::Allow);
        // The same claim and signature again: verification takes longer for some than for others.
        let value = |name: &str| &headers.iter().find(|(candidate, _)| candidate == name).unwrap().1;
        let message = base64_decode(value("x-imagxp-payload")).unwrap();
        let signature = Signature::from_hex(value("x-imagxp-signature")).unwrap();
        let begin = Instant::now();
        assert!(black_box(identity.public_key().verify(black_box(&message), &signature)));
        raw.push(begin.elapsed());
    }
    whole.sort_unstable();
    raw.sort_unstable();
    let (whole, raw) = (whole[ROUNDS / 2], raw[ROUNDS / 2]);
    println!(
        "verify/whole {whole:?}, raw signature check {raw:?}, overhead {:?} (bar 6 µs)",
        whole.saturating_sub(raw)
    );
}

/// What a reader pays: one ES256 signature over a claim. The profile keeps the curve quick (Cargo.toml); this row would show it.
fn sign(criterion: &mut Criterion) {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(1);
        Ok(())
    };
    let key = PrivateKey::generate(Algorithm::Es256, fill).unwrap();
    let message = [b'x'; 300];
    criterion.bench_function("sign/ES256", |bencher| bencher.iter(|| key.sign(black_box(&message))));
}

criterion_group!(benches, refuse, overhead, sign);
criterion_main!(benches);
