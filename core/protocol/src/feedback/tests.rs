//! Tests of `feedback.rs`.

use super::*;
use crate::crypto::{Algorithm, PrivateKey};

fn identity(algorithm: Algorithm) -> Identity {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(1);
        Ok(())
    };
    Identity::parse("agent.example", PrivateKey::generate(algorithm, fill).unwrap(), false).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn feedback() -> Feedback {
    Feedback {
        jti: Some("visa-0001".into()),
        content_sha256: Some([7; 32]),
        ..Feedback::new("https://pub.example/slop", Score(100_000), Reason::LowQualitySpam)
    }
}

#[test]
fn scores_are_millionths() {
    for (text, millionths) in [
        ("0", 0),
        ("1", 1_000_000),
        ("0.5", 500_000),
        ("0.000001", 1),
        ("1.000000", 1_000_000),
        ("0.10", 100_000),
    ] {
        assert_eq!(Score::parse(text).map(Score::millionths), Some(millionths), "{text}");
    }
    for text in ["", "-0", "1.000001", "2", "0.", ".5", "0.0000001", "1e0", "5e-1", "00", "0.5 ", "+0", "NaN"]
    {
        assert_eq!(Score::parse(text), None, "{text}");
    }
    for millionths in (0..=1_000_000).step_by(997).chain([1, 10, 500_000, 999_999, 1_000_000]) {
        let score = Score(millionths);
        let number = Number::from_f64(f64::from(millionths) / 1e6).unwrap();
        assert_eq!(number.text(), score.to_string(), "RFC 8785 writes the decimal itself");
        assert_eq!(Score::parse(number.text()), Some(score));
    }
    assert_eq!(Score::from_millionths(1_000_001), None);
}

#[test]
fn round_trips_raw_and_in_base64() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let identity = identity(algorithm);
        let json = feedback().sign(&identity, now(), "0123456789abcdef").unwrap();
        for value in [json.clone(), header_value(&json).into_bytes()] {
            let read = SignedFeedback::parse(&value).unwrap();
            assert!(read.verify(identity.public_key()));
            assert_eq!(read.feedback().agent_id.as_ref(), Some(identity.agent_id()));
            assert_eq!(read.feedback().signed_at, Some((now(), "0123456789abcdef".into())));
            assert_eq!(read.feedback().content_sha256, Some([7; 32]));
        }
        let changed = String::from_utf8(json).unwrap().replace("0.1", "0.9");
        assert!(!SignedFeedback::parse(changed.as_bytes()).unwrap().verify(identity.public_key()));
    }
}

#[test]
fn the_seeds_object_is_read() {
    let seed = format!(
        r#"{{"url":"https://pub.com/slop-article","quality_score":0.1,"reason":"LOW_QUALITY_SPAM","more":[1],"signature":"{}"}}"#,
        "ab".repeat(64)
    );
    let read = SignedFeedback::parse(seed.as_bytes()).unwrap();
    assert_eq!(read.feedback().quality_score, Score(100_000));
    assert_eq!(read.feedback().agent_id, None);
    assert_eq!(
        read.signed_bytes(),
        br#"{"more":[1],"quality_score":0.1,"reason":"LOW_QUALITY_SPAM","url":"https://pub.com/slop-article"}"#
    );
}

#[test]
fn spoiled_feedback_is_malformed() {
    let json = feedback().sign(&identity(Algorithm::Es256), now(), "0123456789abcdef").unwrap();
    let json = String::from_utf8(json).unwrap();
    for (old, new) in [
        ("0.1", "\"0.1\""),
        ("0.1", "1.1"),
        ("0.1", "-0.1"),
        ("0.1", "1e-1"),
        ("0.1", "0.1000001"),
        ("LOW_QUALITY_SPAM", "BAD"),
        ("https://pub.example/slop", "/slop"),
        ("agent.example", "agent"),
        ("0123456789abcdef", "short"),
        ("\"nonce\"", "\"nonse\""),
        ("\"ts\"", "\"tz\""),
        ("2026-03-01T12:00:00.000Z", "2026-03-01"),
        ("visa-0001", "visa"),
        ("\"visa-0001\"", "5"),
        ("0707", "07"),
        ("\"signature\"", "\"sig\""),
        ("{", "{\"url\":\"https://pub.example/\","),
        ("}", "},"),
    ] {
        assert!(json.contains(old), "{old}");
        let bad = json.replacen(old, new, 1);
        assert_eq!(SignedFeedback::parse(bad.as_bytes()).unwrap_err().code(), "feedback.malformed", "{bad}");
    }
    for bad in ["", "e30=", "[]", "!"] {
        assert_eq!(SignedFeedback::parse(bad.as_bytes()).unwrap_err().code(), "feedback.malformed", "{bad}");
    }
    let long = "A".repeat(40_000);
    assert_eq!(SignedFeedback::parse(long.as_bytes()).unwrap_err().message(), "it is too long");
}

#[test]
fn what_nobody_would_accept_is_not_signed() {
    let identity = identity(Algorithm::Es256);
    for (bad, nonce) in [
        (Feedback { url: "/a".into(), ..feedback() }, "0123456789abcdef"),
        (Feedback { jti: Some("a".into()), ..feedback() }, "0123456789abcdef"),
        (feedback(), "short"),
    ] {
        assert_eq!(bad.sign(&identity, now(), nonce).unwrap_err().code(), "usage.argument");
    }
    assert!(feedback().sign(&identity, Timestamp::from_secs(0), "0123456789abcdef").is_err());
}
