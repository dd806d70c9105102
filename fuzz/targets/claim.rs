//! Claims: what is accepted keeps its rules, and its canonical form is the same claim.
#![no_main]

use imagxp::claim::{Claim, MAX_CLAIM_BYTES, is_nonce};
use imagxp::{Code, Limits, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((flags, data)) = data.split_first() else { return };
    let allow_loopback = flags & 1 == 1;
    let Ok(claim) = Claim::parse(data, &Limits::DEFAULT, allow_loopback) else { return };
    assert!(data.len() <= MAX_CLAIM_BYTES);
    assert!(is_nonce(claim.nonce()));
    assert!(claim.ts >= Timestamp::from_secs(0));
    assert!(allow_loopback || !claim.agent_id.is_loopback());
    // The canonical form may be longer than what was received, and writes 2e20 as an integer: only then may it be refused.
    match Claim::parse(claim.canonical(), &Limits::DEFAULT, allow_loopback) {
        Ok(again) => {
            assert_eq!(again.canonical(), claim.canonical());
            assert_eq!(again.nonce(), claim.nonce());
            assert_eq!((again.ts, again.purpose, again.version), (claim.ts, claim.purpose, claim.version));
            assert_eq!(again.agent_id.as_str(), claim.agent_id.as_str());
        }
        Err(code) => {
            assert!(claim.canonical().len() > data.len() || code == Code::JsonNumberRange, "{code:?}");
        }
    }
});
