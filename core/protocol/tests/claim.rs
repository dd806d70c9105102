//! Claims at the edges of what they may say (PROTOCOL §2).
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use imagxp::claim::Version;
use imagxp::{Claim, Code, Limits, Timestamp};

const REST: &str = r#""agent_id":"agent.example","purpose":"SUMMARY","nonce":"0123456789abcdef""#;
const TS: &str = r#""ts":"2026-03-01T12:00:00Z""#;

fn parse(members: &str) -> Result<Claim, Code> {
    Claim::parse(format!("{{{REST},{members}}}").as_bytes(), &Limits::DEFAULT.with_resource(2048), false)
}

#[test]
fn seconds_are_a_time_in_the_first_version_only() {
    let time = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    for (version, known) in [
        ("", Some(Version::V1_0)),
        (r#","v":"1.0""#, Some(Version::V1_0)),
        (r#","v":"1.1""#, Some(Version::V1_1)),
        (r#","v":"2.0""#, None),
        (r#","v":1"#, None),
    ] {
        let claim = parse(&format!("{TS}{version}")).unwrap();
        assert_eq!((claim.ts, claim.version), (time, known), "{version}");
        let seconds = parse(&format!(r#""timestamp":1772366400{version}"#)).map(|claim| claim.ts);
        let expected = if known == Some(Version::V1_0) { Ok(time) } else { Err(Code::ClaimTsInvalid) };
        assert_eq!(seconds, expected, "{version}");
        let both = parse(&format!(r#"{TS},"timestamp":1772366400{version}"#)).map(|claim| claim.ts);
        assert_eq!(both, Err(Code::ClaimTsInvalid), "{version}");
    }
    assert_eq!((Version::V1_0.as_str(), Version::V1_1.as_str()), ("1.0", "1.1"));
}

#[test]
fn a_resource_and_a_claim_have_their_length() {
    let url = |length: usize| format!("https://pub.example/{}", "a".repeat(length - 20));
    for (length, good) in [(2048, true), (2049, false)] {
        let claim = parse(&format!(r#"{TS},"resource":"{}""#, url(length)));
        match claim {
            Ok(claim) => assert!(good && claim.resource().unwrap().to_string() == url(length), "{length}"),
            Err(code) => assert!(!good && code == Code::ClaimResourceInvalid, "{length}: {code:?}"),
        }
    }
    // Three strings within their own limit.
    let claim = |length: usize| {
        let shell = parse(&format!(r#"{TS},"x":"","y":"""#)).unwrap().payload().len();
        let (x, y) = ("x".repeat(4000), "y".repeat(length - shell - 4000));
        parse(&format!(r#"{TS},"x":"{x}","y":"{y}""#)).map(|claim| claim.payload().len())
    };
    assert_eq!(claim(8192), Ok(8192));
    assert_eq!(claim(8193), Err(Code::HeaderTooLarge));
    let string = |length: usize| {
        parse(&format!(r#"{TS},"x":"{}""#, "x".repeat(length))).map(|claim| claim.extra().len())
    };
    assert_eq!((string(4096), string(4097)), (Ok(1), Err(Code::HeaderTooLarge)));
}

#[test]
fn a_string_has_the_length_that_the_site_says() {
    for (limits, most) in [
        (Limits::DEFAULT, 4096),
        (Limits::DEFAULT.with_string(100), 100),
        (Limits::DEFAULT.with_string(5000), 5000),
    ] {
        // In the form of RFC 8785, and not.
        for space in ["", " "] {
            let claim = |length: usize| {
                let note = "n".repeat(length);
                let json = format!(
                    r#"{{{space}"agent_id":"agent.example","nonce":"0123456789abcdef","note":"{note}","purpose":"SUMMARY","resource":"https://pub.example/a",{TS},"v":"1.1"}}"#
                );
                Claim::parse(json.as_bytes(), &limits, false)
            };
            let longest = claim(most).unwrap();
            assert_eq!(longest.extra().get("note").unwrap().as_str().map(str::len), Some(most));
            assert_eq!(claim(most + 1).unwrap_err(), Code::HeaderTooLarge, "{most}");
        }
    }
}

#[test]
fn ads_were_displayed_or_not_and_nothing_else_is_an_answer() {
    for (context, displayed) in [
        (r#"{}"#, Ok(None)),
        (r#"{"ads_displayed":true}"#, Ok(Some(true))),
        (r#"{"ads_displayed":false}"#, Ok(Some(false))),
        (r#"{"ads_displayed":"true"}"#, Err(Code::ClaimContextInvalid)),
        (r#"{"ads_displayed":1}"#, Err(Code::ClaimContextInvalid)),
        ("true", Err(Code::ClaimContextInvalid)),
    ] {
        // In the form of RFC 8785, and not.
        for space in ["", " "] {
            let json = format!(
                r#"{{{space}"agent_id":"agent.example","context":{context},"nonce":"0123456789abcdef","purpose":"SUMMARY","resource":"https://pub.example/a",{TS}}}"#
            );
            let claim = Claim::parse(json.as_bytes(), &Limits::DEFAULT, false);
            assert_eq!(claim.map(|claim| claim.ads_displayed), displayed, "{context}");
        }
    }
}
