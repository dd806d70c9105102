//! Header lists made of anything: nobody without the key gets in, and every answer is one that a server can send.
#![no_main]

use arbitrary::Arbitrary;
use imagxp::headers::{self, HeaderLine};
use imagxp::publisher::Outcome;
use imagxp::{Publisher, Request};
use imagxp_fuzz::{NOW, publisher};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PUBLISHER: LazyLock<Publisher> = LazyLock::new(publisher);

const NAMES: [&str; 14] = [
    headers::PAYLOAD,
    headers::SIGNATURE,
    headers::PUBLIC_KEY,
    headers::PAYMENT,
    headers::CREDENTIAL,
    headers::PROOF,
    headers::FEEDBACK,
    headers::AGENT_ID,
    headers::TIMESTAMP,
    headers::ALG,
    "User-Agent",
    "accept-language",
    "Sec-Fetch-Mode",
    "X-IMAGXP-Payload",
];

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Known(u8),
    Any(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: &'a str,
    url: &'a str,
    digest: Option<&'a str>,
    lines: Vec<(Name<'a>, &'a [u8])>,
}

fuzz_target!(|input: Input<'_>| {
    let lines: Vec<HeaderLine<'_>> = input
        .lines
        .iter()
        .map(|(name, value)| match name {
            Name::Known(index) => (NAMES[usize::from(*index) % NAMES.len()].as_bytes(), *value),
            Name::Any(name) => (*name, *value),
        })
        .collect();
    let request =
        Request { method: input.method, url: input.url, headers: &lines, body_digest: input.digest };
    let verification = PUBLISHER.verify(&request, NOW);
    let verdict = &verification.verdict;
    assert_ne!(verdict.outcome, Outcome::Allow, "nobody signed this: {verdict:?}");
    assert!((400..=599).contains(&verdict.http));
    assert!(verdict.message.len() <= 120 && verdict.code.is_some());
    assert!(verdict.agent_id.is_none(), "an identity that nobody proved");
    assert_eq!(verification.pending.is_some(), !verdict.needs.is_empty());
    let explained = PUBLISHER.explain(&request, NOW).verdict;
    assert_eq!(
        (explained.outcome, explained.code),
        (verdict.outcome, verdict.code),
        "explain says something else"
    );
    assert!(verdict.body().starts_with(b"{"));
});
