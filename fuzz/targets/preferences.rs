//! Links, Content-Usage and Content-Signal, as headers and in robots.txt: the report is JSON, and says the same both ways.
#![no_main]

use imagxp::discovery::{Advice, Preferences, Sources, State, link};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    const PAGE: &str = "https://pub.example/news/1";
    let (links, _) = link::parse(&[text], PAGE);
    assert!(links.iter().all(|link| link.url.starts_with("https://") && (link.policy || link.license)));
    let headers = [("link", text), ("content-usage", text), ("content-signal", text)];
    let robots = format!(
        "User-agent: *\nContent-Usage: / {text}\nContent-Signal: {text}\nLicense: {text}\nIMAGXP-Policy: {text}\n"
    );
    let sources = Sources { headers: &headers, robots: Some(robots.as_bytes()), ..Sources::new(PAGE, text) };
    let report = Preferences::read(&sources).expect("an absolute page");
    for purpose in &report.purposes {
        let stated = !purpose.statements.is_empty();
        assert_eq!(stated, purpose.state != State::Unstated);
        assert!(purpose.advice != Advice::GoAhead || purpose.state == State::Allowed);
        assert!(purpose.state != State::Conflicting || purpose.advice == Advice::Refrain);
    }
    imagxp::json::parse(&report.to_json(), &imagxp::json::Limits::INTERCHANGE).expect("the report is JSON");
});
