//! Audit: records for a log that is kept elsewhere, and evidence that verifies offline.

use crate::callback::Callback;
use crate::errors::{self, Thrown, raise};
use crate::json::{self, bytes};
use crate::key::PublicKey;
use imagxp::audit::{AuditSink, Evidence, Record, verify_entry};
use imagxp::crypto;
use imagxp::encoding::base64_decode;
use imagxp::{Error, ErrorKind};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

/// Verifies evidence offline: checkpoint, inclusion, and the request's signature, with the manifest that was in force, or with a key that nobody
/// vouches for where `binding` is `key_only`. Returns what is proven.
///
/// Of that `ts`, `nonce`, `resource`, `purpose` and `agent_id` were signed; `time` and `url` are the publisher's word, and `url_signed` says whether
/// the URL is the one that was signed.
///
/// `keys`: the publisher's SubjectPublicKeyInfos in base64, as you know them; without any, the key in the evidence is taken, and
/// `key_known` is false.
#[wasm_bindgen(js_name = verifyEvidence, unchecked_return_type = "Record<string, unknown>")]
pub fn verify_evidence(
    #[wasm_bindgen(unchecked_param_type = "Document")] evidence: JsValue,
    keys: Vec<String>,
) -> Result<JsValue, Thrown> {
    let keys = self::keys(&keys)?;
    let evidence = Evidence::parse(&json::document(&evidence)?).map_err(raise)?;
    json::object(&evidence.verify(&keys).map_err(raise)?.to_json())
}

/// Verifies that a checkpoint, signed by one of these keys, seals this line of a log; returns how many entries it seals.
///
/// `proof`: the hashes of the RFC 6962 inclusion proof in base64, from the leaf upwards.
#[wasm_bindgen(js_name = verifyInclusion)]
pub fn verify_inclusion(
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] checkpoint: JsValue,
    keys: Vec<String>,
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] entry: JsValue,
    proof: Vec<String>,
) -> Result<f64, Thrown> {
    let keys = self::keys(&keys)?;
    let proof = proof.iter().map(|hash| base64_decode(hash.as_bytes())?.try_into().ok());
    let proof: Vec<[u8; 32]> = proof
        .collect::<Option<_>>()
        .ok_or_else(|| errors::argument("a hash of the proof is not 32 bytes of base64"))?;
    let sealed = verify_entry(&bytes(&checkpoint)?, &keys, &bytes(&entry)?, &proof).map_err(raise)?;
    #[expect(clippy::cast_precision_loss, reason = "no log has 2^53 entries")]
    Ok(sealed.size as f64)
}

fn keys(keys: &[String]) -> Result<Vec<crypto::PublicKey>, Thrown> {
    keys.iter().map(|key| PublicKey::read_base64(key)).collect()
}

/// A sink written in JavaScript: a function that takes the record's JSON and the manifest's bytes (or `null`), and keeps them, or throws.
pub(crate) struct Sink(pub(crate) Callback);

impl AuditSink for Sink {
    fn record(&self, record: &Record<'_>) -> imagxp::Result<()> {
        let body = String::from_utf8(record.to_json())
            .map_err(|_| Error::new(ErrorKind::Io, "the record is not text"))?;
        let manifest = record
            .manifest
            .map_or(JsValue::NULL, |manifest| Uint8Array::new_from_slice(manifest.bytes).into());
        let kept = self.0.call("the audit sink", &body.into(), &manifest);
        kept.map(|_| ()).ok_or_else(|| Error::new(ErrorKind::Io, "the audit sink failed; see the log"))
    }
}
