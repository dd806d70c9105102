//! robots.txt: anything is read; matching agrees with trying everything; a disallowed whole is disallowed everywhere.
#![no_main]

use imagxp::discovery::{PublicPolicy, Robots};
use libfuzzer_sys::fuzz_target;

/// RFC 9309 §2.2.2 and §2.2.3, by trying everything: `*` is any run of octets, a `$` at the end is the end.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => true,
        b"$" => path.is_empty(),
        [b'*', rest @ ..] => (0..=path.len()).any(|skipped| matches(rest, &path[skipped..])),
        [first, rest @ ..] => path.first() == Some(first) && matches(rest, &path[1..]),
    }
}

/// As many letters of an alphabet, as the bytes choose.
fn letters(bytes: &[u8], most: usize, alphabet: &[u8]) -> String {
    bytes.iter().take(most).map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
}

/// A path and some rules of few letters, so that they meet: the first line is the path, of each other the first byte says whether it allows.
fn few_letters(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = format!("/{}", letters(lines.next().unwrap_or_default(), 12, b"/ab"));
    let mut file = String::from("User-agent: bot\n");
    let mut best = (0, true);
    for (kind, pattern) in lines.take(8).filter_map(<[u8]>::split_first) {
        let (allow, mut pattern) = (kind % 2 == 0, letters(pattern, 8, b"/*ab$"));
        file += &format!("{}: {pattern}\n", if allow { "Allow" } else { "Disallow" });
        // Runs of stars mean one star; what begins with neither `/` nor `*` is no path.
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        if pattern.starts_with(['/', '*']) && matches(pattern.as_bytes(), path.as_bytes()) {
            best = best.max((pattern.len(), allow));
        }
    }
    assert_eq!(Robots::parse(file.as_bytes()).allows("bot", &path), best.1, "{path} by\n{file}");
}

/// What a comparison that holds for everything would not.
fn tells_apart() {
    for (pattern, path, expected) in [
        ("/a", "/ab", true),
        ("/a$", "/ab", false),
        ("/*b$", "/aab", true),
        ("*b/*a", "/ab/bba", true),
        ("/a*b*a$", "/abb", false),
        ("/$a", "/a", false),
    ] {
        assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} and {path}");
    }
}

fuzz_target!(init: tells_apart(), |data: &[u8]| {
    few_letters(data);
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
