//! Evidence and inclusion proofs of audit logs.

use crate::answer::{Answer, Failure, json, optional, text};
use imagxp::audit::{Evidence, verify_entry};
use imagxp::crypto::PublicKey;
use imagxp::encoding::base64_decode;
use imagxp::json::object_to_canonical;
use serde_json::{Value, json};

/// `evidence`, or `checkpoint`, `entry` and `proof`; by the key `spki`, without which that of the evidence is taken.
pub(crate) fn audit(case: &Value) -> Answer {
    let keys: Vec<PublicKey> = optional(case, "spki")
        .map(|spki| PublicKey::from_spki_base64(spki.as_bytes()))
        .transpose()?
        .into_iter()
        .collect();
    let result = if case.get("evidence").is_some() {
        let evidence = json(case, "evidence")?;
        Evidence::parse(&evidence).and_then(|evidence| evidence.verify(&keys)).map(|proven| {
            let report: Value =
                serde_json::from_slice(&object_to_canonical(&proven.to_json())).unwrap_or_default();
            json!({ "valid": true, "code": null, "report": report })
        })
    } else {
        let proof = case
            .get("proof")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|hash| base64_decode(hash.as_str()?.as_bytes())?.try_into().ok())
            .collect::<Option<Vec<[u8; 32]>>>()
            .ok_or_else(|| Failure::Case("`proof` is no list of hashes".into()))?;
        verify_entry(text(case, "checkpoint")?.as_bytes(), &keys, text(case, "entry")?.as_bytes(), &proof)
            .map(|checkpoint| json!({ "valid": true, "code": null, "size": checkpoint.size }))
    };
    Ok(result.unwrap_or_else(|error| json!({ "valid": false, "code": error.code() })))
}
