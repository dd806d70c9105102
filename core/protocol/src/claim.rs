//! The claim: the signed JSON object of PROTOCOL §2, from bytes to typed values, once.

use crate::agent_id::AgentId;
use crate::code::Code;
use crate::json::{self, Object, Value};
use crate::limits::Limits;
use crate::purpose::Purpose;
use crate::resource::Resource;
use crate::time::Timestamp;

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
    /// 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`.
    pub nonce: String,
    /// What is asked for; `None` when absent.
    pub resource: Option<Resource>,
    /// The method that was signed, if any.
    pub method: Option<String>,
    /// The RFC 9530 digest of the body that was signed, if any.
    pub content_digest: Option<String>,
    /// `context.ads_displayed`, if any.
    pub ads_displayed: Option<bool>,
    /// The `ts` or `timestamp` as it was written, for comparison with the unsigned copy.
    pub ts_text: String,
    /// The bytes as they were received.
    pub payload: Vec<u8>,
    /// The RFC 8785 form.
    pub canonical: Vec<u8>,
}

/// The largest decoded claim, in bytes (PROTOCOL §2).
pub const MAX_CLAIM_BYTES: usize = 8 * 1024;

impl Claim {
    /// Reads a claim from JSON bytes (steps 2 and 3 of PROTOCOL §5).
    ///
    /// `allow_loopback` is the development switch of PROTOCOL §2 `agent_id`. The error is the code of the first rule that is
    /// broken: all of JSON's first, then the members in the order of the table in PROTOCOL §2.
    pub fn parse(bytes: &[u8], limits: &Limits, allow_loopback: bool) -> Result<Self, Code> {
        let object = Self::parse_json(bytes, limits)?;
        let mut claim = Self::from_object(&object, bytes.len(), limits, allow_loopback)?;
        claim.payload = bytes.to_vec();
        Ok(claim)
    }

    /// Every member that is not named in PROTOCOL §2: signed and uninterpreted.
    ///
    /// Read from [`Claim::payload`] on demand, since hardly anybody asks.
    pub fn extra(&self) -> Object<'_> {
        let limits = json::Limits { max_string: self.payload.len(), ..json::Limits::CLAIM };
        let mut extra = Object::new();
        for (name, value) in json::parse_object(&self.payload, &limits).unwrap_or_default() {
            if !KNOWN.contains(&&*name) {
                extra.insert(name, value);
            }
        }
        extra
    }

    /// Step 2: strict JSON whose top level is an object.
    pub(crate) fn parse_json<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Object<'a>, Code> {
        if bytes.len() > MAX_CLAIM_BYTES {
            return Err(Code::HeaderTooLarge);
        }
        let limits = json::Limits { max_string: limits.string(), ..json::Limits::CLAIM };
        json::parse_object(bytes, &limits).map_err(|error| error.code())
    }

    /// Step 3: types and values of the object that [`Claim::parse_json`] made of so many bytes; the caller puts them into
    /// [`Claim::payload`].
    pub(crate) fn from_object(
        object: &Object<'_>,
        len: usize,
        limits: &Limits,
        allow_loopback: bool,
    ) -> Result<Self, Code> {
        let version = match object.get("v") {
            None => Some(Version::V1_0),
            Some(Value::String(v)) if v == "1.0" => Some(Version::V1_0),
            Some(Value::String(v)) if v == "1.1" => Some(Version::V1_1),
            Some(_) => None,
        };
        let agent_id = text(object, "agent_id")
            .and_then(|id| AgentId::parse(id, allow_loopback))
            .ok_or(Code::ClaimAgentIdInvalid)?;
        let purpose =
            text(object, "purpose").and_then(Purpose::from_name).ok_or(Code::ClaimPurposeInvalid)?;
        let (ts, ts_text) = time(object, version)?;
        let nonce = text(object, "nonce").filter(|nonce| is_nonce(nonce)).ok_or(Code::ClaimNonceInvalid)?;
        let resource = match object.get("resource") {
            None => None,
            Some(Value::String(url)) if url.len() <= limits.resource() => {
                Some(Resource::parse(url).ok_or(Code::ClaimResourceInvalid)?)
            }
            Some(_) => return Err(Code::ClaimResourceInvalid),
        };
        let method = optional_text(object, "method", Code::ClaimMethodMismatch)?;
        let content_digest = optional_text(object, "content_digest", Code::ClaimDigestMismatch)?;
        let ads_displayed = context(object)?;
        let mut canonical = Vec::with_capacity(len);
        json::write_object(object, &mut canonical);
        Ok(Self {
            agent_id,
            version,
            purpose,
            ts,
            nonce: nonce.to_owned(),
            resource,
            method,
            content_digest,
            ads_displayed,
            ts_text,
            payload: Vec::new(),
            canonical,
        })
    }
}

const KNOWN: &[&str] = &[
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

fn text<'a>(object: &'a Object<'_>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn optional_text(object: &Object<'_>, name: &str, code: Code) -> Result<Option<String>, Code> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_owned())),
        Some(_) => Err(code),
    }
}

/// `ts`, or in version 1.0 alternatively `timestamp` in seconds; never both.
fn time(object: &Object<'_>, version: Option<Version>) -> Result<(Timestamp, String), Code> {
    let found = match (object.get("ts"), object.get("timestamp")) {
        (Some(Value::String(ts)), None) => Timestamp::parse(ts).map(|time| (time, ts.clone().into_owned())),
        (None, Some(Value::Number(seconds))) if version == Some(Version::V1_0) => {
            seconds.as_i64().filter(is_in_range).map(|s| (Timestamp::from_secs(s), s.to_string()))
        }
        _ => None,
    };
    found.ok_or(Code::ClaimTsInvalid)
}

/// The years 2000 to 2100, in seconds since 1970.
fn is_in_range(seconds: &i64) -> bool {
    (946_684_800..4_133_980_800).contains(seconds)
}

fn context(object: &Object<'_>) -> Result<Option<bool>, Code> {
    match object.get("context") {
        None => Ok(None),
        Some(Value::Object(context)) => match context.get("ads_displayed") {
            None => Ok(None),
            Some(Value::Bool(displayed)) => Ok(Some(*displayed)),
            Some(_) => Err(Code::ClaimContextInvalid),
        },
        Some(_) => Err(Code::ClaimContextInvalid),
    }
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
        assert!(claim.canonical.starts_with(b"{\"agent_id\""));
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
