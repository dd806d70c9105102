//! What a publisher records of each verdict (PROTOCOL §12).

use crate::agent_id::AgentId;
use crate::code::Code;
use crate::crypto::{PublicKey, Signature, Thumbprint};
use crate::encoding::{base64_encode, hex_encode};
use crate::error::Result;
use crate::json::{self, Object, Value};
use crate::publisher::{KeyBinding, Outcome, PaymentFacts, Visitor, Warning};
use crate::purpose::Purpose;
use crate::time::Timestamp;

/// The most bytes of the request's URL that are recorded; of a longer one the beginning, marked by `url_cut`.
const MAX_URL: usize = 8 * 1024;
const MAX_METHOD: usize = 64;

/// Takes audit records: a log in files, or whatever a publisher has (step 13 of PROTOCOL §5).
pub trait AuditSink: Send + Sync {
    /// Keeps the record; it is acknowledged by returning. An error makes the verdict `audit.unavailable` (503).
    fn record(&self, record: &Record<'_>) -> Result<()>;

    /// Whether a record would be taken now, as far as that is known without keeping one. Asked before a visa is spent: an error makes the verdict
    /// `audit.unavailable`, and the visa stays good. A sink that cannot tell says yes.
    fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Whether visitors without a signature are recorded too. They are not, unless a sink says so: most of them are people.
    fn wants_unsigned(&self) -> bool {
        false
    }
}

/// The manifest that was in force, as it was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestSnapshot<'a> {
    /// Whose it is.
    pub agent_id: &'a AgentId,
    /// The document, byte for byte.
    pub bytes: &'a [u8],
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl ManifestSnapshot<'_> {
    /// The body of the log entry that keeps this manifest, in RFC 8785 form. A log holds it once per file, before the first verdict that
    /// names its hash.
    pub fn to_json(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("agent_id", self.agent_id.as_str());
        object.insert("manifest", base64_encode(self.bytes));
        object.insert("sha256", hex_encode(&self.sha256));
        object.insert("type", "manifest");
        json::object_to_canonical(&object)
    }
}

/// One verdict with what it was based on. It holds no visa, only the hash of one.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request came; by this time its claim and keys were judged.
    pub received_at: Timestamp,
    /// When it was decided; later when something had to be fetched first.
    pub decided_at: Timestamp,
    /// The verdict's trace id.
    pub trace_id: &'a str,
    /// Whether the request may pass.
    pub outcome: Outcome,
    /// Why not.
    pub code: Option<Code>,
    /// The status to answer with.
    pub http: u16,
    /// In observe mode: whether enforcing would have refused.
    pub would_deny: bool,
    /// Who asks.
    pub visitor: Visitor,
    /// What vouches for the key.
    pub binding: KeyBinding,
    /// Who, when verified.
    pub agent_id: Option<&'a AgentId>,
    /// With which key, when verified.
    pub key_id: Option<&'a Thumbprint>,
    /// The key itself, when no manifest lists it.
    pub public_key: Option<&'a PublicKey>,
    /// Why, when verified.
    pub purpose: Option<Purpose>,
    /// What, when verified.
    pub resource: Option<&'a str>,
    /// How the request is paid for.
    pub payment: &'a PaymentFacts,
    /// SHA-256 of the visa or ad proof that came with the request, good or not.
    pub token_sha256: Option<[u8; 32]>,
    /// Things worth knowing.
    pub warnings: &'a [Warning],
    /// The request's method.
    pub method: &'a str,
    /// The request's URL, as it came.
    pub url: &'a str,
    /// The digest of the request's body, when the caller gave one.
    pub body_digest: Option<&'a str>,
    /// The exact bytes of the claim; `None` when they could not be decoded or are longer than any claim.
    pub payload: Option<&'a [u8]>,
    /// The claim's signature, when it has the right form.
    pub signature: Option<&'a Signature>,
    /// The manifest that was in force, when one was.
    pub manifest: Option<ManifestSnapshot<'a>>,
    /// SHA-256 of the policy's RFC 8785 form.
    pub policy_sha256: &'a [u8; 32],
}

impl Record<'_> {
    /// The body of the log entry, in RFC 8785 form. What is absent is left out.
    pub fn to_json(&self) -> Vec<u8> {
        json::object_to_canonical(&self.object())
    }

    fn object(&self) -> Object<'_> {
        let (url, url_cut) = cut(self.url, MAX_URL);
        let mut object = Object::new();
        // In the order of RFC 8785, which spares sorting them.
        optional(&mut object, "agent_id", self.agent_id.map(AgentId::as_str));
        object.insert("binding", self.binding.as_str());
        optional(&mut object, "body_digest", self.body_digest.map(|digest| cut(digest, MAX_URL).0));
        optional(&mut object, "code", self.code.map(Code::as_str));
        if self.decided_at != self.received_at {
            object.insert("decided", self.decided_at.to_string());
        }
        object.insert("http", u32::from(self.http));
        optional(&mut object, "key_id", self.key_id.map(Thumbprint::as_str));
        optional(&mut object, "manifest", self.manifest.map(|manifest| hex_encode(&manifest.sha256)));
        object.insert("method", cut(self.method, MAX_METHOD).0);
        object.insert("outcome", self.outcome.as_str());
        optional(&mut object, "payload", self.payload.map(base64_encode));
        object.insert("payment", self.payment());
        object.insert("policy", hex_encode(self.policy_sha256));
        optional(&mut object, "public_key", self.public_key.map(PublicKey::to_spki_base64));
        optional(&mut object, "purpose", self.purpose.map(Purpose::as_str));
        optional(&mut object, "resource", self.resource);
        optional(&mut object, "signature", self.signature.map(Signature::to_hex));
        object.insert("time", self.received_at.to_string());
        object.insert("trace_id", self.trace_id);
        object.insert("type", "verdict");
        object.insert("url", url);
        if url_cut {
            object.insert("url_cut", true);
        }
        object.insert("visitor", self.visitor.as_str());
        object.insert(
            "warnings",
            self.warnings.iter().map(|warning| Value::from(warning.as_str())).collect::<Vec<_>>(),
        );
        if self.would_deny {
            object.insert("would_deny", true);
        }
        object
    }

    fn payment(&self) -> Object<'_> {
        let payment = self.payment;
        let mut object = Object::new();
        optional(&mut object, "amount", payment.amount.map(|amount| amount.to_string()));
        optional(&mut object, "currency", payment.currency.as_deref());
        optional(&mut object, "issuer", payment.issuer.as_deref());
        optional(&mut object, "jti", payment.jti.as_deref());
        object.insert("state", payment.state.as_str());
        optional(&mut object, "token_sha256", self.token_sha256.map(|hash| hex_encode(&hash)));
        object
    }
}

fn optional<'a>(object: &mut Object<'a>, name: &'static str, value: Option<impl Into<Value<'a>>>) {
    if let Some(value) = value {
        object.insert(name, value);
    }
}

/// At most so many bytes of a text, and whether that is not all of it.
fn cut(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    let end = (0..=max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    (text.get(..end).unwrap_or_default(), true)
}
