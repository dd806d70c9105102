//! Reading and canonicalizing JSON: an ordinary claim, and 8 KiB of whatever costs the parser most.
//!
//! A verifier parses before it can authenticate anybody, so what counts is the worst case, and that it is small
//! beside the signature check that follows.
#![expect(
    clippy::expect_used,
    reason = "a benchmark may panic; clippy exempts test functions only, not their helpers"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imagxp::json::{self, Limits};
use std::hint::black_box;

const SIZE: usize = Limits::CLAIM.max_bytes;

/// Those of a claim, but for the number of values, which would cut most of the documents short.
const LIMITS: Limits = Limits { max_values: 1024 * LONGEST, ..Limits::CLAIM };
/// What the costliest number counts for.
const LONGEST: usize = 8;

const CLAIM: &str = r#"{"v":"1.1","agent_id":"crawler.example.com","purpose":"RAG_RETRIEVAL","ts":"2026-03-01T12:34:56.789Z","nonce":"6f1c9d1e-9d7a-4f7c-9b5e-2f1a0c3d4e5f","resource":"https://news.example.org/2026/03/01/an-article?page=2","method":"GET","context":{"ads_displayed":false}}"#;

/// `open`, then as many items as fit into [`SIZE`], separated by commas, then `close`.
fn filled(open: &str, close: &str, most: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = open.to_owned();
    for index in 0..most {
        let next = item(index);
        if text.len() + next.len() + close.len() >= SIZE {
            break;
        }
        if index > 0 {
            text.push(',');
        }
        text += &next;
    }
    text + close
}

fn object(members: usize, name: impl Fn(usize) -> String) -> String {
    filled("{", "}", members, |index| format!("\"{}\":0", name(index)))
}

fn array_of(most: usize, item: &str) -> String {
    filled("[", "]", most, |_| item.to_owned())
}

fn documents() -> Vec<(&'static str, String)> {
    let string = |unit: &str| format!("\"{}\"", unit.repeat(4000 / unit.len()));
    // Digits of the middle between two doubles, cut off: quick algorithms cannot decide which one is meant.
    let halfway = "1.234567890100000114240381e290";
    vec![
        ("claim", CLAIM.to_owned()),
        ("ascii", array_of(2, &string("x"))),
        ("utf-8", array_of(2, &string("日本語"))),
        ("escapes", array_of(2, &string("\\n"))),
        ("unicode escapes", array_of(2, &string("\\u00e9"))),
        ("surrogate escapes", array_of(2, &string("\\ud83d\\ude00"))),
        ("space", format!("{}0", " ".repeat(SIZE - 1))),
        ("integers", array_of(1023, "1234567")),
        ("zeros", array_of(1023, "0")),
        ("halfway numbers", array_of(1023, halfway)),
        ("empty objects", array_of(1023, "{}")),
        ("single elements", array_of(511, "[0]")),
        ("single members", array_of(511, "{\"\":0}")),
        ("nested", array_of(127, "[[[[[[[0]]]]]]]")),
        ("short strings", array_of(1023, "\"abcde\"")),
        ("short escaped strings", array_of(1023, "\"\\n\"")),
        ("short names", array_of(15, &object(64, |index| format!("{index:02}")))),
        ("colliding names", array_of(15, &object(64, |index| format!("aaaaaaaa{index:02}bbbbbbbb")))),
    ]
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, text) in documents() {
        json::parse(text.as_bytes(), &LIMITS).expect(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), text.as_bytes(), |bencher, bytes| {
            bencher.iter(|| json::parse(black_box(bytes), &LIMITS).is_ok());
        });
    }
    group.finish();
}

fn canonical(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("canonical");
    for (name, text) in documents() {
        let value = json::parse(text.as_bytes(), &LIMITS).expect(name);
        let mut out = Vec::new();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &value, |bencher, value| {
            bencher.iter(|| {
                out.clear();
                json::write_canonical(black_box(value), &mut out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, canonical);
criterion_main!(benches);
