//! The state of a rotation: what is read is written back the same, and no sequence of steps leaves a state that cannot be read.
#![no_main]

use imagxp::Timestamp;
use imagxp::agent::rotation::{Rotation, Stage};
use imagxp::crypto::{Algorithm, PublicKey};
use imagxp_fuzz::{NOW, key};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PUBLIC: LazyLock<Vec<PublicKey>> =
    LazyLock::new(|| (1..=16).map(|seed| key(Algorithm::EdDsa, seed).public_key().clone()).collect());

fn check(rotation: &Rotation) {
    let again = Rotation::parse(&rotation.to_json()).expect("what we write we can read");
    assert_eq!(again, *rotation);
    assert!(rotation.published_keys().any(|key| key == rotation.signing_key()));
    assert_eq!(rotation.other_key().is_none(), rotation.stage() == Stage::Settled);
}

fuzz_target!(|data: &[u8]| {
    if let Ok(rotation) = Rotation::parse(data) {
        check(&rotation);
    }
    let public = |seed: u8| PUBLIC[usize::from(seed) % PUBLIC.len()].clone();
    let mut rotation = Rotation::new(public(0));
    let mut now: Timestamp = NOW;
    for step in data.chunks_exact(3).take(24) {
        let [kind, key, time] = *step else { return };
        now = now.saturating_add_secs(i64::from(time) * 60 - 600);
        let next = match kind % 8 {
            0 | 1 => rotation.prepare(public(key)),
            2 => rotation.publish(now, Some(u32::from(key) * 30)),
            3 => rotation.publish(now, None),
            4 => rotation.switch(now),
            5 => rotation.retire(now),
            6 => rotation.abort(now),
            _ => rotation.revoke(public(key).thumbprint(), (time % 2 == 0).then(|| public(time))),
        };
        if let Ok(next) = next {
            rotation = next;
            check(&rotation);
        }
    }
});
