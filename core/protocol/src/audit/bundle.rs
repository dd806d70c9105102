//! Evidence: one record, and all that a third party needs to check it without the log (PROTOCOL §12).

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::entry::{Entry, StoredVerdict};
use super::log::Frame;
use super::proof::verify_inclusion;
use super::tree::leaf_hash;
use super::{MAX_ENTRY_BYTES, altered, malformed};
use crate::claim::Claim;
use crate::crypto::{PublicKey, Thumbprint};
use crate::encoding::{base64_decode, base64_encode};
use crate::error::Result;
use crate::json::{self, Number, Object, Value};

/// The largest evidence that is read, in bytes.
pub const MAX_EVIDENCE_BYTES: usize = 512 * 1024;

const KIND: &str = "imagxp-audit-evidence/1";
/// A tree of 2^64 leaves has no longer path.
const MAX_PROOF: usize = 64;

const LIMITS: json::Limits = json::Limits {
    max_bytes: MAX_EVIDENCE_BYTES,
    max_string: MAX_ENTRY_BYTES,
    max_values: 1024,
    ..json::Limits::CLAIM
};

/// A record with its inclusion proof, the signed checkpoint that the proof leads to, the manifest that was in force, and the publisher's key.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The entry as it stands in the log, without its line feed.
    pub entry: Vec<u8>,
    /// The inclusion proof, from the leaf upwards.
    pub proof: Vec<[u8; 32]>,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
    /// The key that signed the checkpoint. Whoever verifies should know it from elsewhere: from the publisher's own manifest, for example.
    pub public_key: PublicKey,
    /// The agent's manifest that was in force, as it was fetched.
    pub manifest: Option<Vec<u8>>,
}

/// What evidence proves.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The log's name.
    pub origin: String,
    /// The entry's number.
    pub number: u64,
    /// How many entries the checkpoint seals.
    pub size: u64,
    /// The key that signed the checkpoint.
    pub key_id: Thumbprint,
    /// Whether that is one of the keys that the verifier brought along, not only the one that came with the evidence.
    pub key_known: bool,
    /// Whether the request's signature was verified once more: it was, unless the record says that nobody was verified. Whose it is, `binding` in
    /// the record says: a key of the agent's manifest (`domain`), or one that nobody vouches for, in the agent's name (`key_only`).
    pub request_verified: bool,
    /// What was signed, when it was verified. Of the record only what [`StoredVerdict::verified_claim`] compares is signed: the rest is the
    /// publisher's word.
    pub claim: Option<Claim>,
    /// The record.
    pub verdict: StoredVerdict,
}

impl Evidence {
    /// Writes the JSON file, in RFC 8785 form.
    ///
    /// Error: `audit.malformed` when the entry is none.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let record = json::parse_object(&self.entry, &LIMITS)
            .map_err(|error| malformed(format!("the entry is not strict JSON: {}", error.code())))?;
        let mut object = Object::new();
        object.insert("checkpoint", self.checkpoint.as_str());
        if let Some(manifest) = &self.manifest {
            object.insert("manifest", base64_encode(manifest));
        }
        object.insert(
            "proof",
            self.proof.iter().map(|hash| Value::from(base64_encode(hash))).collect::<Vec<_>>(),
        );
        object.insert("public_key", self.public_key.to_spki_base64());
        object.insert("record", record);
        object.insert("type", KIND);
        Ok(json::object_to_canonical(&object))
    }

    /// Reads the JSON file, strictly. Error: `audit.malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let object = json::parse_object(bytes, &LIMITS)
            .map_err(|error| malformed(format!("the evidence is not strict JSON: {}", error.code())))?;
        let text = |name: &'static str| {
            object
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| malformed(format!("the evidence has no {name}")))
        };
        if text("type")? != KIND {
            return Err(malformed(format!("the evidence is not of the type {KIND}")));
        }
        const KNOWN: [&str; 6] = ["checkpoint", "manifest", "proof", "public_key", "record", "type"];
        if object.iter().any(|(name, _)| !KNOWN.contains(&name)) {
            return Err(malformed("the evidence has a member that nobody knows"));
        }
        let hash = |value: &Value<'_>| -> Option<[u8; 32]> {
            let text = value.as_str()?;
            base64_decode(text.as_bytes()).filter(|bytes| base64_encode(bytes) == text)?.try_into().ok()
        };
        let proof = object
            .get("proof")
            .and_then(Value::as_array)
            .filter(|proof| proof.len() <= MAX_PROOF)
            .and_then(|proof| proof.iter().map(hash).collect::<Option<Vec<_>>>())
            .ok_or_else(|| malformed("the evidence has no readable proof"))?;
        let record = object
            .get("record")
            .and_then(Value::as_object)
            .ok_or_else(|| malformed("the evidence has no record"))?;
        let manifest = match object.get("manifest") {
            None => None,
            Some(_) => Some(
                base64_decode(text("manifest")?.as_bytes())
                    .ok_or_else(|| malformed("the evidence's manifest is not base64"))?,
            ),
        };
        Ok(Self {
            entry: json::object_to_canonical(record),
            proof,
            checkpoint: text("checkpoint")?.to_owned(),
            public_key: PublicKey::from_spki_base64(text("public_key")?.as_bytes())
                .map_err(|error| malformed("the evidence's public_key cannot be read").with_source(error))?,
            manifest,
        })
    }

    /// Verifies everything, offline: the checkpoint's signature, the inclusion proof, and the agent's signature with the manifest that was
    /// in force, or with the record's own key under `key_only`.
    ///
    /// `keys` are the publisher's, as the verifier knows them; without any, the key in the evidence is taken, and
    /// [`Proven::key_known`] is false. Errors: `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<Proven> {
        let signed = SignedCheckpoint::parse(self.checkpoint.as_bytes())?;
        let own = core::slice::from_ref(&self.public_key);
        let key = signed.verify(if keys.is_empty() { own } else { keys })?;
        if *key != self.public_key {
            return Err(altered("the evidence names another key than the one that signed"));
        }
        let checkpoint = signed.checkpoint();
        let frame = Frame::parse(&self.entry)?;
        let leaf = leaf_hash(&self.entry);
        verify_inclusion(frame.number, checkpoint.size, &leaf, &self.proof, &checkpoint.root)?;
        let Entry::Verdict(verdict) = Entry::parse(frame.body)? else {
            return Err(malformed("the record is not one of a verdict"));
        };
        let claim = verdict.verified_claim(self.manifest.as_deref())?;
        let request_verified = claim.is_some();
        if self.manifest.is_some() && (!request_verified || verdict.manifest.is_none()) {
            return Err(altered("the evidence carries a manifest that its record does not name"));
        }
        Ok(Proven {
            origin: checkpoint.origin.clone(),
            number: frame.number,
            size: checkpoint.size,
            key_id: *key.thumbprint(),
            key_known: !keys.is_empty(),
            request_verified,
            claim,
            verdict: *verdict,
        })
    }
}

/// Verifies that a checkpoint, signed by one of these keys, seals this entry under the number that it bears, whatever kind of entry it is.
///
/// Returns the checkpoint. Errors: `audit.malformed`, `audit.altered`, `audit.proof_invalid`.
pub fn verify_entry(note: &[u8], keys: &[PublicKey], entry: &[u8], proof: &[[u8; 32]]) -> Result<Checkpoint> {
    let signed = SignedCheckpoint::parse(note)?;
    signed.verify(keys)?;
    let checkpoint = signed.checkpoint();
    let frame = Frame::parse(entry)?;
    verify_inclusion(frame.number, checkpoint.size, &leaf_hash(entry), proof, &checkpoint.root)?;
    Ok(checkpoint.clone())
}

impl Proven {
    /// What is proven, as a JSON object; what is absent is null. `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed where
    /// `request_verified`; `time` and `url` are the publisher's word, and `url_signed` says whether the URL is the one that was signed.
    pub fn to_json(&self) -> Object<'static> {
        let verdict = &self.verdict;
        let claim = self.claim.as_ref();
        let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::from(text.to_owned()));
        let number = |number: u64| {
            i64::try_from(number).ok().and_then(Number::from_i64).map_or(Value::Null, Value::Number)
        };
        let mut object = Object::new();
        object.insert("agent_id", text(verdict.agent_id.as_ref().map(|agent| agent.as_str())));
        object.insert("binding", verdict.binding.as_str());
        object.insert("code", text(verdict.code.map(|code| code.as_str())));
        object.insert("entry", number(self.number));
        object.insert("http", u32::from(verdict.http));
        object.insert("jti", text(verdict.jti.as_deref()));
        object.insert("key_id", self.key_id.as_str().to_owned());
        object.insert("key_known", self.key_known);
        object.insert("method", verdict.method.clone());
        object.insert("nonce", text(claim.map(Claim::nonce)));
        object.insert("origin", self.origin.clone());
        object.insert("outcome", verdict.outcome.as_str());
        object.insert("purpose", text(verdict.purpose.map(|purpose| purpose.as_str())));
        object.insert("request_verified", self.request_verified);
        object.insert("resource", text(verdict.resource.as_deref()));
        object.insert("sealed", number(self.size));
        object.insert("time", verdict.time.to_string());
        object.insert("trace_id", verdict.trace_id.clone());
        object.insert("ts", text(claim.map(|claim| claim.ts.to_string()).as_deref()));
        object.insert("url", verdict.url.clone());
        let url_signed = claim.and_then(|claim| verdict.url_signed(claim));
        object.insert("url_signed", url_signed.map_or(Value::Null, Value::from));
        object
    }
}
