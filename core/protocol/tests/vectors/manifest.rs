//! Manifests (PROTOCOL §4).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    let document = from_core(&manifest(&[1, 2]));
    let thumbprint = |seed: u8| json!(key(seed, Algorithm::Es256).public_key().thumbprint().as_str());
    let mut dated = document.clone();
    dated["keys"][0]["not_after"] = json!("2026-02-28T23:59:59Z");
    let mut lies = document.clone();
    lies["keys"][1]["kid"] = thumbprint(1);
    let mut no_key = document.clone();
    no_key.as_object_mut().unwrap().retain(|name, _| name == "agent_id");
    let bad = json!({ "valid": false, "code": "identity.manifest_invalid", "keys": [] });
    [
        ("two-keys", "the current key first", document, json!({ "valid": true, "code": null, "keys": [thumbprint(1), thumbprint(2)] })),
        ("dated", "outside its dates a key does not exist", dated, json!({ "valid": true, "keys": [thumbprint(2)] })),
        ("kid-lies", "kid must be the thumbprint", lies, bad.clone()),
        ("no-key", "neither public_key nor keys", no_key, bad),
    ]
    .into_iter()
    .map(|(id, why, manifest, expect)| {
        json!({ "id": format!("manifest-{id}"), "why": why, "op": "manifest", "agent_id": AGENT, "manifest": manifest, "now": TIME, "expect": expect })
    })
    .collect()
}
