//! The claim: the signed JSON object of PROTOCOL §2, from bytes to typed values, once.

mod members;

pub(crate) use members::Members;

use crate::agent_id::AgentId;
use crate::code::Code;
use crate::json::{self, Object};
use crate::limits::Limits;
use crate::purpose::Purpose;
use crate::resource::{ReadResource, Resource, ResourceRef};
use crate::time::Timestamp;
use members::{Member, Span};
use std::borrow::Cow;

/// The version of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The seed specification; also meant when `v` is absent.
    V1_0,
    /// The current version.
    V1_1,
}

impl Version {
    /// The value of `v`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }
}

/// A claim whose members have the right types and values.
///
/// The version and the time window are checked later (PROTOCOL §5 step 4), so `version` may be unsupported here.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who asks.
    pub agent_id: AgentId,
    /// `None` when `v` is present and names no version that we know.
    pub version: Option<Version>,
    /// Why.
    pub purpose: Purpose,
    /// When the claim was made.
    pub ts: Timestamp,
    /// `context.ads_displayed`, if any.
    pub ads_displayed: Option<bool>,
    ts_text: Span,
    nonce: Span,
    resource: Option<Asked>,
    method: Option<Span>,
    content_digest: Option<Span>,
    payload: String,
    /// `None`: the payload is that form.
    canonical: Option<Vec<u8>>,
    /// `None`: the spans are of the payload.
    texts: Option<String>,
}

/// The text of `resource`.
#[derive(Clone, Copy, Debug)]
struct Asked {
    span: Span,
    /// Whether it is written in its normal form.
    plain: bool,
    /// Whether, besides, all servers read its path alike.
    one_reading: bool,
}

/// The largest decoded claim, in bytes (PROTOCOL §2).
pub const MAX_CLAIM_BYTES: usize = 8 * 1024;

impl Claim {
    /// Reads a claim from JSON bytes (steps 2 and 3 of PROTOCOL §5).
    ///
    /// `allow_loopback` is the development switch of PROTOCOL §2 `agent_id`. The error is the code of the first rule that is
    /// broken: all of JSON's first, then the members in the order of the table in PROTOCOL §2.
    pub fn parse(bytes: &[u8], limits: &Limits, allow_loopback: bool) -> Result<Self, Code> {
        let payload = core::str::from_utf8(sized(bytes)?).map_err(|_| Code::JsonInvalidUnicode)?;
        let members = Members::read(payload, limits)?;
        Ok(Self::of(members, payload, limits, allow_loopback)?.with_payload(payload.to_owned()))
    }

    /// 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`.
    pub fn nonce(&self) -> &str {
        self.text(self.nonce)
    }

    /// What is asked for; `None` when absent.
    pub fn resource(&self) -> Option<Resource> {
        self.resource.and_then(|asked| Resource::parse(self.text(asked.span)))
    }

    /// What is asked for, as [`Claim::resource`] is written; `None` when absent.
    pub fn resource_text(&self) -> Option<Cow<'_, str>> {
        let asked = self.resource?;
        let text = self.text(asked.span);
        Some(if asked.plain { text.into() } else { Resource::parse(text)?.to_string().into() })
    }

    /// What is asked for, without a copy where none is needed.
    pub(crate) fn read_resource(&self) -> Option<ReadResource<'_>> {
        let asked = self.resource?;
        let text = self.text(asked.span);
        if asked.plain {
            ResourceRef::split(text).map(ReadResource::Plain)
        } else {
            Resource::parse(text).map(ReadResource::Parsed)
        }
    }

    /// The path of this request target, when it is what the claim asks for to the letter and all servers read it alike.
    pub(crate) fn sole_path(&self, target: &str) -> Option<&str> {
        let asked = self.resource.filter(|asked| asked.one_reading)?;
        let text = self.text(asked.span);
        let resource = ResourceRef::split(text)?;
        (text == target || resource.is_target(target)).then_some(resource.path)
    }

    /// Whether this text is the claim's resource to the letter.
    pub(crate) fn asks_for(&self, text: &str) -> bool {
        self.resource.is_some_and(|asked| self.text(asked.span) == text)
    }

    /// The method that was signed, if any.
    pub fn method(&self) -> Option<&str> {
        self.method.map(|span| self.text(span))
    }

    /// The RFC 9530 digest of the body that was signed, if any.
    pub fn content_digest(&self) -> Option<&str> {
        self.content_digest.map(|span| self.text(span))
    }

    /// The `ts` or `timestamp` as it was written, for comparison with the unsigned copy.
    pub fn ts_text(&self) -> &str {
        self.text(self.ts_text)
    }

    /// The bytes as they were received.
    pub fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    /// The RFC 8785 form.
    pub fn canonical(&self) -> &[u8] {
        self.canonical.as_deref().unwrap_or(self.payload.as_bytes())
    }

    /// The received bytes where they are another form than [`Claim::canonical`]: a signature may be of them (PROTOCOL §3).
    pub fn other_form(&self) -> Option<&[u8]> {
        self.canonical.is_some().then_some(self.payload.as_bytes())
    }

    /// Every member that is not named in PROTOCOL §2: signed and uninterpreted.
    ///
    /// Read from [`Claim::payload`] on demand, since hardly anybody asks.
    pub fn extra(&self) -> Object<'_> {
        let limits = json::Limits { max_string: self.payload.len(), ..json::Limits::CLAIM };
        let mut extra = Object::new();
        for (name, value) in json::parse_object(self.payload(), &limits).unwrap_or_default() {
            if !MEMBERS.contains(&&*name) {
                extra.insert(name, value);
            }
        }
        extra
    }

    /// Step 3: types and values. [`Claim::with_payload`] is still to be called with the text that the members were read from.
    pub(crate) fn of(
        members: Members<'_>,
        payload: &str,
        limits: &Limits,
        allow_loopback: bool,
    ) -> Result<Self, Code> {
        let texts = members.texts.as_deref().unwrap_or(payload);
        let text = |member: Member| match member {
            Member::Text(span) => Some((span, span.of(texts))),
            _ => None,
        };
        let version = match members.v {
            Member::Absent => Some(Version::V1_0),
            v => match text(v) {
                Some((_, "1.0")) => Some(Version::V1_0),
                Some((_, "1.1")) => Some(Version::V1_1),
                _ => None,
            },
        };
        let agent_id = text(members.agent_id)
            .and_then(|(_, id)| AgentId::parse(id, allow_loopback))
            .ok_or(Code::ClaimAgentIdInvalid)?;
        let purpose = text(members.purpose)
            .and_then(|(_, name)| Purpose::from_name(name))
            .ok_or(Code::ClaimPurposeInvalid)?;
        // `ts`, or in version 1.0 alternatively `timestamp` in seconds; never both.
        let time = match (members.ts, members.timestamp) {
            (Member::Text(span), None) => Timestamp::parse(span.of(texts)).map(|time| (time, span)),
            (Member::Absent, Some(Some((seconds, span)))) if version == Some(Version::V1_0) => {
                is_in_range(&seconds).then(|| (Timestamp::from_secs(seconds), span))
            }
            _ => None,
        };
        let (ts, ts_text) = time.ok_or(Code::ClaimTsInvalid)?;
        let (nonce, _) =
            text(members.nonce).filter(|(_, nonce)| is_nonce(nonce)).ok_or(Code::ClaimNonceInvalid)?;
        let resource = match (members.resource, text(members.resource)) {
            (Member::Absent, _) => None,
            (_, Some((span, url))) if url.len() <= limits.resource() => {
                let read = ReadResource::parse(url).ok_or(Code::ClaimResourceInvalid)?;
                let plain = matches!(read, ReadResource::Plain(_));
                Some(Asked { span, plain, one_reading: plain && read.view().one_reading })
            }
            _ => return Err(Code::ClaimResourceInvalid),
        };
        let optional = |member: Member, code| match member {
            Member::Absent => Ok(None),
            Member::Text(span) => Ok(Some(span)),
            _ => Err(code),
        };
        let method = optional(members.method, Code::ClaimMethodMismatch)?;
        let content_digest = optional(members.content_digest, Code::ClaimDigestMismatch)?;
        let ads_displayed = match members.context {
            Member::Absent => None,
            Member::Object(displayed) => displayed,
            _ => return Err(Code::ClaimContextInvalid),
        };
        let canonical = members.object.map(|object| {
            let mut canonical = Vec::with_capacity(payload.len());
            json::write_object(&object, &mut canonical);
            canonical
        });
        Ok(Self {
            agent_id,
            version,
            purpose,
            ts,
            ads_displayed,
            ts_text,
            nonce,
            resource,
            method,
            content_digest,
            payload: String::new(),
            canonical: canonical.filter(|canonical| canonical != payload.as_bytes()),
            texts: members.texts,
        })
    }

    /// Puts in the text that the claim was read from.
    pub(crate) fn with_payload(mut self, payload: String) -> Self {
        self.payload = payload;
        self
    }

    fn text(&self, span: Span) -> &str {
        span.of(self.texts.as_ref().unwrap_or(&self.payload))
    }
}

/// The bytes of a claim, unless they are too many.
const fn sized(payload: &[u8]) -> Result<&[u8], Code> {
    if payload.len() > MAX_CLAIM_BYTES { Err(Code::HeaderTooLarge) } else { Ok(payload) }
}

/// The bytes of a claim as text, which all that is JSON is; or the bytes again, and what is wrong with them.
pub(crate) fn text_of(payload: Vec<u8>) -> Result<String, (Vec<u8>, Code)> {
    if let Err(code) = sized(&payload) {
        return Err((payload, code));
    }
    String::from_utf8(payload).map_err(|error| (error.into_bytes(), Code::JsonInvalidUnicode))
}

/// The members that PROTOCOL §2 names; what else a claim has is signed and uninterpreted ([`Claim::extra`]).
pub const MEMBERS: [&str; 10] = [
    "v",
    "agent_id",
    "purpose",
    "ts",
    "timestamp",
    "nonce",
    "resource",
    "method",
    "content_digest",
    "context",
];

/// Whether this is an acceptable nonce (PROTOCOL §2).
pub fn is_nonce(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// The years 2000 to 2100, in seconds since 1970.
fn is_in_range(seconds: &i64) -> bool {
    (946_684_800..4_133_980_800).contains(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":"1.1","agent_id":"agent.example","purpose":"SUMMARY","ts":"2026-03-01T12:00:00Z","nonce":"0123456789abcdef","resource":"https://pub.example/","x":{"y":1}}"#;

    fn code_of(json: &str) -> Code {
        Claim::parse(json.as_bytes(), &Limits::DEFAULT, false).unwrap_err()
    }

    #[test]
    fn reads_every_member() {
        let claim = Claim::parse(GOOD.as_bytes(), &Limits::DEFAULT, false).unwrap();
        assert_eq!(claim.version, Some(Version::V1_1));
        assert_eq!(claim.agent_id.as_str(), "agent.example");
        assert_eq!(claim.extra().len(), 1);
        assert!(claim.canonical().starts_with(b"{\"agent_id\""));
    }

    #[test]
    fn each_member_has_its_code() {
        for (from, to, code) in [
            ("\"agent.example\"", "7", Code::ClaimAgentIdInvalid),
            ("\"SUMMARY\"", "\"summary\"", Code::ClaimPurposeInvalid),
            ("12:00:00Z", "12:00:60Z", Code::ClaimTsInvalid),
            ("\"ts\"", "\"timestamp\"", Code::ClaimTsInvalid),
            ("0123456789abcdef", "0123456789abcde", Code::ClaimNonceInvalid),
            ("0123456789abcdef", "0123456789abcde\\u0000", Code::ClaimNonceInvalid),
            ("\"https://pub.example/\"", "[]", Code::ClaimResourceInvalid),
            ("https://pub.example/", "pub.example", Code::ClaimResourceInvalid),
            ("\"x\":{", "\"context\":[],\"x\":{", Code::ClaimContextInvalid),
            ("\"x\":{", "\"context\":{\"ads_displayed\":1},\"x\":{", Code::ClaimContextInvalid),
            ("\"x\":{", "\"method\":1,\"x\":{", Code::ClaimMethodMismatch),
            ("\"x\":{", "\"content_digest\":null,\"x\":{", Code::ClaimDigestMismatch),
            ("\"x\":{", "\"v\":\"1.0\",\"x\":{", Code::JsonDuplicateKey),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(code_of(&GOOD.replacen(from, to, 1)), code, "{from} -> {to}");
        }
        assert_eq!(MAX_CLAIM_BYTES, 8192);
        assert_eq!(code_of(&format!("{GOOD:>9000}")), Code::HeaderTooLarge);
        assert_eq!(code_of("[]"), Code::JsonMalformed);
    }

    #[test]
    fn timestamps_belong_to_version_1_0() {
        let old = r#"{"agent_id":"agent.example","purpose":"SUMMARY","timestamp":1772366400,"nonce":"0123456789abcdef"}"#;
        let claim = Claim::parse(old.as_bytes(), &Limits::DEFAULT, false).unwrap();
        assert_eq!(claim.ts, Timestamp::parse("2026-03-01T12:00:00Z").unwrap());
        for bad in ["1772366400.5", "-1", "1e9", "\"1772366400\"", "99999999999"] {
            assert_eq!(code_of(&old.replace("1772366400", bad)), Code::ClaimTsInvalid, "{bad}");
        }
    }
}
