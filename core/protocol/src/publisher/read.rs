//! Steps 1 to 3: from header lines to a claim.

use super::refusal::Refusal;
use super::verdict::{Visitor, Warning};
use super::verify::Run;
use crate::claim::{self, Claim, Members};
use crate::code::Code;
use crate::crypto::Signature;
use crate::encoding::base64_decode;
use crate::explain::{StepResult, shown};
use crate::headers::{self, RequestHeaders};
use crate::time::Timestamp;

/// What the headers of a signed request hold, decoded.
pub(super) struct Decoded {
    pub(super) signature: Signature,
    /// The DER bytes of the key hint.
    pub(super) hint: Option<Vec<u8>>,
}

const STRICT_JSON: &str = "payload: strict JSON";
const ONE_OBJECT: &str = "one I-JSON object within the limits";

impl<'r> Run<'r> {
    /// Step 1.
    pub(super) fn read_headers(&mut self) -> Result<RequestHeaders<'r>, Refusal> {
        let lines = self.request.headers;
        let read = RequestHeaders::read(lines, &self.publisher.limits);
        if read.is_err() && lines.iter().any(|(name, _)| headers::marks_agent(name)) {
            self.facts.visitor = Visitor::InvalidAgent;
        }
        let refusal = read.as_ref().err().map(|refusal| Refusal::new(refusal.code).detail(refusal.header));
        self.check(1, "headers: count, sizes, duplicates, conflicts", refusal, || {
            let received = match &read {
                Ok(_) => format!("{} header lines", lines.len()),
                Err(refusal) => format!("{}: {}", refusal.header, refusal.code.message()),
            };
            ("each x-imagxp-* header at most once, within the limits".into(), received)
        })?;
        read.map_err(|refusal| Refusal::new(refusal.code))
    }

    /// Still step 1: what a signed request must have.
    fn signed_headers<'h>(&mut self, headers: &RequestHeaders<'h>) -> Result<(&'h [u8], &'h [u8]), Refusal> {
        let missing = |name: &'static str| Refusal::new(Code::HeaderMissing).detail(name);
        let has_product = headers.has_product();
        let refusal = if headers.payload.is_none() {
            Some(missing(headers::PAYLOAD))
        } else if headers.signature.is_none() {
            Some(missing(headers::SIGNATURE))
        } else if !has_product && self.publisher.policy.document().require_user_agent {
            Some(missing("User-Agent with IMAGXP/1.0"))
        } else {
            None
        };
        self.check(1, "headers: present", refusal, || {
            let have = [(headers::PAYLOAD, headers.payload), (headers::SIGNATURE, headers.signature)];
            let have: Vec<&str> =
                have.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
            let product = if has_product { "with" } else { "without" };
            (
                format!("{}, {}, User-Agent with {}", headers::PAYLOAD, headers::SIGNATURE, headers::PRODUCT),
                format!("{}; User-Agent {product} {}", have.join(", "), headers::PRODUCT),
            )
        })?;
        if !has_product {
            self.facts.warnings.push(Warning::UserAgentMissing);
        }
        headers.payload.zip(headers.signature).ok_or_else(|| missing(headers::PAYLOAD))
    }

    /// Step 2, as far as it concerns encodings: the claim's bytes, and what goes with them.
    pub(super) fn decode(&mut self, headers: &RequestHeaders<'_>) -> Result<(Vec<u8>, Decoded), Refusal> {
        let (payload_text, signature_text) = self.signed_headers(headers)?;
        let payload = self.base64(headers::PAYLOAD, payload_text)?;
        let hint = headers.public_key.map(|text| self.base64(headers::PUBLIC_KEY, text)).transpose()?;
        let signature = Signature::from_hex(signature_text);
        let refusal = signature.is_none().then(|| Refusal::new(Code::SigMalformed));
        self.check(2, "signature: encoding", refusal, || ("128 hex digits".into(), shown(signature_text)))?;
        let signature = signature.ok_or_else(|| Refusal::new(Code::SigMalformed))?;
        Ok((payload, Decoded { signature, hint }))
    }

    fn base64(&mut self, header: &'static str, text: &[u8]) -> Result<Vec<u8>, Refusal> {
        let decoded = base64_decode(text);
        let refusal = decoded.is_none().then(|| Refusal::new(Code::HeaderBase64Invalid).detail(header));
        self.check(2, "headers: base64", refusal, || {
            (format!("{header} in one base64 alphabet, padded fully or not at all"), shown(text))
        })?;
        decoded.ok_or_else(|| Refusal::new(Code::HeaderBase64Invalid))
    }

    fn not_json(&mut self, code: Code, payload: &[u8]) -> Refusal {
        self.note(2, STRICT_JSON, StepResult::Failed, || (ONE_OBJECT.into(), shown(payload)));
        Refusal::new(code)
    }

    /// The rest of step 2, step 3, and the unsigned copies, which only now can be compared.
    pub(super) fn claim(&mut self, headers: &RequestHeaders<'_>, payload: Vec<u8>) -> Result<Claim, Refusal> {
        let limits = &self.publisher.limits;
        let payload = match claim::text_of(payload) {
            Ok(payload) => payload,
            Err((payload, code)) => return Err(self.not_json(code, &payload)),
        };
        let members = match Members::read(&payload, limits) {
            Ok(members) => members,
            Err(code) => return Err(self.not_json(code, payload.as_bytes())),
        };
        self.note(2, STRICT_JSON, StepResult::Passed, || (ONE_OBJECT.into(), shown(payload.as_bytes())));
        let allow_loopback = self.publisher.policy.document().allow_loopback;
        let claim = Claim::of(members, &payload, limits, allow_loopback);
        let refusal = claim.as_ref().err().map(|code| Refusal::new(*code));
        self.check(3, "claim: types and values", refusal, || {
            let received = match &claim {
                Ok(claim) => format!("{} for {}", claim.agent_id, claim.purpose),
                Err(code) => code.message().into(),
            };
            ("agent_id, purpose, ts, nonce, resource as PROTOCOL §2 has them".into(), received)
        })?;
        let claim = claim.map_err(Refusal::new)?.with_payload(payload);
        let agent_ok = headers.agent_id.is_none_or(|copy| copy == claim.agent_id.as_str().as_bytes());
        let time_ok = headers.timestamp.is_none_or(|copy| {
            let text = core::str::from_utf8(copy).ok();
            copy == claim.ts_text().as_bytes() || text.and_then(Timestamp::parse) == Some(claim.ts)
        });
        if !agent_ok || !time_ok {
            let header = if agent_ok { headers::TIMESTAMP } else { headers::AGENT_ID };
            let refusal = Refusal::new(Code::HeaderConflict).detail(header);
            self.check(3, "unsigned copies", Some(refusal), || {
                ("the claim's own values".into(), format!("another value in {header}"))
            })?;
        }
        Ok(claim)
    }
}
