//! Who gets a table, how much memory all of them take, and that nobody's answer changes.

use super::cache::cost;
use super::table::WIDE;
use super::tests::Stream;
use super::*;
use crate::crypto::{Algorithm, PrivateKey};

fn key(number: u32) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(7);
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Ok(())
    };
    PrivateKey::generate(Algorithm::Es256, fill).unwrap()
}

#[test]
fn a_key_is_promoted_at_its_second_credit() {
    let hot = HotKeys::default();
    let key = key(1);
    let good = key.sign(b"m");
    for credits in 0..4 {
        assert_eq!(hot.len(), usize::from(credits >= 2));
        assert!(hot.verify(key.public_key(), b"m", &good));
        assert!(!hot.verify(key.public_key(), b"n", &good));
        hot.credit(key.public_key());
    }
    assert_eq!(hot.bytes(), cost(NARROW));
    let zero = Signature::from_bytes([0; 64]);
    assert!(!hot.verify(key.public_key(), b"m", &zero));
}

#[test]
fn checks_alone_build_nothing() {
    let hot = HotKeys::default();
    for number in 0..200 {
        let key = key(number);
        let signature = key.sign(b"m");
        for _ in 0..3 {
            assert!(hot.verify(key.public_key(), b"m", &signature));
        }
    }
    assert!(hot.is_empty() && hot.bytes() == 0);
}

#[test]
fn keys_seen_twice_do_not_push_out_those_in_use() {
    let hot = HotKeys::new(10 * cost(NARROW) + 5);
    let regulars: Vec<_> = (0..10).map(key).collect();
    let strangers: Vec<_> = (1000..1200).map(key).collect();
    for _ in 0..8 {
        regulars.iter().for_each(|key| hot.credit(key.public_key()));
    }
    assert_eq!((hot.len(), hot.bytes()), (10, 10 * cost(NARROW)));
    for stranger in &strangers {
        hot.credit(stranger.public_key());
        hot.credit(stranger.public_key());
        regulars.iter().for_each(|key| hot.credit(key.public_key()));
    }
    assert!(regulars.iter().all(|key| hot.table(key.public_key()).is_some()));
    // Those that nobody uses any more do leave.
    for _ in 0..100 {
        strangers.iter().take(10).for_each(|key| hot.credit(key.public_key()));
    }
    assert!(strangers.iter().take(10).all(|key| hot.table(key.public_key()).is_some()));
    assert_eq!(hot.bytes(), 10 * cost(NARROW));
}

#[test]
fn the_bound_holds_for_every_size() {
    for max_bytes in [0, 1, cost(NARROW) - 1, cost(NARROW), 3 * cost(NARROW) + 1, 4 * cost(WIDE)] {
        let hot = HotKeys::new(max_bytes);
        let keys: Vec<_> = (0..12).map(key).collect();
        for _ in 0..3 {
            keys.iter().for_each(|key| hot.credit(key.public_key()));
            assert!(hot.bytes() <= max_bytes);
        }
        assert_eq!(hot.len(), (max_bytes / cost(NARROW)).min(12));
    }
}

#[test]
fn the_most_used_keys_get_wide_tables() {
    let hot = HotKeys::new(4 * cost(WIDE));
    let key = key(1);
    let good = key.sign(b"m");
    for _ in 0..300 {
        hot.credit(key.public_key());
    }
    assert_eq!(hot.bytes(), cost(WIDE));
    assert!(hot.verify(key.public_key(), b"m", &good) && !hot.verify(key.public_key(), b"n", &good));
}

#[test]
fn batches_answer_in_order() {
    let hot = HotKeys::default();
    let keys: Vec<_> = (0..5).map(key).collect();
    let ed25519 = PrivateKey::generate(Algorithm::EdDsa, &mut |bytes| {
        bytes.fill(9);
        Ok(())
    })
    .unwrap();
    keys.iter().take(3).for_each(|key| (0..2).for_each(|_| hot.credit(key.public_key())));
    let messages: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number; 40]).collect();
    let mut stream = Stream(8);
    for size in [0, 1, 2, 3, 7, 32, 33, 100] {
        let drawn: Vec<_> = (0..size)
            .map(|at| {
                let key = match stream.next() as usize % 6 {
                    5 => &ed25519,
                    number => &keys[number],
                };
                let mut bytes = *key.sign(&messages[at]).as_bytes();
                match stream.next() % 4 {
                    0 => bytes[stream.next() as usize % 64] ^= 1,
                    1 if stream.next().is_multiple_of(4) => bytes = [0; 64],
                    _ => {}
                }
                (key, &messages[at], Signature::from_bytes(bytes))
            })
            .collect();
        let checks: Vec<_> = drawn
            .iter()
            .map(|(key, message, signature)| SignatureCheck { key: key.public_key(), message, signature })
            .collect();
        let expected: Vec<bool> =
            checks.iter().map(|check| check.key.verify(check.message, check.signature)).collect();
        assert_eq!(hot.verify_batch(&checks), expected, "{size}");
    }
}

#[test]
fn wide_tables_take_half_of_the_memory_and_leave_like_others() {
    let hot = HotKeys::new(6 * cost(WIDE));
    let keys: Vec<_> = (0..10).map(key).collect();
    keys.iter().for_each(|key| (0..300).for_each(|_| hot.credit(key.public_key())));
    assert_eq!((hot.len(), hot.bytes()), (10, 3 * cost(WIDE) + 7 * cost(NARROW)));
    // Others, used more from now on, take all the places in the end, and the bound still holds.
    let others: Vec<_> = (100..140).map(key).collect();
    for _ in 0..60 {
        others.iter().for_each(|key| hot.credit(key.public_key()));
        assert!(hot.bytes() <= 6 * cost(WIDE));
    }
    assert!(keys.iter().all(|key| hot.table(key.public_key()).is_none()), "{hot:?}");
    assert_eq!(hot.bytes(), hot.len() * cost(NARROW));
}
