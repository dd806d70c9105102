//! What a signer sent, taken apart as far as it goes: each part that cannot be read is absent, and its check says so.

use super::visits::Visit;
use imagxp::Timestamp;
use imagxp::crypto::Signature;
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::headers::{PAYLOAD, SIGNATURE};
use imagxp::json::{Limits, Object, Value, object_to_canonical, parse_object};
use std::time::Instant;

/// One request of the signer.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
    /// The body's digest (RFC 9530).
    pub(super) digest: String,
    pub(super) at: Timestamp,
    pub(super) since: Instant,
    /// The claim's bytes.
    pub(super) payload: Vec<u8>,
    /// Whether they came in the one form that agents send.
    pub(super) standard: bool,
    /// The claim, if it is a strict JSON object.
    pub(super) claim: Option<Object<'static>>,
    /// The signature, if it is one.
    pub(super) signature: Option<Signature>,
}

impl Request {
    pub(super) fn new(visit: Visit) -> Self {
        let one = |name: &str| match visit.heard.values(name)[..] {
            [value] => Some(value.to_owned()),
            _ => None,
        };
        let text = one(PAYLOAD).unwrap_or_default();
        let payload = base64_decode(text.as_bytes()).unwrap_or_default();
        let claim = parse_object(&payload, &Limits::CLAIM).ok().map(Object::into_owned);
        Self {
            standard: !text.is_empty() && base64_encode(&payload) == text,
            claim,
            signature: one(SIGNATURE).and_then(|hex| Signature::from_hex(hex.as_bytes())),
            payload,
            host: one("host").unwrap_or_default(),
            method: visit.heard.method,
            target: visit.heard.target,
            headers: visit.heard.headers,
            digest: visit.digest,
            at: visit.at,
            since: visit.since,
        }
    }

    /// The values of all lines with this lower-case name.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(found, _)| found == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether there is anything of a signature about it.
    pub(super) fn is_signed(&self) -> bool {
        [PAYLOAD, SIGNATURE].iter().any(|name| !self.values(name).is_empty())
    }

    /// A member of the claim.
    pub(super) fn member(&self, name: &str) -> Option<&Value<'static>> {
        self.claim.as_ref().and_then(|claim| claim.get(name))
    }

    /// A member of the claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Value::as_str)
    }

    /// The canonical form of the claim.
    pub(super) fn canonical(&self) -> Option<Vec<u8>> {
        self.claim.as_ref().map(object_to_canonical)
    }

    /// The bytes that a signature may be over (PROTOCOL §3).
    pub(super) fn signable(&self) -> Vec<Vec<u8>> {
        self.canonical().into_iter().chain([self.payload.clone()]).collect()
    }
}
