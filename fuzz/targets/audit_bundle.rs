//! Evidence and checkpoints: what is accepted is written in one form, and reading never panics.
#![no_main]

use imagxp::audit::{Evidence, SignedCheckpoint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(signed) = SignedCheckpoint::parse(data) {
        assert_eq!(signed.note().as_bytes(), data);
        assert!(data.starts_with(signed.checkpoint().text().as_bytes()));
    }
    let Ok(evidence) = Evidence::parse(data) else { return };
    let _ = evidence.verify(&[]);
    let written = evidence.to_json().expect("what was read can be written");
    let again = Evidence::parse(&written).expect("what we write we can read");
    assert_eq!(again.entry, evidence.entry);
    assert_eq!(again.proof, evidence.proof);
});
