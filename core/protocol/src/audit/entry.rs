//! What comes out of a log: entries, read strictly, and their signatures verified once more.

use super::{altered, malformed};
use crate::agent_id::AgentId;
use crate::claim::Claim;
use crate::code::Code;
use crate::crypto::{PublicKey, Signature, Thumbprint};
use crate::digest::digests_agree;
use crate::encoding::{base64_decode, hex_decode, hex_encode};
use crate::error::Result;
use crate::json::{self, Object, Value};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::publisher::{KeyBinding, Outcome, PaymentState, Visitor};
use crate::purpose::Purpose;
use crate::resource::Resource;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};

/// How an entry is read; its size has been bounded by its frame.
const LIMITS: json::Limits = json::Limits {
    max_bytes: super::MAX_ENTRY_BYTES,
    max_string: super::MAX_ENTRY_BYTES,
    ..json::Limits::CLAIM
};
const MAX_MANIFEST: usize = 64 * 1024;
/// How far from its claim's time a request may have come: no policy has a wider window, and a request that waited is recorded with the time when it
/// came (PROTOCOL §5 step 4).
const MAX_WINDOW_MS: u64 = 300_000;

/// The body of an entry, read.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A verdict.
    Verdict(Box<StoredVerdict>),
    /// A manifest that verdicts after it name by its hash.
    Manifest {
        /// Whose it is.
        agent_id: AgentId,
        /// The SHA-256 of the bytes; it has been checked.
        sha256: [u8; 32],
        /// The document as it was fetched.
        bytes: Vec<u8>,
    },
    /// An entry of another kind, for example of a broker's ledger.
    Other(
        /// Its `type`.
        String,
    ),
}

/// A verdict as it was recorded; see [`super::Record`] for what its fields mean.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Record`")]
pub struct StoredVerdict {
    pub time: Timestamp,
    pub decided: Timestamp,
    pub trace_id: String,
    pub outcome: Outcome,
    pub code: Option<Code>,
    pub http: u16,
    pub would_deny: bool,
    pub visitor: Visitor,
    pub binding: KeyBinding,
    pub agent_id: Option<AgentId>,
    pub key_id: Option<Thumbprint>,
    pub public_key: Option<PublicKey>,
    pub purpose: Option<Purpose>,
    pub resource: Option<String>,
    pub payment: PaymentState,
    pub jti: Option<String>,
    pub token_sha256: Option<[u8; 32]>,
    pub method: String,
    pub url: String,
    pub url_cut: bool,
    pub body_digest: Option<String>,
    pub payload: Option<Vec<u8>>,
    pub signature: Option<Signature>,
    pub manifest: Option<[u8; 32]>,
    pub policy: [u8; 32],
}

impl Entry {
    /// Reads the body of an entry. Error: `audit.malformed`, also when the body is not in its RFC 8785 form.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let object = json::parse_object(body, &LIMITS)
            .map_err(|error| malformed(format!("the entry is not a strict JSON object: {}", error.code())))?;
        if json::object_to_canonical(&object) != body {
            return Err(malformed("the entry is not in RFC 8785 form"));
        }
        let fields = Fields(&object);
        match fields.text("type")? {
            "verdict" => StoredVerdict::read(&fields).map(|verdict| Self::Verdict(Box::new(verdict))),
            "manifest" => {
                let bytes = fields.needed("manifest", |text| base64_decode(text.as_bytes()))?;
                let sha256 = fields.needed("sha256", |text| hex_decode(text.as_bytes()))?;
                if sha256 != <[u8; 32]>::from(Sha256::digest(&bytes)) {
                    return Err(altered("the manifest is not the one of its hash"));
                }
                let agent_id = fields.needed("agent_id", |text| AgentId::parse(text, true))?;
                Ok(Self::Manifest { agent_id, sha256, bytes })
            }
            other => Ok(Self::Other(other.to_owned())),
        }
    }
}

impl StoredVerdict {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let payment = match fields.0.get("payment") {
            Some(Value::Object(payment)) => Fields(payment),
            _ => return Err(bad("payment")),
        };
        let hash = |text: &str| hex_decode(text.as_bytes());
        let owned = |text: &str| Some(text.to_owned());
        let time = fields.needed("time", any_time)?;
        Ok(Self {
            time,
            decided: fields.optional("decided", any_time)?.unwrap_or(time),
            trace_id: fields.needed("trace_id", owned)?,
            outcome: fields.needed("outcome", Outcome::from_name)?,
            code: fields.optional("code", Code::from_name)?,
            http: fields
                .0
                .get("http")
                .and_then(Value::as_number)
                .and_then(json::Number::as_i64)
                .and_then(|number| u16::try_from(number).ok())
                .ok_or_else(|| bad("http"))?,
            would_deny: fields.flag("would_deny")?,
            visitor: fields.needed("visitor", Visitor::from_name)?,
            binding: fields.needed("binding", KeyBinding::from_name)?,
            agent_id: fields.optional("agent_id", |text| AgentId::parse(text, true))?,
            key_id: fields.optional("key_id", Thumbprint::parse)?,
            public_key: fields
                .optional("public_key", |text| PublicKey::from_spki_base64(text.as_bytes()).ok())?,
            purpose: fields.optional("purpose", Purpose::from_name)?,
            resource: fields.optional("resource", owned)?,
            payment: payment.needed("state", PaymentState::from_name)?,
            jti: payment.optional("jti", owned)?,
            token_sha256: payment.optional("token_sha256", hash)?,
            method: fields.needed("method", owned)?,
            url: fields.needed("url", owned)?,
            url_cut: fields.flag("url_cut")?,
            body_digest: fields.optional("body_digest", owned)?,
            payload: fields.optional("payload", |text| base64_decode(text.as_bytes()))?,
            signature: fields.optional("signature", |text| Signature::from_hex(text.as_bytes()))?,
            manifest: fields.optional("manifest", hash)?,
            policy: fields.needed("policy", hash)?,
        })
    }

    /// The claim that was recorded, when it can be read.
    pub fn claim(&self) -> Option<Claim> {
        let limits =
            Limits::DEFAULT.with_string(usize::MAX).with_resource(usize::MAX).with_payload_header(usize::MAX);
        Claim::parse(self.payload.as_ref()?, &limits, true).ok()
    }

    /// Verifies the request's signature once more, offline, with the manifest that was in force, byte for byte as it was fetched; or, where
    /// [`KeyBinding::KeyOnly`] is recorded, with the key in the record, for which nobody vouches: then a key has signed, in the agent's name.
    ///
    /// `Ok(false)`: the record says itself that nobody was verified, so there is nothing to verify. Error: `audit.altered` when the record
    /// does not agree with what was signed or with the manifest, `audit.malformed` when something is missing.
    pub fn verify_request(&self, manifest: Option<&[u8]>) -> Result<bool> {
        self.verified_claim(manifest).map(|claim| claim.is_some())
    }

    /// [`StoredVerdict::verify_request`], with the claim that was signed; `None` where that says `false`.
    ///
    /// Agent, purpose, resource, method, body digest and, within 300 s, the time of the record are those of the claim. The URL need not be: see
    /// [`StoredVerdict::url_signed`].
    pub fn verified_claim(&self, manifest: Option<&[u8]>) -> Result<Option<Claim>> {
        if self.visitor != Visitor::VerifiedAgent {
            return Ok(None);
        }
        let (Some(agent_id), Some(key_id), Some(payload), Some(signature)) =
            (&self.agent_id, &self.key_id, &self.payload, &self.signature)
        else {
            return Err(malformed("the record of a verified agent lacks its claim, signature or key"));
        };
        let key = match self.binding {
            KeyBinding::Domain => self.manifest_key(agent_id, key_id, manifest)?,
            KeyBinding::None => return Err(altered("nothing vouches for the key of a verified agent")),
            KeyBinding::KeyOnly => {
                let key = self.public_key.clone().ok_or_else(|| malformed("the record lacks its key"))?;
                if key.thumbprint() != key_id {
                    return Err(altered("the record's key is not the one that it names"));
                }
                key
            }
        };
        let claim = self.claim().ok_or_else(|| altered("the recorded claim cannot be read"))?;
        if !key.verify(claim.canonical(), signature) && !key.verify(payload, signature) {
            return Err(altered("the request's signature does not verify"));
        }
        let method_differs = claim.method().is_some_and(|method| method != self.method);
        let digest_differs = claim.content_digest().is_some_and(|signed| {
            !self.body_digest.as_deref().is_some_and(|recorded| digests_agree(signed, recorded))
        });
        if claim.agent_id != *agent_id
            || Some(claim.purpose) != self.purpose
            || claim.resource_text().as_deref() != self.resource.as_deref()
            || method_differs
            || digest_differs
        {
            return Err(altered("the record says something else than the signed claim"));
        }
        if self.time.millis_since(claim.ts).unsigned_abs() > MAX_WINDOW_MS {
            return Err(altered("the record's time is not within 300 s of the time that was signed"));
        }
        Ok(Some(claim))
    }

    /// Whether the URL that was recorded is the one that this claim was signed for: path and query after normalisation, and the origin where both
    /// name one. `None`: that cannot be told, because the claim names none or the record holds only a part. `false` is no fault by itself: a policy
    /// may leave them uncompared (`resource_match`). It is the publisher's word then, and not the agent's.
    pub fn url_signed(&self, claim: &Claim) -> Option<bool> {
        let signed = claim.resource().filter(|_| !self.url_cut)?;
        let recorded = Resource::parse(&self.url)?;
        let origins = signed.origin.as_ref().zip(recorded.origin.as_ref());
        Some(signed.same_target(&recorded) && origins.is_none_or(|(signed, recorded)| signed == recorded))
    }

    fn manifest_key(
        &self,
        agent_id: &AgentId,
        key_id: &Thumbprint,
        manifest: Option<&[u8]>,
    ) -> Result<PublicKey> {
        let bytes = manifest.ok_or_else(|| malformed("the manifest that was in force is missing"))?;
        if self.manifest != Some(Sha256::digest(bytes).into()) {
            return Err(altered("the manifest is not the one that was in force"));
        }
        let manifest = Manifest::parse(bytes, agent_id, MAX_MANIFEST)
            .map_err(|error| altered("the manifest that was in force cannot be read").with_source(error))?;
        manifest
            .key_at(key_id, self.time)
            .cloned()
            .ok_or_else(|| altered("the manifest that was in force does not list the key"))
    }

    /// One line for people: time, outcome, code, agent, purpose, request.
    pub fn summary(&self) -> String {
        format!(
            "{} {} {} {} {} {} {}",
            self.time,
            self.outcome.as_str(),
            self.code.map_or("-", Code::as_str),
            self.agent_id.as_ref().map_or("-", AgentId::as_str),
            self.purpose.map_or("-", Purpose::as_str),
            self.method,
            self.url.escape_debug(),
        )
    }

    /// The hash of the manifest in hex, for messages.
    pub fn manifest_hex(&self) -> Option<String> {
        self.manifest.map(|hash| hex_encode(&hash))
    }
}

/// Times of the log are our own, so any that [`Timestamp`] writes is read: a record that was made under a wild clock is no alteration.
fn any_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::read_back(text))
}

fn bad(name: &'static str) -> crate::Error {
    malformed(format!("the entry's {name} cannot be read"))
}

/// Members by name, with the errors that follow when they are absent or wrong.
struct Fields<'o>(&'o Object<'o>);

impl Fields<'_> {
    fn text(&self, name: &'static str) -> Result<&str> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| bad(name))
    }

    fn flag(&self, name: &'static str) -> Result<bool> {
        self.0.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| bad(name)))
    }

    fn needed<T>(&self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        read(self.text(name)?).ok_or_else(|| bad(name))
    }

    fn optional<T>(&self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(_) => self.needed(name, read).map(Some),
        }
    }
}
