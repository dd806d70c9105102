//! One read as a machine: where the policy is looked for (PROTOCOL §9). What reaches real servers is tested in `imagxp-fetch`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions, Receipts};
use imagxp::agent::visit::{Action, Event};
use imagxp::{Purpose, Timestamp};
use std::sync::Arc;

const NONCE: &str = "0123456789abcdef";

fn reader() -> Arc<Reader> {
    let options =
        ReaderOptions { receipts: Receipts::Ignore, ..ReaderOptions::new(Purpose::RagRetrieval, "TestBot") };
    Reader::new(identity(1), options, Arc::new(Purse::in_memory([]))).unwrap().into()
}

/// Reads a page of a site whose robots.txt and pages are these; returns where the policy was looked for.
fn policy_asked(
    reader: &Arc<Reader>,
    robots: &[u8],
    link: Option<&str>,
    policy: &[u8],
    now: Timestamp,
) -> Vec<String> {
    let mut visit = reader.visit("GET", URL, None).unwrap();
    let mut asked = Vec::new();
    let mut action = visit.step(&Event::Start, now, NONCE);
    loop {
        let answer = |body| Event::Answered { status: 200, headers: &[], body };
        action = match action {
            Action::FetchRobots { .. } => visit.step(&answer(robots), now, NONCE),
            Action::FetchPolicy { url } => {
                asked.push(url);
                visit.step(&answer(policy), now, NONCE)
            }
            Action::Send(_) => {
                let headers: Vec<(String, String)> =
                    link.iter().map(|link| ("Link".to_owned(), (*link).to_owned())).collect();
                visit.step(&Event::Answered { status: 200, headers: &headers, body: b"page" }, now, NONCE)
            }
            Action::Done(_) => return asked,
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn link_then_robots_then_well_known() {
    let robots = b"IMAGXP-Policy: https://pub.example/robots-policy.json\n";
    let public = policy(POLICY).public_json();
    let well_known = "https://pub.example/.well-known/imagxp-policy.json";
    assert_eq!(policy_asked(&reader(), b"", None, &public, now()), [well_known]);

    let reader = reader();
    let link = "</linked.json>; rel=\"imagxp-policy\"";
    let first = policy_asked(&reader, robots, Some(link), &public, now());
    assert_eq!(first, ["https://pub.example/robots-policy.json"], "nobody has named another place yet");
    let second = policy_asked(&reader, robots, Some(link), &public, now());
    assert_eq!(second, ["https://pub.example/linked.json"], "an answer has, since");
    assert!(policy_asked(&reader, robots, Some(link), &public, now()).is_empty(), "known for an hour");
    let later = now().saturating_add_secs(3600);
    assert_eq!(policy_asked(&reader, robots, None, &public, later).len(), 1, "and no longer");
}

#[test]
fn links_to_elsewhere_than_the_web_are_passed_over() {
    let public = policy(POLICY).public_json();
    for link in
        ["<http://pub.example/p>; rel=imagxp-policy", "<javascript:1>; rel=imagxp-policy", "</p>; rel=next"]
    {
        let reader = reader();
        policy_asked(&reader, b"", Some(link), &public, now());
        assert!(policy_asked(&reader, b"", Some(link), &public, now()).is_empty(), "{link}");
    }
}
