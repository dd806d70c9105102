//! Tests of `rotation.rs`.

use super::*;
use crate::crypto::{Algorithm, PrivateKey};

fn key(seed: u8) -> PublicKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(seed);
        Ok(())
    };
    PrivateKey::generate(Algorithm::EdDsa, fill).unwrap().public_key().clone()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

fn published() -> Rotation {
    Rotation::new(key(1)).prepare(key(2)).unwrap().publish(at(0), Some(300)).unwrap()
}

fn switched() -> Rotation {
    published().switch(at(360)).unwrap()
}

fn keys(rotation: &Rotation) -> Vec<PublicKey> {
    rotation.published_keys().cloned().collect()
}

#[test]
fn the_whole_way() {
    let settled = Rotation::new(key(1));
    assert_eq!((settled.stage(), keys(&settled)), (Stage::Settled, vec![key(1)]));
    let prepared = settled.prepare(key(2)).unwrap();
    assert_eq!((prepared.stage(), keys(&prepared)), (Stage::Prepared, vec![key(1)]));
    let published = prepared.publish(at(0), Some(300)).unwrap();
    assert_eq!((published.stage(), keys(&published)), (Stage::Published, vec![key(1), key(2)]));
    assert_eq!(published.ready_at(), Some(at(360)));
    let switched = published.switch(at(360)).unwrap();
    assert_eq!((switched.stage(), keys(&switched)), (Stage::Switched, vec![key(2), key(1)]));
    assert_eq!(switched.signing_key(), &key(2));
    assert_eq!(switched.ready_at(), Some(at(360 + 3600)));
    let retired = switched.retire(at(360 + 3600)).unwrap();
    assert_eq!(retired, Rotation::new(key(2)));
    let agent = AgentId::parse("agent.example", false).unwrap();
    assert_eq!(switched.manifest(agent, None).unwrap().keys().len(), 2);
}

#[test]
fn waits_are_kept_to_the_millisecond() {
    for (max_age, wait) in [(Some(0), 120), (Some(300), 360), (Some(86_400), 3660), (None, 3660)] {
        let published = Rotation::new(key(1)).prepare(key(2)).unwrap().publish(at(0), max_age).unwrap();
        let early = at(wait).saturating_add_millis(-1);
        let error = published.switch(early).unwrap_err();
        assert_eq!(error.code(), "rotation.order");
        assert!(error.message().contains(&format!("safe from {} on, in 1 s", at(wait))), "{error}");
        let switched = published.switch(at(wait)).unwrap();
        let error = switched.retire(at(wait + 3599)).unwrap_err();
        assert!(error.message().contains("in 1 s; until then requests signed"), "{error}");
        assert!(switched.retire(at(wait + 3600)).is_ok());
    }
}

#[test]
fn other_orders_are_refused() {
    let settled = Rotation::new(key(1));
    let prepared = settled.prepare(key(2)).unwrap();
    let late = at(1_000_000);
    let refused = [
        settled.publish(late, None),
        settled.switch(late),
        settled.retire(late),
        settled.abort(late),
        prepared.prepare(key(3)),
        prepared.switch(late),
        prepared.retire(late),
        published().prepare(key(3)),
        published().retire(late),
        switched().prepare(key(3)),
        switched().publish(late, None),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().code(), "rotation.order");
    }
    assert_eq!(settled.prepare(key(1)).unwrap_err().code(), "usage.argument");
    for time in [Timestamp::from_secs(0), Timestamp::from_millis(i64::MAX), Timestamp::from_millis(i64::MIN)]
    {
        for result in [prepared.publish(time, None), published().switch(time), switched().retire(time)] {
            assert_eq!(result.unwrap_err().code(), "usage.argument");
        }
    }
}

#[test]
fn a_clock_that_went_back_shortens_nothing() {
    for (error, step) in [
        (published().switch(at(-1)).unwrap_err(), "publish"),
        (switched().retire(at(0)).unwrap_err(), "switch"),
    ] {
        assert_eq!(error.code(), "rotation.order");
        assert!(error.message().contains(&format!("{step} again to restart the wait")), "{error}");
    }
    let again = published().publish(at(-100), Some(60)).unwrap();
    assert_eq!(again.ready_at(), Some(at(-100 + 360)), "the longer life of older copies counts");
    let again = switched().switch(at(-100)).unwrap();
    assert_eq!(again.ready_at(), Some(at(-100 + 3600)));
    assert_eq!(again.signing_key(), &key(2));
}

#[test]
fn aborting_goes_back() {
    let settled = Rotation::new(key(1));
    assert_eq!(settled.prepare(key(2)).unwrap().abort(at(0)).unwrap(), settled);
    assert_eq!(published().abort(at(1)).unwrap(), settled);
    let back = switched().abort(at(400)).unwrap();
    assert_eq!((back.stage(), keys(&back)), (Stage::Switched, vec![key(1), key(2)]));
    assert_eq!(back.retire(at(400 + 3599)).unwrap_err().code(), "rotation.order");
    assert_eq!(back.retire(at(400 + 3600)).unwrap(), settled);
}

#[test]
fn revoking_drops_at_once() {
    let (one, two) = (*key(1).thumbprint(), *key(2).thumbprint());
    let settled = Rotation::new(key(1));
    assert!(settled.needs_replacement(&one) && !settled.needs_replacement(&two));
    assert_eq!(settled.revoke(&one, None).unwrap_err().code(), "rotation.order");
    assert_eq!(settled.revoke(&two, None).unwrap_err().code(), "usage.argument");
    assert_eq!(settled.revoke(&one, Some(key(1))).unwrap_err().code(), "usage.argument");
    let replaced = settled.revoke(&one, Some(key(2))).unwrap();
    assert_eq!((replaced.signing_key(), replaced.revoked()), (&key(2), &[one][..]));
    assert_eq!(replaced.prepare(key(1)).unwrap_err().code(), "rotation.order");
    for state in [settled.prepare(key(2)).unwrap(), published(), switched()] {
        assert_eq!(state.revoke(&one, Some(key(3))).unwrap_err().code(), "usage.argument");
        for (gone, stays) in [(one, key(2)), (two, key(1))] {
            let after = state.revoke(&gone, None).unwrap();
            assert_eq!((after.stage(), keys(&after)), (Stage::Settled, vec![stays]));
        }
    }
}

#[test]
fn only_so_many_revoked_keys_are_remembered() {
    let mut rotation = Rotation::new(key(1));
    for seed in 2..=100 {
        let gone = *rotation.signing_key().thumbprint();
        rotation = rotation.revoke(&gone, Some(key(seed))).unwrap();
    }
    assert_eq!(rotation.revoked().len(), MAX_REVOKED);
    assert_eq!(rotation.revoked().last(), Some(key(99).thumbprint()));
}
