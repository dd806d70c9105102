//! The operations `provenance` and `feedback`.

use crate::answer::{Answer, Failure, hex, json, optional, text, time};
use crate::operations::{header_lines, object, publisher, supply};
use imagxp::agent::Identity;
use imagxp::crypto::PrivateKey;
use imagxp::feedback::{Feedback, Reason, Score};
use imagxp::policy::ContentOrigin;
use imagxp::provenance::{Delivery, Receipt, SignedReceipt};
use imagxp::{AgentId, Manifest};
use serde_json::{Value, json};

pub(crate) fn provenance(case: &Value) -> Answer {
    let reader = optional(case, "agent_id").map(agent).transpose()?;
    let url = text(case, "url")?;
    let content_sha256 = sha256(case)?.ok_or_else(|| Failure::Case("`content_sha256` is missing".into()))?;
    let now = time(case, "now")?;
    if case.get("key").is_some() {
        let origin = ContentOrigin::from_name(text(case, "origin")?)
            .ok_or_else(|| Failure::Case("unknown origin".into()))?;
        let trace_id = text(case, "trace_id")?.to_owned();
        let receipt =
            Receipt { agent_id: reader, content_sha256, origin, trace_id, ts: now, url: url.to_owned() };
        let headers = receipt.sign(&PrivateKey::from_jwk(&object(case, "key")?)?)?;
        return Ok(
            json!({ "headers": headers.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>() }),
        );
    }
    let lines = header_lines(case)?;
    let lines: Vec<(&[u8], &[u8])> =
        lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let verified = SignedReceipt::from_headers(&lines).and_then(|signed| {
        let publisher = signed.publisher(true).ok_or(imagxp::Code::IdentityKeyMismatch)?;
        let manifest = json(case, "manifest").unwrap_or_default();
        let manifest = Manifest::parse(&manifest, &publisher, 16 * 1024)?;
        let receipt = signed.verify(&manifest)?;
        receipt.check(&Delivery { url, content_sha256: &content_sha256, agent_id: reader.as_ref() }, now)
    });
    Ok(match verified {
        Ok(()) => json!({ "valid": true, "code": null }),
        Err(error) => json!({ "valid": false, "code": error.code() }),
    })
}

pub(crate) fn feedback(case: &Value) -> Answer {
    let now = time(case, "now")?;
    if case.get("key").is_some() {
        let millionths = case.get("score_millionths").and_then(Value::as_u64);
        let score = millionths.and_then(|score| u32::try_from(score).ok()).and_then(Score::from_millionths);
        let reason = Reason::from_name(text(case, "reason")?);
        let (Some(score), Some(reason)) = (score, reason) else {
            return Err(Failure::Case("bad score or reason".into()));
        };
        let mut feedback = Feedback::new(text(case, "url")?, score, reason);
        feedback.jti = optional(case, "jti").map(str::to_owned);
        feedback.content_sha256 = sha256(case)?;
        let key = PrivateKey::from_jwk(&object(case, "key")?)?;
        let identity = Identity::parse(text(case, "agent_id")?, key, true)?;
        let signed = feedback.sign(&identity, now, text(case, "nonce")?)?;
        return Ok(json!({ "value": imagxp::feedback::header_value(&signed) }));
    }
    let publisher = publisher(case)?;
    supply(&publisher, case, now);
    let taken = publisher.feedback(text(case, "value")?.as_bytes(), None, now);
    let feedback = taken.feedback.map(|feedback| {
        json!({
            "url": feedback.url, "score_millionths": feedback.quality_score.millionths(), "reason": feedback.reason.as_str(),
            "jti": feedback.jti, "content_sha256": feedback.content_sha256.map(|hash| imagxp::encoding::hex_encode(&hash)),
        })
    });
    Ok(json!({
        "outcome": taken.verdict.outcome.as_str(), "code": taken.verdict.code.map(imagxp::Code::as_str),
        "http": taken.verdict.http, "agent_id": taken.verdict.agent_id.map(|agent| agent.to_string()), "feedback": feedback,
    }))
}

fn agent(name: &str) -> Result<AgentId, Failure> {
    AgentId::parse(name, true).ok_or_else(|| Failure::Case("bad agent_id".into()))
}

fn sha256(case: &Value) -> Result<Option<[u8; 32]>, Failure> {
    if case.get("content_sha256").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let bytes = hex(case, "content_sha256")?;
    bytes.try_into().map(Some).map_err(|_| Failure::Case("`content_sha256` has not 32 bytes".into()))
}
