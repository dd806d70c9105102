//! Feedback (PROTOCOL §11).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    use imagxp::feedback::{Feedback, Reason, Score, header_value};
    const NONCE: &str = "00000000-0000-4000-8000-000000000002";
    let feedback = Feedback {
        jti: Some("visa-0001".into()),
        content_sha256: Some(imagxp::digest::sha256(b"hello")),
        ..Feedback::new(URL, Score::from_millionths(123_450).unwrap(), Reason::LowQualitySpam)
    };
    let value =
        |feedback: &Feedback, seed| header_value(&feedback.sign(&identity(seed), now(), NONCE).unwrap());
    let hex = imagxp::encoding::hex_encode(&imagxp::digest::sha256(b"hello"));
    let good = value(&feedback, 1);
    let raw = String::from_utf8(imagxp::encoding::base64_decode(good.as_bytes()).unwrap()).unwrap();
    let mut cases = vec![json!({
        "id": "feedback-sign", "why": "deterministic: the same bytes in every language", "op": "feedback", "key": private_jwk(1, Algorithm::Es256),
        "agent_id": AGENT, "url": URL, "score_millionths": 123_450, "reason": "LOW_QUALITY_SPAM", "jti": "visa-0001", "content_sha256": hex, "now": TIME,
        "nonce": NONCE, "expect": { "value": good },
    })];
    let accepted = json!({ "outcome": "allow", "code": null, "http": 200, "agent_id": AGENT, "feedback": {
        "url": URL, "score_millionths": 123_450, "reason": "LOW_QUALITY_SPAM", "jti": "visa-0001", "content_sha256": hex,
    } });
    let refused = |code: imagxp::Code| {
        let mut expect = deny(code);
        expect["feedback"] = Value::Null;
        expect["agent_id"] = Value::Null;
        expect
    };
    let elsewhere = Feedback { url: "https://other.example/".into(), ..feedback.clone() };
    use imagxp::Code::{ClaimResourceMismatch, FeedbackMalformed, SigInvalid, TimeExpired, TimeFuture};
    for (id, why, value, at, expect) in [
        ("good", "base64, as the header has it", good.clone(), TIME, accepted.clone()),
        ("raw", "raw JSON means the same", raw.clone(), TIME, accepted),
        ("forged", "the score was raised", raw.replace("0.12345", "0.92345"), TIME, refused(SigInvalid)),
        ("other-key", "not a key of the agent", value(&feedback, 2), TIME, refused(SigInvalid)),
        ("elsewhere", "about another site", value(&elsewhere, 1), TIME, refused(ClaimResourceMismatch)),
        ("old", "301 s", good.clone(), "2026-03-01T12:05:01.000Z", refused(TimeExpired)),
        ("early", "61 s ahead", good, "2026-03-01T11:58:59.000Z", refused(TimeFuture)),
        (
            "seven-digits",
            "at most six digits",
            raw.replace("0.12345", "0.1234567"),
            TIME,
            refused(FeedbackMalformed),
        ),
        ("above-one", "at most 1", raw.replace("0.12345", "1.00001"), TIME, refused(FeedbackMalformed)),
        ("exponent", "no exponents", raw.replace("0.12345", "1e-1"), TIME, refused(FeedbackMalformed)),
        (
            "text",
            "a number, not a string",
            raw.replace("0.12345", "\"0.12345\""),
            TIME,
            refused(FeedbackMalformed),
        ),
        (
            "reason",
            "a closed list",
            raw.replace("LOW_QUALITY_SPAM", "low_quality_spam"),
            TIME,
            refused(FeedbackMalformed),
        ),
        (
            "nonce-without-ts",
            "ts and nonce belong together",
            raw.replace("\"ts\"", "\"tz\""),
            TIME,
            refused(FeedbackMalformed),
        ),
        ("not-json", "neither JSON nor base64", "?".to_owned(), TIME, refused(FeedbackMalformed)),
    ] {
        cases.push(json!({
            "id": format!("feedback-{id}"), "why": why, "op": "feedback", "policy": policy_with(json!({})),
            "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "value": value, "now": at, "expect": expect,
        }));
    }
    cases
}
