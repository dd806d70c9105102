//! Hostile texts of discovery: the time grows as the text does.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use imagxp::discovery::{Preferences, PublicPolicy, Robots, Rsl, Sources, link};
use std::fmt::Write as _;
use std::time::Duration;

/// What this thread has had of a processor: what others do meanwhile does not count.
fn processor_time() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Four times the text takes four times as long, or sixteen times when each piece is compared with each. What doubling costs exactly is counted in
/// instructions: scripts/doubling.py.
const BOUND: f64 = 7.0;

#[test]
fn time_grows_with_the_text_and_no_faster() {
    let target = format!("/{}", "a".repeat(4000));
    let robots = |line: fn(usize) -> String| {
        move |size: usize| {
            let mut text = "user-agent: *\n".to_owned();
            let mut number = 0;
            while text.len() < size {
                number += 1;
                let _ = writeln!(text, "{}", line(number));
            }
            text
        }
    };
    let wrap = |start: &'static str, part: &'static str, end: &'static str| {
        move |size: usize| format!("{start}{}{end}", part.repeat(size / part.len()))
    };
    let allow = |text: &str| {
        Robots::parse(text.as_bytes()).allows("bot", "/aaaa");
    };
    let long = |text: &str| {
        Robots::parse(text.as_bytes()).allows("bot", &format!("/{}", "a".repeat(4000)));
    };
    let read = |text: &str| {
        let sources =
            Sources { robots: Some(text.as_bytes()), ..Sources::new("https://pub.example/x", "bot") };
        drop(Preferences::read(&sources).unwrap().to_json());
    };
    let usage = |text: &str| {
        let sources =
            Sources { headers: &[("content-usage", text)], ..Sources::new("https://pub.example/x", "bot") };
        drop(Preferences::read(&sources).unwrap());
    };
    let rsl = |text: &str| {
        let _ = Rsl::parse(text.as_bytes());
    };
    let links = |text: &str| drop(link::parse(&[text], "https://pub.example/"));
    let public = |text: &str| drop(PublicPolicy::parse(text.as_bytes()));
    type Case<'a> = (&'a str, usize, Box<dyn Fn(usize) -> String>, &'a dyn Fn(&str));
    let cases: Vec<Case<'_>> = vec![
        ("robots: stars", 100_000, Box::new(robots(|n| format!("disallow: /*a*a*a*a*b{n}"))), &allow),
        ("robots: one long pattern", 4000, Box::new(wrap("user-agent: *\ndisallow: /", "*a", "b")), &long),
        ("robots: agents", 200_000, Box::new(robots(|n| format!("user-agent: a{n}"))), &allow),
        ("robots: groups", 200_000, Box::new(robots(|n| format!("user-agent: a{n}\nallow: /"))), &allow),
        ("robots: empty lines", 200_000, Box::new(wrap("", "\r", "")), &allow),
        ("robots: one line", 200_000, Box::new(wrap("", "disallow:", "")), &allow),
        ("robots: not ascii", 200_000, Box::new(wrap("disallow: ", "é", "")), &allow),
        ("robots: usage rules", 100_000, Box::new(robots(|n| format!("content-usage: /{n} a=y"))), &read),
        ("robots: wrong usage rules", 100_000, Box::new(robots(|_| "content-signal: x".to_owned())), &read),
        ("usage: keys", 8000, Box::new(wrap("", "search=y,", "a=y")), &usage),
        ("usage: parameters", 8000, Box::new(wrap("a=y", ";a", "")), &usage),
        ("usage: list", 8000, Box::new(wrap("a=(", "1 ", ")")), &usage),
        ("link: commas", 16_000, Box::new(wrap("", ",", "")), &links),
        ("link: quotes", 16_000, Box::new(wrap("<x>;a=\"", "\\\"", "\"")), &links),
        ("link: open", 16_000, Box::new(wrap("", "<", "")), &links),
        (
            "rsl: contents",
            60_000,
            Box::new(wrap(RSL, "<content url='/'><license/></content>", "</rsl>")),
            &rsl,
        ),
        ("rsl: lines", 100_000, Box::new(wrap(RSL, "<content\n\n/>", "</rsl>")), &rsl),
        ("rsl: references", 100_000, Box::new(wrap(RSL, "&amp;", "</rsl>")), &rsl),
        ("rsl: comments", 100_000, Box::new(wrap(RSL, "<!--<-->", "</rsl>")), &rsl),
        ("rsl: open comments", 100_000, Box::new(wrap(RSL, "<!--", "")), &rsl),
        ("rsl: sections", 100_000, Box::new(wrap(RSL, "<![CDATA[x]]>", "</rsl>")), &rsl),
        ("policy: paths", 60_000, Box::new(wrap("{\"version\":1,\"paths\":[", "{},", "{}]}")), &public),
    ];
    for (name, size, make, run) in &cases {
        let (small, large) = (make(size / 2), make(2 * size));
        // Noise only ever adds time: the least of several runs is the truth, and a bad ratio is looked at again.
        let least = |text: &str, known: Duration| {
            (0..5).fold(known, |least, _| {
                let begin = processor_time();
                run(text);
                least.min(processor_time().saturating_sub(begin))
            })
        };
        let (mut one, mut two) = (Duration::MAX, Duration::MAX);
        let mut ratio = f64::MAX;
        for _ in 0..30 {
            (one, two) = (least(&small, one), least(&large, two));
            ratio = two.as_secs_f64() / one.as_secs_f64().max(20e-6);
            if ratio <= BOUND {
                break;
            }
        }
        println!("{name}: {one:?} {two:?} {ratio:.2}");
        assert!(ratio <= BOUND, "{name}: {one:?} for half of {size} bytes, {two:?} for four times as many");
        assert!(two < Duration::from_secs(10), "{name}: {two:?}");
    }
    // Many patterns against a long path, all of which fail late.
    let text = robots(|n| format!("disallow: /*a*a*a*a*b{n}"))(490 * 1024);
    let parsed = Robots::parse(text.as_bytes());
    let begin = processor_time();
    assert!(parsed.allows("bot", &target));
    let took = processor_time().saturating_sub(begin);
    println!("20 000 patterns against 4 KB: {took:?}");
    assert!(took < Duration::from_secs(30));
}

const RSL: &str = "<rsl xmlns='https://rslstandard.org/rsl'>";
