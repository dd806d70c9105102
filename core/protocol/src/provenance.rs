//! Provenance receipts: what a publisher served, signed by the publisher (PROTOCOL §10).
//!
//! A receipt says which bytes were served under which URL, when, to whom and of what origin. It travels in two response headers, and its
//! key is one of the manifest at the publisher's own domain. Hash the body while it passes; nothing here sees it.

use crate::agent::SignedHeaders;
use crate::agent_id::AgentId;
use crate::crypto::{Prepared, PublicKey, Signature, Signer, Thumbprint};
use crate::encoding::{base64_decode, base64_encode, hex_decode, hex_encode};
use crate::error::{Error, ErrorKind, Result};
use crate::headers::{self, HeaderLine};
use crate::json::{self, Object, Value};
use crate::manifest::Manifest;
use crate::policy::ContentOrigin;
use crate::resource::Resource;
use crate::time::Timestamp;
use std::borrow::Cow;

/// The largest header value that is read, in bytes.
pub const MAX_RECEIPT_HEADER: usize = 12 * 1024;

/// How far the time of a receipt may lie from the reader's clock, in seconds: as for requests (PROTOCOL §5).
const WINDOW_PAST_S: i64 = 300;
const WINDOW_FUTURE_S: i64 = 60;

/// What was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// To whom, when the reader was verified.
    pub agent_id: Option<AgentId>,
    /// The SHA-256 of the content: the body as it was sent, before any transfer coding.
    pub content_sha256: [u8; 32],
    /// Who made the content.
    pub origin: ContentOrigin,
    /// The verdict's trace id, or another name of at most 128 visible ASCII characters.
    pub trace_id: String,
    /// When.
    pub ts: Timestamp,
    /// The absolute URL that was requested.
    pub url: String,
}

/// A receipt as it was received, before or after its signature has been verified.
#[derive(Clone, Debug)]
pub struct SignedReceipt {
    receipt: Receipt,
    kid: Thumbprint,
    payload: Vec<u8>,
    canonical: Vec<u8>,
    signature: Signature,
}

/// What the reader of an answer knows, for comparison with its receipt.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The URL that was requested.
    pub url: &'a str,
    /// The SHA-256 of the body that arrived.
    pub content_sha256: &'a [u8; 32],
    /// The agent that asked; `None` for a reader without a name.
    pub agent_id: Option<&'a AgentId>,
}

impl Receipt {
    /// Signs the receipt with the publisher's key. Returns the two response headers.
    ///
    /// Errors: `usage.argument` for a URL or trace id that no reader would accept, `usage.signer`.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedHeaders> {
        self.prepare(signer.public_key())?.sign_with(signer)
    }

    /// What [`Receipt::sign`] would sign, for a key that answers later. Error: `usage.argument`, as there.
    pub fn prepare(&self, key: &PublicKey) -> Result<Prepared<SignedHeaders>> {
        if absolute(&self.url).is_none() {
            return Err(Error::argument(format!("`{}` is not an absolute URL", self.url)));
        }
        if !is_trace_id(&self.trace_id) {
            return Err(Error::argument("a trace id has 1 to 128 visible ASCII characters"));
        }
        if Timestamp::parse(&self.ts.to_string()).is_none() {
            return Err(Error::argument("the time is not in the years 2000 to 2100"));
        }
        let bytes = json::object_to_canonical(&self.to_object(key.thumbprint()));
        let value = base64_encode(&bytes);
        if value.len() > MAX_RECEIPT_HEADER {
            return Err(Error::argument(format!("the receipt is longer than {MAX_RECEIPT_HEADER} bytes")));
        }
        Ok(Prepared::new(bytes, key.clone(), move |signature| {
            Ok(SignedHeaders::new(vec![
                (headers::PROVENANCE, value),
                (headers::PROVENANCE_SIG, signature.to_hex()),
            ]))
        }))
    }

    /// Whether the receipt speaks of what arrived: URL, content, reader, and a time within the window of requests.
    ///
    /// Error: `provenance.mismatch`, which says what differs. For evidence of long ago use [`Receipt::describes`].
    pub fn check(&self, delivery: &Delivery<'_>, now: Timestamp) -> Result<()> {
        let age = now.millis_since(self.ts);
        if !(-WINDOW_FUTURE_S * 1000..=WINDOW_PAST_S * 1000).contains(&age) {
            return Err(mismatch(format!("the receipt is of {}, which is not now", self.ts)));
        }
        self.describes(delivery)
    }

    /// Whether URL, content and reader are those of the receipt, whatever the time. Error: `provenance.mismatch`.
    pub fn describes(&self, delivery: &Delivery<'_>) -> Result<()> {
        let same = absolute(delivery.url)
            .zip(absolute(&self.url))
            .is_some_and(|(url, own)| url.origin == own.origin && url.same_target(&own));
        if !same {
            return Err(mismatch("the receipt is for another URL"));
        }
        if self.content_sha256 != *delivery.content_sha256 {
            return Err(mismatch("the content is not the content of the receipt"));
        }
        if self.agent_id.is_some() && self.agent_id.as_ref() != delivery.agent_id {
            return Err(mismatch("the receipt is for another reader"));
        }
        Ok(())
    }

    fn to_object(&self, kid: &Thumbprint) -> Object<'static> {
        let mut object = Object::new();
        if let Some(agent) = &self.agent_id {
            object.insert("agent_id", agent.as_str().to_owned());
        }
        object.insert("content_sha256", hex_encode(&self.content_sha256));
        object.insert("kid", kid.as_str().to_owned());
        object.insert("origin", self.origin.as_str());
        object.insert("trace_id", self.trace_id.clone());
        object.insert("ts", self.ts.to_string());
        object.insert("url", self.url.clone());
        object
    }
}

impl SignedReceipt {
    /// Finds the receipt among an answer's headers.
    ///
    /// Errors: `provenance.missing` when one of the two headers is absent, `provenance.malformed` when one occurs twice or cannot be read.
    pub fn from_headers(lines: &[HeaderLine<'_>]) -> Result<Self> {
        let only = |name: &'static str| {
            let mut values = lines.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes()));
            let Some((_, value)) = values.next() else {
                return Err(Error::new(ErrorKind::ProvenanceMissing, format!("the answer has no {name}")));
            };
            if values.next().is_some() {
                return Err(malformed(format!("{name} occurs more than once")));
            }
            Ok(value.trim_ascii())
        };
        Self::parse(only(headers::PROVENANCE)?, only(headers::PROVENANCE_SIG)?)
    }

    /// Reads the values of the two headers. Error: `provenance.malformed`.
    pub fn parse(provenance: &[u8], signature: &[u8]) -> Result<Self> {
        if provenance.len() > MAX_RECEIPT_HEADER {
            return Err(malformed("it is too long"));
        }
        let payload = base64_decode(provenance).ok_or_else(|| malformed("it is not base64"))?;
        let signature =
            Signature::from_hex(signature).ok_or_else(|| malformed("the signature is not 128 hex digits"))?;
        let object = json::parse_object(&payload, &json::Limits::CLAIM)
            .map_err(|error| malformed(format!("it is not a strict JSON object: {}", error.code())))?;
        let text = |name: &'static str| {
            object
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| malformed(format!("{name} is not a string")))
        };
        let agent_id = match object.get("agent_id") {
            None => None,
            Some(value) => {
                let agent = value.as_str().and_then(|name| AgentId::parse(name, true));
                Some(agent.ok_or_else(|| malformed("agent_id is not a domain name"))?)
            }
        };
        let receipt = Receipt {
            agent_id,
            content_sha256: hex_decode(text("content_sha256")?.as_bytes())
                .ok_or_else(|| malformed("content_sha256 is not 64 hex digits"))?,
            origin: ContentOrigin::from_name(text("origin")?)
                .ok_or_else(|| malformed("origin is not HUMAN, SYNTHETIC or HYBRID"))?,
            trace_id: Some(text("trace_id")?)
                .filter(|id| is_trace_id(id))
                .ok_or_else(|| malformed("trace_id is not 1 to 128 visible ASCII characters"))?
                .to_owned(),
            ts: Timestamp::parse(text("ts")?)
                .ok_or_else(|| malformed("ts is not an RFC 3339 time in UTC"))?,
            url: Some(text("url")?)
                .filter(|url| absolute(url).is_some())
                .ok_or_else(|| malformed("url is not an absolute URL"))?
                .to_owned(),
        };
        let kid = Thumbprint::parse(text("kid")?).ok_or_else(|| malformed("kid is not a thumbprint"))?;
        let canonical = json::object_to_canonical(&object);
        Ok(Self { receipt, kid, payload, canonical, signature })
    }

    /// What the receipt says. Nothing vouches for it before [`SignedReceipt::verify`].
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The key that is said to have signed.
    pub const fn kid(&self) -> &Thumbprint {
        &self.kid
    }

    /// The publisher in whose manifest the key must be: the host of the URL. `None` when that is no public domain name.
    pub fn publisher(&self, allow_loopback: bool) -> Option<AgentId> {
        AgentId::of_origin(&absolute(&self.receipt.url)?.origin?, allow_loopback)
    }

    /// Verifies the signature with the publisher's manifest; the key must have existed at the receipt's own time.
    ///
    /// Errors: `identity.key_mismatch` when the manifest is not that of the URL's host or lacks the key, `sig.invalid`.
    pub fn verify(&self, manifest: &Manifest) -> Result<&Receipt> {
        use crate::code::Code;
        if self.publisher(true).as_ref() != Some(manifest.agent_id()) {
            return Err(Error::protocol(
                Code::IdentityKeyMismatch,
                format!("the manifest of `{}` does not speak for the receipt's URL", manifest.agent_id()),
            ));
        }
        let key = manifest.key_at(&self.kid, self.receipt.ts).ok_or_else(|| {
            Error::protocol(
                Code::IdentityKeyMismatch,
                "the publisher's manifest does not list the receipt's key",
            )
        })?;
        let holds = key.verify(&self.canonical, &self.signature)
            || (self.payload != self.canonical && key.verify(&self.payload, &self.signature));
        if holds {
            Ok(&self.receipt)
        } else {
            Err(Error::protocol(Code::SigInvalid, "the receipt is not signed by its key"))
        }
    }
}

/// A URL with an origin, normalised.
fn absolute(url: &str) -> Option<Resource> {
    Resource::parse(url).filter(|resource| resource.origin.is_some())
}

fn is_trace_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ProvenanceMalformed, message)
}

fn mismatch(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::ProvenanceMismatch, message)
}

#[cfg(test)]
mod tests;
