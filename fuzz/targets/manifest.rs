//! Manifests: what is accepted can be written, and reads back as the same keys.
#![no_main]

use imagxp::Manifest;
use imagxp::agent_id::AgentId;
use imagxp::manifest::{MAX_KEYS, MAX_MANIFEST_BYTES};
use imagxp_fuzz::{AGENT, NOW};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let agent = AgentId::parse(AGENT, false).expect("a public domain");
    let Ok(manifest) = Manifest::parse(data, &agent, MAX_MANIFEST_BYTES) else { return };
    assert!(data.len() <= MAX_MANIFEST_BYTES);
    assert_eq!(manifest.agent_id(), &agent);
    assert!(manifest.keys().len() <= MAX_KEYS + 1);
    assert!(manifest.keys_at(NOW).count() <= manifest.keys().len());
    if manifest.keys().is_empty() {
        // Every key was of an algorithm that we do not know: it may be read, nothing can be verified by it, nobody writes it.
        return;
    }
    let written = manifest.to_json();
    let again = Manifest::parse(&written, &agent, MAX_MANIFEST_BYTES).expect("what we write we can read");
    for key in manifest.keys() {
        assert!(again.keys().iter().any(|other| other.key == key.key), "a key was lost");
    }
    assert_eq!(again.contact(), manifest.contact());
});
