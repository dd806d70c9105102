//! Feedback: what an agent thinks of what it got, signed by the agent (PROTOCOL §11).
//!
//! The object goes to the publisher in `x-imagxp-feedback` (see [`crate::Publisher::feedback`]) and to the broker as the body of a POST.

use crate::agent::Identity;
use crate::agent_id::AgentId;
use crate::claim::is_nonce;
use crate::code::Code;
use crate::crypto::{HotKeys, Prepared, PublicKey, Signature};
use crate::encoding::{base64_decode, base64_encode, hex_decode, hex_encode};
use crate::error::{Error, Result};
use crate::json::{self, Number, Object, Value};
use crate::resource::Resource;
use crate::time::Timestamp;
use core::fmt;
use std::borrow::Cow;

/// The largest feedback that is read, in bytes of the JSON object.
pub const MAX_FEEDBACK_BYTES: usize = 8 * 1024;

/// A quality score from 0 to 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(u32);

impl Score {
    /// The best score, 1.
    pub const MAX: Self = Self(1_000_000);
    /// The least score that releases a payment, 0.5.
    pub const RELEASES: Self = Self(500_000);

    /// A score of 0 to 1 000 000 millionths.
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths <= Self::MAX.0 { Some(Self(millionths)) } else { None }
    }

    /// Reads a decimal from 0 to 1 with at most six digits after the point, without an exponent: `0`, `0.1`, `1.000000`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (text, ""),
        };
        if !matches!(whole, "0" | "1") || fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let fraction: u32 = format!("{fraction:0<6}").parse().ok()?;
        Self::from_millionths(if whole == "1" { Self::MAX.0.checked_add(fraction)? } else { fraction })
    }

    /// The score in millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Score {
    /// Writes the shortest decimal, for example `0.1`: also what RFC 8785 writes for the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / Self::MAX.0, self.0 % Self::MAX.0) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, rest) => write!(f, "{whole}.{}", format!("{rest:06}").trim_end_matches('0')),
        }
    }
}

/// Why the score is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Low quality, generated in bulk.
    LowQualitySpam,
    /// Made for search engines, not for readers.
    SeoSpam,
    /// Wrong.
    Inaccurate,
    /// Hateful.
    HateSpeech,
    /// Good.
    HighQuality,
    /// Something else.
    Other,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::LowQualitySpam,
        Self::SeoSpam,
        Self::Inaccurate,
        Self::HateSpeech,
        Self::HighQuality,
        Self::Other,
    ];

    /// The wire name, for example `LOW_QUALITY_SPAM`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LowQualitySpam => "LOW_QUALITY_SPAM",
            Self::SeoSpam => "SEO_SPAM",
            Self::Inaccurate => "INACCURATE",
            Self::HateSpeech => "HATE_SPEECH",
            Self::HighQuality => "HIGH_QUALITY",
            Self::Other => "OTHER",
        }
    }

    /// The reason with this exact wire name; case counts.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What an agent thinks of what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The absolute URL that was read.
    pub url: String,
    /// How good it was.
    pub quality_score: Score,
    /// Why.
    pub reason: Reason,
    /// Who says so. The seed's form leaves it out: then it is the agent whose request carries the feedback.
    pub agent_id: Option<AgentId>,
    /// The visa with which the read was paid.
    pub jti: Option<String>,
    /// The SHA-256 of what was read, as in the provenance receipt.
    pub content_sha256: Option<[u8; 32]>,
    /// When the feedback was signed, and a nonce: both or neither.
    pub signed_at: Option<(Timestamp, String)>,
}

impl Feedback {
    /// Feedback without options; [`Feedback::sign`] adds who, when and a nonce.
    pub fn new(url: impl Into<String>, quality_score: Score, reason: Reason) -> Self {
        Self {
            url: url.into(),
            quality_score,
            reason,
            agent_id: None,
            jti: None,
            content_sha256: None,
            signed_at: None,
        }
    }

    /// Signs the feedback in the identity's name. Returns the JSON object to send, in RFC 8785 form.
    ///
    /// `nonce` is 16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`, unique: use a random UUID. Errors: `usage.argument` for a URL, nonce, time or
    /// visa name that nobody would accept, `usage.signer`.
    pub fn sign(&self, identity: &Identity, now: Timestamp, nonce: &str) -> Result<Vec<u8>> {
        self.prepare(identity, now, nonce)?.sign_with(identity.signer())
    }

    /// What [`Feedback::sign`] would sign, for a key that answers later. Error: `usage.argument`, as there.
    pub fn prepare(&self, identity: &Identity, now: Timestamp, nonce: &str) -> Result<Prepared<Vec<u8>>> {
        if !is_nonce(nonce) {
            return Err(Error::argument("a nonce has 16 to 128 characters of A-Z a-z 0-9 - . _ ~"));
        }
        let signed = Self {
            agent_id: Some(identity.agent_id().clone()),
            signed_at: Some((now, nonce.to_owned())),
            ..self.clone()
        };
        let mut object = signed.to_object();
        let bytes = json::object_to_canonical(&object);
        Ok(Prepared::new(bytes, identity.public_key().clone(), move |signature| {
            object.insert("signature", signature.to_hex());
            let bytes = json::object_to_canonical(&object);
            SignedFeedback::parse(&bytes)
                .map_err(|error| Error::argument(format!("nobody would accept it: {}", error.message())))?;
            Ok(bytes)
        }))
    }

    fn to_object(&self) -> Object<'static> {
        let mut object = Object::new();
        object.insert("url", self.url.clone());
        let score = Number::from_f64(f64::from(self.quality_score.0) / f64::from(Score::MAX.0));
        object.insert("quality_score", score.map_or(Value::Null, Value::Number));
        object.insert("reason", self.reason.as_str());
        if let Some(agent) = &self.agent_id {
            object.insert("agent_id", agent.as_str().to_owned());
        }
        if let Some(jti) = &self.jti {
            object.insert("jti", jti.clone());
        }
        if let Some(hash) = &self.content_sha256 {
            object.insert("content_sha256", hex_encode(hash));
        }
        if let Some((ts, nonce)) = &self.signed_at {
            object.insert("ts", ts.to_string());
            object.insert("nonce", nonce.clone());
        }
        object
    }
}

/// Feedback as it was received, before or after its signature has been verified.
#[derive(Clone, Debug)]
pub struct SignedFeedback {
    feedback: Feedback,
    signed: Vec<u8>,
    signature: Signature,
}

impl SignedFeedback {
    /// Reads the value of `x-imagxp-feedback` or the body of a POST: the JSON object, or base64 of it.
    ///
    /// Unknown members are signed like the others and otherwise ignored. Error: `feedback.malformed`.
    pub fn parse(value: &[u8]) -> Result<Self> {
        let value = value.trim_ascii();
        let bytes = if value.first() == Some(&b'{') {
            Cow::Borrowed(value)
        } else if value.len() <= MAX_FEEDBACK_BYTES.saturating_mul(4).div_ceil(3).saturating_add(4) {
            Cow::Owned(
                base64_decode(value).ok_or_else(|| malformed("it is neither a JSON object nor base64"))?,
            )
        } else {
            return Err(malformed("it is too long"));
        };
        let limits = json::Limits { max_bytes: MAX_FEEDBACK_BYTES, ..json::Limits::CLAIM };
        let mut object = json::parse_object(&bytes, &limits)
            .map_err(|error| malformed(format!("it is not a strict JSON object: {}", error.code())))?;
        let signature = object
            .remove("signature")
            .and_then(|value| Signature::from_hex(value.as_str()?.as_bytes()))
            .ok_or_else(|| malformed("signature is not 128 hex digits"))?;
        let feedback = read(&object)?;
        Ok(Self { feedback, signed: json::object_to_canonical(&object), signature })
    }

    /// What it says. Nothing vouches for it before [`SignedFeedback::verify`].
    pub const fn feedback(&self) -> &Feedback {
        &self.feedback
    }

    /// Whether this key has signed it: over the RFC 8785 form of the object without `signature`.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.verify(&self.signed, &self.signature)
    }

    /// [`SignedFeedback::verify`], faster for a key that has a table.
    pub fn verify_hot(&self, hot: &HotKeys, key: &PublicKey) -> bool {
        hot.verify(key, &self.signed, &self.signature)
    }

    /// The bytes that are signed.
    pub(crate) fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }
}

/// The value for `x-imagxp-feedback`: base64 of the signed JSON object.
pub fn header_value(signed_json: &[u8]) -> String {
    base64_encode(signed_json)
}

fn read(object: &Object<'_>) -> Result<Feedback> {
    let text = |name: &'static str| match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_ref())),
        Some(_) => Err(malformed(format!("{name} is not a string"))),
    };
    let url = text("url")?
        .filter(|url| Resource::parse(url).is_some_and(|resource| resource.origin.is_some()))
        .ok_or_else(|| malformed("url is not an absolute URL"))?;
    let quality_score = match object.get("quality_score") {
        Some(Value::Number(number)) => Score::parse(number.text()),
        _ => None,
    };
    let agent_id = text("agent_id")?
        .map(|name| AgentId::parse(name, true).ok_or_else(|| malformed("agent_id is not a domain name")))
        .transpose()?;
    let jti = text("jti")?;
    if jti.is_some_and(|jti| !(8..=128).contains(&jti.len())) {
        return Err(malformed("jti has not 8 to 128 bytes"));
    }
    let content_sha256 = text("content_sha256")?
        .map(|hash| {
            hex_decode(hash.as_bytes()).ok_or_else(|| malformed("content_sha256 is not 64 hex digits"))
        })
        .transpose()?;
    let signed_at = match (text("ts")?, text("nonce")?) {
        (None, None) => None,
        (Some(ts), Some(nonce)) => Some((
            Timestamp::parse(ts).ok_or_else(|| malformed("ts is not an RFC 3339 time in UTC"))?,
            Some(nonce)
                .filter(|nonce| is_nonce(nonce))
                .ok_or_else(|| malformed("nonce is not 16 to 128 characters of A-Z a-z 0-9 - . _ ~"))?
                .to_owned(),
        )),
        _ => return Err(malformed("ts and nonce belong together")),
    };
    Ok(Feedback {
        url: url.to_owned(),
        quality_score: quality_score
            .ok_or_else(|| malformed("quality_score is not a number from 0 to 1 with at most six digits"))?,
        reason: text("reason")?
            .and_then(Reason::from_name)
            .ok_or_else(|| malformed("reason is not one of the reasons"))?,
        agent_id,
        jti: jti.map(str::to_owned),
        content_sha256,
        signed_at,
    })
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::protocol(Code::FeedbackMalformed, message)
}

#[cfg(test)]
mod tests;
