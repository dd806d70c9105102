//! One read as a machine: where the policy is looked for (PROTOCOL §9). What reaches real servers is tested in `imagxp-fetch`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod common;

use common::world::*;
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions, Receipts};
use imagxp::agent::spend::Caps;
use imagxp::agent::visit::{Action, Event, PaymentState, Refusal, Step, Visit};
use imagxp::agent::wallet::Fare;
use imagxp::amount::Amount;
use imagxp::encoding::base64_decode;
use imagxp::policy::Money;
use imagxp::{Purpose, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    asked(reader, robots, link, |_| (200, policy), now)
}

/// The same of a site that answers at these places in its own way.
fn asked<'a>(
    reader: &Arc<Reader>,
    robots: &[u8],
    link: Option<&str>,
    policy: impl Fn(&str) -> (u16, &'a [u8]),
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
                let (status, body) = policy(&url);
                asked.push(url);
                let failed = Event::Failed { sent: false, detail: "nobody there" };
                let event = Event::Answered { status, headers: &[], body };
                visit.step(if status == 0 { &failed } else { &event }, now, NONCE)
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

/// One page that points to nothing, or to a policy of others, does not hide what the site says elsewhere.
#[test]
fn the_next_place_is_asked_until_one_speaks_for_the_site() {
    let robots = b"IMAGXP-Policy: https://pub.example/robots-policy.json\n";
    let own = policy(POLICY).public_json();
    let others = policy(&POLICY.replace("https://pub.example", "https://other.example")).public_json();
    let link = "https://pub.example/linked.json";
    let listed = "https://pub.example/robots-policy.json";
    let well_known = "https://pub.example/.well-known/imagxp-policy.json";
    let header = "</linked.json>; rel=\"imagxp-policy\"";
    for (status, body) in [(404, &b""[..]), (200, b"{}"), (200, &others), (302, b""), (0, b"")] {
        for (at, places) in [
            (listed, &[link, listed][..]),
            (well_known, &[link, listed, well_known]),
            ("", &[link, listed, well_known]),
        ] {
            let reader = reader();
            // The first read is told of the link.
            asked(&reader, robots, Some(header), |_| (200, &own), now());
            let answer = |url: &str| if url == at { (200, own.as_slice()) } else { (status, body) };
            assert_eq!(asked(&reader, robots, Some(header), answer, now()), places, "{status} {at}");
            let again = asked(&reader, robots, Some(header), answer, now());
            assert!(again.is_empty(), "known: {again:?}");
            let later = now().saturating_add_secs(600);
            let again = asked(&reader, robots, Some(header), answer, later);
            assert_eq!(again.is_empty(), !at.is_empty(), "that there is none is known for ten minutes");
        }
    }
    // A policy that was found late is heard.
    let reader = reader();
    let denies = POLICY.replace("\"RAG_RETRIEVAL\":{\"allow\":true}", "\"RAG_RETRIEVAL\":{\"allow\":false}");
    let denies = policy(&denies).public_json();
    let mut visit = reader.visit("GET", URL, None).unwrap();
    let answered = |status, body| Event::Answered { status, headers: &[], body };
    visit.step(&Event::Start, now(), NONCE);
    visit.step(&answered(200, robots), now(), NONCE);
    let Action::FetchPolicy { url } = visit.step(&answered(404, b""), now(), NONCE) else { panic!() };
    assert_eq!(url, well_known);
    let Action::Refused(refusal) = visit.step(&answered(200, &denies), now(), NONCE) else { panic!() };
    assert_eq!(refusal.error.code(), "policy.purpose_denied");
}

/// A target with dot segments must be allowed with and without them: it is sent as it is written (docs/discovery.md).
#[test]
fn robots_txt_is_asked_about_the_path_that_is_sent() {
    for (rule, target, good) in [
        ("/public/", "/public/../x", false),
        ("/public/", "/y/../public/x", false),
        ("/y/", "/y/../public/x", false),
        ("/x", "/public/../x", false),
        ("/z", "/public/../x", true),
        ("/public/", "/%70ublic/x", false),
        ("/?", "?x", false),
    ] {
        let robots = format!("User-agent: *\nDisallow: {rule}\n");
        let url = format!("https://pub.example{target}");
        let mut visit = reader().visit("GET", &url, None).unwrap();
        visit.step(&Event::Start, now(), NONCE);
        let robots = Event::Answered { status: 200, headers: &[], body: robots.as_bytes() };
        match visit.step(&robots, now(), NONCE) {
            Action::Refused(refusal) => {
                assert_eq!((refusal.error.code(), good), ("robots.denied", false), "{rule} {target}");
            }
            Action::FetchPolicy { .. } => {
                let nothing = Event::Answered { status: 404, headers: &[], body: b"" };
                let Action::Send(send) = visit.step(&nothing, now(), NONCE) else { panic!("{target}") };
                assert!(good && send.url == url, "{rule} {target}: {}", send.url);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The rules are those of the bytes that came: in a content coding they cannot be read. A client that decodes takes the line off.
#[test]
fn a_robots_txt_in_a_content_coding_cannot_be_had() {
    for (name, value, good) in [
        ("Content-Encoding", "gzip", false),
        ("content-encoding", "", false),
        ("content-encoding", " Identity ", true),
        ("content-language", "gzip", true),
    ] {
        let mut visit = reader().visit("GET", URL, None).unwrap();
        visit.step(&Event::Start, now(), NONCE);
        let headers = [(name.to_owned(), value.to_owned())];
        let robots = Event::Answered { status: 200, headers: &headers, body: b"User-agent: *\nAllow: /\n" };
        match visit.step(&robots, now(), NONCE) {
            Action::Refused(refusal) => {
                assert_eq!((refusal.error.code(), good), ("robots.denied", false), "{name}: {value}");
                let note = &refusal.report.steps[0].note;
                assert!(note.starts_with("status 200, in a content coding"), "{note}");
            }
            Action::FetchPolicy { .. } => {
                assert!(good, "{name}: {value}");
                // A policy is advice: in a coding it is like none, and that is told.
                let headers = [("Content-Encoding".to_owned(), "br".to_owned())];
                let policy = Event::Answered { status: 200, headers: &headers, body: b"{}" };
                assert!(matches!(visit.step(&policy, now(), NONCE), Action::Send(_)));
                let page = visit.step(&answer(200, b""), now(), NONCE);
                let Action::Done(report) = page else { panic!("{page:?}") };
                let told = |step: &Step| step.note == "status 200, in a content coding; no policy";
                assert!(report.steps.iter().any(told), "{report:?}");
            }
            action => panic!("{action:?}"),
        }
    }
}

/// Ends a visit by there being no turn for what it asks for.
fn no_turn(visit: &mut Visit) -> Box<Refusal> {
    match visit.step(&Event::Busy { detail: "32 fetches are in flight" }, now(), NONCE) {
        Action::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

const OFFER: &[u8] = br#"{"offer":{"price":"0.01","currency":"USD","purposes":["RAG_RETRIEVAL"],
    "brokers":[{"issuer":"https://broker.example","token_endpoint":"https://broker.example/oauth/token"}]}}"#;

fn answer(status: u16, body: &[u8]) -> Event<'_> {
    Event::Answered { status, headers: &[], body }
}

/// Pays what [`OFFER`] asks for.
fn payer(discover: bool) -> Arc<Reader> {
    let brokers = vec![TrustedBroker::new("https://broker.example", false).unwrap()];
    let options = ReaderOptions {
        receipts: Receipts::Ignore,
        brokers,
        discover,
        ..ReaderOptions::new(Purpose::RagRetrieval, "TestBot")
    };
    let purse = Purse::in_memory([Caps::new("USD", "1").unwrap()]);
    Reader::new(identity(1), options, Arc::new(purse)).unwrap().into()
}

/// A URL that is written with more than ASCII is signed and sent as a URI, and otherwise as it is written.
#[test]
fn what_may_not_stand_in_a_uri_is_encoded_before_it_is_signed() {
    for (written, sent) in [
        (
            "https://pub.example/caf\u{e9}?q=\"<`>|{}^",
            "https://pub.example/caf%C3%A9?q=%22%3C%60%3E%7C%7B%7D%5E",
        ),
        ("https://pub.example/a/../b%2f%7e?x=[1]#\u{e9}", "https://pub.example/a/../b%2f%7e?x=[1]"),
    ] {
        let mut visit = payer(false).visit("GET", written, None).unwrap();
        let Action::Send(send) = visit.step(&Event::Start, now(), NONCE) else { panic!("{written}") };
        assert_eq!(send.url, sent);
        let payload = send.headers.iter().find(|(name, _)| *name == "x-imagxp-payload").unwrap();
        let claim = String::from_utf8(base64_decode(payload.1.as_bytes()).unwrap()).unwrap();
        assert!(claim.contains(&format!("\"resource\":\"{sent}\"")), "{claim}");
    }
    for refused in ["https://pub.example/a b", "https://pub.example/\\x", "https://b\u{fc}cher.example/"] {
        assert_eq!(payer(false).visit("GET", refused, None).unwrap_err().code(), "usage.argument");
    }
}

/// Whoever shares the wallet does not take a visa between its arrival and its first use: the one who paid would be told that it is no good.
#[test]
fn who_buys_a_visa_uses_it() {
    let reader = payer(false);
    // Its readings take a while, which is time for the thief.
    let url = format!("https://pub.example/{}", "%41/".repeat(500));
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let thief = threads.spawn(|| {
            let identity = reader.identity();
            let fare = Fare {
                agent_id: identity.agent_id(),
                key_id: identity.public_key().thumbprint(),
                audience: "https://pub.example",
                purpose: Purpose::RagRetrieval,
                paths: &[],
                price: &Money { amount: Amount::parse("0.01").unwrap(), currency: "USD".into() },
            };
            let mut taken = 0;
            while !over.load(Ordering::Relaxed) {
                taken += usize::from(reader.purse().wallet().take(&fare, |_| true, now()).is_some());
            }
            taken
        });
        let read = |number: usize| {
            let mut visit = reader.visit("GET", &url, None).unwrap();
            visit.step(&Event::Start, now(), NONCE);
            let asked = visit.step(&answer(402, OFFER), now(), &format!("purchase-{number:08}"));
            assert!(matches!(asked, Action::RequestToken(_)), "{asked:?}");
            let token = visa(&format!("visa-{number:08}"), |_| ());
            let token = format!(r#"{{"access_token":"{token}","token_type":"Bearer"}}"#);
            let sent = visit.step(&answer(200, token.as_bytes()), now(), NONCE);
            visit.step(&answer(200, b"page"), now(), NONCE);
            matches!(sent, Action::Send(_))
        };
        let used = (0..40).filter(|&number| read(number)).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!((used, thief.join().unwrap()), (40, 0));
    });
}

/// That we were busy says nothing about the site: it is asked the same again at the next read, and not taken for closed for ten minutes.
#[test]
fn a_visit_that_has_no_turn_leaves_nothing_behind() {
    let reader = payer(true);
    let answered = |status, body| Event::Answered { status, headers: &[], body };
    let begin = || {
        let mut visit = reader.visit("GET", URL, None).unwrap();
        let action = visit.step(&Event::Start, now(), NONCE);
        (visit, action)
    };

    let (mut visit, action) = begin();
    assert!(matches!(action, Action::FetchRobots { .. }));
    let refusal = no_turn(&mut visit);
    assert_eq!(refusal.error.code(), "io.failed");
    assert_eq!((refusal.report.steps[0].what, refusal.report.steps.len()), ("robots", 1));
    assert_eq!(refusal.report.steps[0].note, "not asked: 32 fetches are in flight");

    let (mut visit, action) = begin();
    assert!(matches!(action, Action::FetchRobots { .. }), "{action:?}");
    let action = visit.step(&answered(404, b""), now(), NONCE);
    assert!(matches!(action, Action::FetchPolicy { .. }));
    assert_eq!(no_turn(&mut visit).error.code(), "io.failed");

    let (mut visit, action) = begin();
    assert!(
        matches!(action, Action::FetchPolicy { .. }),
        "robots.txt is known, and a policy is not: {action:?}"
    );
    let action = visit.step(&answered(404, b""), now(), NONCE);
    assert!(matches!(action, Action::Send(_)));
    assert_eq!(no_turn(&mut visit).error.code(), "io.failed");

    let (mut visit, action) = begin();
    assert!(matches!(action, Action::Send(_)), "{action:?}");
    let action = visit.step(&answered(402, OFFER), now(), NONCE);
    assert!(matches!(action, Action::RequestToken(_)), "{action:?}");
    let refusal = no_turn(&mut visit);
    assert_eq!((refusal.error.code(), refusal.report.payment.state), ("io.failed", PaymentState::Unpaid));
    let books = reader.purse().spend().snapshot();
    assert_eq!((books.spent("USD").to_string().as_str(), books.open().len()), ("0", 0));
}
