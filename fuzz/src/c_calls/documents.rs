//! Good documents, so that sequences get past the first check.

use crate::{AGENT, ORIGIN, identity};
use imagxp::json::{Object, Value, object_to_canonical};
use std::sync::LazyLock;

/// What [`crate::c_calls`] passes as a good argument.
pub static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let identity = identity();
    let key = crate::key(imagxp::crypto::Algorithm::Es256, 7);
    let manifest = identity.manifest(None, &[]).expect("a good manifest");
    let policy = format!(
        r#"{{"version":1,"origins":["{ORIGIN}"],"unsigned":"deny","purposes":{{"RAG_RETRIEVAL":{{"allow":true}}}}}}"#
    );
    let mut jwk = key.public_key().to_jwk();
    jwk.insert("kid", key.public_key().thumbprint().as_str().to_owned());
    let mut jwks = Object::new();
    jwks.insert("keys", vec![Value::Object(jwk)]);
    let jwks = object_to_canonical(&jwks);
    [
        policy.as_str(),
        &key.to_pem(),
        &key.public_key().to_pem(),
        &key.public_key().to_spki_base64(),
        &manifest.agent_id().manifest_url(),
        core::str::from_utf8(&manifest.to_json()).expect("JSON"),
        AGENT,
        "GET",
        "https://example.org/a?b=c",
        "6f8a2c3e-0000-4000-8000-000000000001",
        "0.05",
        "USD",
        core::str::from_utf8(&jwks).expect("JSON"),
        "0123456789abcdef",
        key.public_key().thumbprint().as_str(),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
});
