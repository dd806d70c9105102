//! Discovery: against the crate that search engines' parser was ported to, and against random policies.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp::discovery::emit::{self, Kind, Site};
use imagxp::discovery::robots::DirectiveKind;
use imagxp::discovery::{
    Access, Advice, Level, Preferences, PublicPolicy, Robots, Rsl, Sources, State, link,
};
use imagxp::{Policy, Purpose};
use proptest::prelude::*;

fn allows(robots: &str, agent: &str, path: &str) -> bool {
    Robots::parse(robots.as_bytes()).allows(agent, path)
}

#[test]
fn groups_and_longest_match_as_rfc_9309_says() {
    let robots = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\nUser-Agent: foobot\n\
        Disallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\nUser-Agent: barbot\nUser-Agent: bazbot\n\
        Disallow: /example/page.html\n\nUser-Agent: quxbot\n";
    for (agent, path, expected) in [
        ("other", "/example/x", false),
        ("other", "/x.gif", false),
        ("other", "/x.gif?y", true),
        ("other", "/publications/x", true),
        ("FooBot", "/example/page.html", true),
        ("foobot/2.1", "/example/other", false),
        ("barbot", "/example/page.html", false),
        ("bazbot", "/example/x", true),
        ("quxbot", "/example/x", true),
    ] {
        assert_eq!(allows(robots, agent, path), expected, "{agent} {path}");
    }
    // Groups for one product are one group; `allow` wins among equals.
    let merged = "user-agent: a\ndisallow: /x\n\nuser-agent: b\ndisallow: /\n\nuser-agent: A\nallow: /x\ndisallow: /y\n";
    assert!(allows(merged, "a", "/x"));
    assert!(!allows(merged, "a", "/y"));
    assert!(allows("user-agent: *\ndisallow:\n", "a", "/x"));
    assert!(allows("", "a", "/x"));
    assert!(!allows(
        "user-agent: a\nsitemap: https://pub.example/s\nlicense: x\nuser-agent: b\ndisallow: /x\n",
        "a",
        "/x"
    ));
    assert!(allows("user-agent: a\ncontent-usage: / train-ai=n\nuser-agent: b\ndisallow: /x\n", "a", "/x"));
    assert!(allows("user-agent: *\ndisallow: /\n", "a", "/robots.txt"));
}

#[test]
fn texts_that_are_not_as_they_should_be() {
    for (robots, path, expected) in [
        ("\u{feff}User-agent: *\nDisallow: /x", "/x", false),
        ("User-agent: *\rDisallow: /x\r", "/x", false),
        ("User-agent: *\r\nDisallow: /x\r\n", "/x", false),
        ("User-agent: *\n\n\nDisallow: /x # why\n", "/x", false),
        ("User-agent *\nDisallow /x", "/x", false),
        ("USER-AGENT: *\nDISALOW: /x", "/x", false),
        ("Disallow: /x\nUser-agent: *\n", "/x", true),
        ("User-agent: *\nDisallowed: /x", "/x", true),
        ("User-agents: *\nDisallow: /x", "/x", true),
        ("User-agent: *\nDisallow: x", "/x", true),
        ("User-agent: *\nDisallow: /x%", "/x%", false),
        ("User-agent: *\nDisallow: /x%zzy", "/x%zzy", false),
        ("User-agent: * and all\nDisallow: /x", "/x", false),
        ("User-agent: *\nDisallow: /secret/", "/public/../secret/y", false),
        ("User-agent: *\nDisallow: /secret/", "/%73ecret/y", false),
        ("User-agent: *\nDisallow: /secret/", "https://pub.example/secret/y", false),
        ("User-agent: \nDisallow: /x", "/x", true),
        ("User-agent: é\nDisallow: /x", "/x", true),
    ] {
        assert_eq!(allows(robots, "bot", path), expected, "{robots:?}");
    }
    assert!(!Robots::parse(b"user-agent: *\ndisallow: /caf\xe9").allows("bot", "/caf%E9"));
    assert!(!Robots::parse("user-agent: *\ndisallow: /caf\u{e9}".as_bytes()).allows("bot", "/café"));
    assert!(!allows("", "bot", &format!("/{}", "a".repeat(9000))));
    assert!(!allows("", "bot", "no path"));
}

#[test]
fn five_hundred_kibibytes_are_read() {
    let filler = "# filler\n".repeat(500 * 1024 / 9 - 10);
    let within = format!("user-agent: *\n{filler}disallow: /x\n");
    assert!(!allows(&within, "bot", "/x"));
    let beyond = format!("user-agent: *\n{filler}{}disallow: /x\n", "#".repeat(200));
    let robots = Robots::parse(beyond.as_bytes());
    assert!(robots.allows("bot", "/x"));
    assert!(robots.findings().iter().any(|finding| finding.level == Level::Error));
}

#[test]
fn statuses() {
    let body = b"user-agent: *\ndisallow: /x";
    let answer = |status| Access::from_answer(status, body);
    assert!(answer(200).allows("bot", "/y") && !answer(200).allows("bot", "/x"));
    for status in [400, 401, 403, 404, 410] {
        assert!(answer(status).allows("bot", "/x"), "{status}");
    }
    for status in [301, 304, 429, 500, 503, 0, 999] {
        assert!(!answer(status).allows("bot", "/y"), "{status}");
    }
}

#[test]
fn directives_belong_to_groups_and_have_lines() {
    let robots = Robots::parse(
        b"IMAGXP-Policy: https://pub.example/p.json\r\nLicense: https://pub.example/l.xml\r\n\r\nUser-agent: a\r\n\
          imagxp-policy : https://pub.example/a.json # ours\r\nAllow: /\r\nUser-agent: *\r\nIMAGXP-Policy: http://pub.example/no\r\n\
          Content-Usage: / train-ai=n\r\nIMAGXP-Policy: /relative",
    );
    assert_eq!(robots.policy_urls("A"), ["https://pub.example/a.json", "https://pub.example/p.json"]);
    assert_eq!(robots.policy_urls("b"), ["https://pub.example/p.json"]);
    let lines: Vec<_> =
        robots.directives("b").iter().map(|line| (line.line, line.kind, line.applies)).collect();
    use DirectiveKind::{ContentUsage, License, Policy};
    let expected = [
        (1, Policy, true),
        (2, License, true),
        (5, Policy, false),
        (8, Policy, true),
        (9, ContentUsage, true),
        (10, Policy, true),
    ];
    assert_eq!(lines, expected);
    let errors: Vec<_> = robots.findings().iter().map(|finding| finding.line).collect();
    assert_eq!(errors, [Some(8), Some(10)]);
}

/// What both can do: ASCII, exact keys, one product, no records of others (which end a list of user agents there, against RFC 9309
/// §2.2.4). Groups and precedence are the crate's, matching is done by trying everything: the crate's own matcher is wrong where a
/// character recurs (`/*/?` does not match `///?`).
#[test]
fn agrees_with_the_crate_on_ordinary_files() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(3000));
    let value = "/[ab]{0,3}([*][ab/?]{1,2}){0,2}[$]?";
    let line = prop_oneof![
        Just("User-agent: bot".to_owned()),
        Just("User-agent: *".to_owned()),
        Just("User-agent: other".to_owned()),
        value.prop_map(|value| format!("Disallow: {value}")),
        value.prop_map(|value| format!("Allow: {value}")),
        Just("Disallow:".to_owned()),
        Just("# nothing".to_owned()),
    ];
    let file = proptest::collection::vec(line, 0..12);
    runner
        .run(&(file, "/[ab/?]{0,8}"), |(lines, path)| {
            let text = lines.join("\n");
            let url = format!("https://pub.example{path}");
            let expected = robotstxt::matcher::RobotsMatcher::<Naive>::default()
                .one_agent_allowed_by_robots(&text, "bot", &url);
            prop_assert_eq!(allows(&text, "bot", &path), expected, "{}", text);
            Ok(())
        })
        .unwrap();
}

#[derive(Default)]
struct Naive;

impl robotstxt::matcher::RobotsMatchStrategy for Naive {
    fn match_allow(&self, path: &str, pattern: &str) -> i32 {
        if naive(path.as_bytes(), pattern.as_bytes()) { i32::try_from(pattern.len()).unwrap() } else { -1 }
    }

    fn match_disallow(&self, path: &str, pattern: &str) -> i32 {
        self.match_allow(path, pattern)
    }
}

fn naive(path: &[u8], pattern: &[u8]) -> bool {
    match pattern {
        [] => true,
        b"$" => path.is_empty(),
        [b'*', rest @ ..] => (0..=path.len()).any(|skip| naive(&path[skip..], rest)),
        [first, rest @ ..] => path.first() == Some(first) && naive(&path[1..], rest),
    }
}

fn policy_of(purposes: &[(Purpose, u8)], paths: &[(&str, Vec<(Purpose, u8)>)], required: bool) -> Policy {
    let rules = |purposes: &[(Purpose, u8)]| {
        let mut object = serde_json::Map::new();
        for (purpose, kind) in purposes {
            let rule = match kind {
                0 => serde_json::json!({"allow": true}),
                1 => serde_json::json!({"allow": false}),
                2 => serde_json::json!({"allow": true, "price": {"amount": "0.01", "currency": "USD"}}),
                _ => serde_json::json!({"allow": true, "price": {"amount": "0", "currency": "USD"}}),
            };
            object.insert(purpose.to_string(), rule);
        }
        serde_json::Value::Object(object)
    };
    let paths: Vec<_> = paths
        .iter()
        .map(|(pattern, purposes)| serde_json::json!({"match": pattern, "purposes": rules(purposes)}))
        .collect();
    let document = serde_json::json!({
        "version": 1, "origins": ["https://pub.example"], "purposes": rules(purposes), "paths": paths,
        "payment": {"required": required, "brokers": [{"issuer": "https://broker.example", "jwks_uri": "https://broker.example/jwks"}]},
    });
    Policy::from_json(document.to_string().as_bytes()).unwrap()
}

/// What the policy's own evaluation says, in the words of advice.
fn meaning(policy: &Policy, purpose: Purpose, path: &str) -> Advice {
    let agent = imagxp::AgentId::parse("agent.example", false).unwrap();
    let paths = imagxp::resource::path_readings(path).unwrap();
    let question = imagxp::policy::Question { agent_id: &agent, domain_bound: true, purpose, paths: &paths };
    let decision = policy.evaluate(&question);
    match decision.refusal {
        Some(_) => Advice::Refrain,
        None if decision.payment_needed => Advice::MeetConditions,
        None => Advice::GoAhead,
    }
}

fn report(policy: &Policy, path: &str, with_policy: bool) -> Preferences {
    let site = Site::new(policy, None).unwrap();
    let robots = emit::robots(&site);
    let headers = emit::headers(&site, path).unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let rsl = emit::rsl(&site);
    let public = policy.public_json();
    let url = format!("https://pub.example{path}");
    Preferences::read(&Sources {
        robots: Some(robots.as_bytes()),
        headers: &headers,
        rsl: &[(&site.rsl_url, rsl.as_bytes())],
        policy: with_policy.then_some(&public[..]),
        ..Sources::new(&url, "ExampleBot")
    })
    .unwrap()
}

fn purposes() -> impl Strategy<Value = Vec<(Purpose, u8)>> {
    let all = Purpose::ALL.to_vec();
    proptest::collection::vec((proptest::sample::select(all), 0..4_u8), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// All that a site emits, read back, says what its policy says, for every purpose and every part of the site.
    #[test]
    fn what_is_emitted_means_the_policy(
        site in purposes(), premium in purposes(), inner in purposes(), page in purposes(), required in any::<bool>(),
    ) {
        let paths = [("/premium/*", premium), ("/premium/inner/*", inner), ("/a & b/é.html", page)];
        let policy = policy_of(&site, &paths, required);
        for path in ["/", "/free", "/premium/x?q=1", "/premium/inner/y", "/a%20&%20b/%C3%A9.html", "/a%20&%20b/%C3%A9.html?q"] {
            let preferences = report(&policy, path, true);
            prop_assert!(!preferences.has_errors(), "{:?}", preferences.findings);
            let alone = report(&policy, path, false);
            for purpose in Purpose::ALL {
                let expected = meaning(&policy, purpose, path);
                prop_assert_eq!(preferences.purpose(purpose).advice, expected, "{} {}", purpose, path);
                // Without the policy the words are coarser: they may send the reader there, but never contradict it.
                let coarse = alone.purpose(purpose).advice;
                prop_assert!(coarse == expected || coarse == Advice::MeetConditions, "{} {}: {:?}", purpose, path, coarse);
            }
            prop_assert_eq!(preferences.policies[0].url.as_str(), "https://pub.example/.well-known/imagxp-policy.json");
            prop_assert_eq!(preferences.licenses[0].url.as_str(), "https://pub.example/license.xml");
        }
    }

    /// The public policy, read back, decides as the policy itself, wherever no rule for a single agent has a say.
    #[test]
    fn a_public_policy_decides_as_its_policy(site in purposes(), premium in purposes(), required in any::<bool>()) {
        let policy = policy_of(&site, &[("/premium/*", premium)], required);
        let public = PublicPolicy::parse(&policy.public_json()).unwrap();
        prop_assert!(public.speaks_for("https://pub.example/x") && !public.speaks_for("https://other.example/x"));
        for path in ["/", "/premium/x", "/free/..%2fpremium/x"] {
            for purpose in Purpose::ALL {
                let terms = public.terms(purpose, &format!("https://pub.example{path}"));
                let advice = match terms {
                    t if !t.allow => Advice::Refrain,
                    t if t.payment_needed => Advice::MeetConditions,
                    _ => Advice::GoAhead,
                };
                prop_assert_eq!(advice, meaning(&policy, purpose, path));
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let _ = Robots::parse(&bytes).allows(&text, &text);
        let _ = Rsl::parse(&bytes);
        let _ = PublicPolicy::parse(&bytes);
        let _ = link::parse(&[&text], "https://pub.example/");
        let sources = Sources {
            robots: Some(&bytes), headers: &[("link", &text), ("content-usage", &text), ("content-signal", &text)],
            rsl: &[("", &bytes)], policy: Some(&bytes), ..Sources::new("https://pub.example/", &text)
        };
        let json = Preferences::read(&sources).unwrap().to_json();
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
    }
}

#[test]
fn every_kind_is_emitted_and_named() {
    let policy = policy_of(&[(Purpose::CrawlTraining, 1), (Purpose::RagRetrieval, 2)], &[], false);
    let site = Site::new(&policy, Some("https://pub.example")).unwrap();
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
        assert!(!emit::emit(&site, kind, "/").unwrap().is_empty());
    }
    assert!(Site::new(&policy, Some("https://other.example")).is_err());
    assert!(emit::headers(&site, "x").is_err());
}

#[test]
fn contradictions_are_told_and_the_stricter_counts() {
    let sources = Sources {
        robots: Some(
            b"user-agent: *\ncontent-usage: / train-ai=y\ncontent-signal: ai-train=no, ai-input=yes\n",
        ),
        ..Sources::new("https://pub.example/x", "bot")
    };
    let preferences = Preferences::read(&sources).unwrap();
    let training = preferences.purpose(Purpose::Embedding);
    assert_eq!((training.state, training.advice), (State::Conflicting, Advice::Refrain));
    assert_eq!(training.statements, [0, 1]);
    assert_eq!(preferences.purpose(Purpose::Quotation).advice, Advice::GoAhead);
    assert!(preferences.findings.iter().any(|finding| finding.level == Level::Warning));
    // What may not be fetched has no preferences.
    let closed =
        Sources { robots: Some(b"user-agent: *\ndisallow: /\ncontent-usage: / train-ai=y\n"), ..sources };
    let preferences = Preferences::read(&closed).unwrap();
    assert_eq!(preferences.purpose(Purpose::CrawlTraining).state, State::Unstated);
    assert_eq!(preferences.purpose(Purpose::CrawlTraining).advice, Advice::Refrain);
    assert_eq!((preferences.crawl.line, preferences.crawl.words.as_str()), (Some(2), "disallow: /"));
}
