//! robots.txt: anything is read; matching agrees with trying everything; a disallowed whole is disallowed everywhere.
#![no_main]

use imagxp::discovery::{PublicPolicy, Robots};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let robots = Robots::parse(data);
    for path in ["/", "/a", "/a/b?c=*$", "/%61%2a", "https://pub.example/x", "", "\u{e9}"] {
        let decision = robots.decide("bot", path);
        assert_eq!(
            decision.allowed,
            robots.allows("BOT/1.0", path),
            "tokens are compared without case and version"
        );
        assert!(decision.allowed || decision.line.is_some() || path == "\u{e9}", "a refusal names its line");
    }
    assert!(robots.allows("bot", "/robots.txt"));
    for url in robots.policy_urls("bot") {
        assert!(url.starts_with("https://"));
    }
    let lines = robots.directives("bot");
    assert!(lines.iter().all(|line| line.line >= 1));
    assert!(robots.findings().len() <= 100);
    // What comes before a text that ends every rule cannot open it.
    let mut closed = data.to_vec();
    closed.extend_from_slice(b"\nUser-agent: nobody-else\nDisallow: /\n");
    if data.len() < 400_000 && !String::from_utf8_lossy(data).to_ascii_lowercase().contains("nobody-else") {
        assert!(!Robots::parse(&closed).allows("nobody-else", "/a"));
    }
    let _ = PublicPolicy::parse(data);
});
