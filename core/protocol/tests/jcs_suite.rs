//! The test data of RFC 8785's author: documents byte for byte, and the numbers of ECMAScript.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; clippy exempts test functions only, not their helpers"
)]

mod common;

use imagxp::json::{self, Limits, Number};
use sha2::{Digest, Sha256};
use std::fs;

#[test]
fn documents() {
    let Some(folder) = common::vectors("jcs/input") else { return };
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let input = entry.unwrap().path();
        let output = folder.with_file_name("output").join(input.file_name().unwrap());
        let canonical = json::canonicalize(&fs::read(&input).unwrap(), &Limits::INTERCHANGE).unwrap();
        let expected = fs::read(output).unwrap();
        assert_eq!(canonical.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{input:?}");
        assert_eq!(json::canonicalize(&expected, &Limits::INTERCHANGE).unwrap(), expected, "{input:?}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// A double as RFC 8785 writes it, by the way any caller takes.
fn written(bits: u64) -> String {
    let number = Number::from_f64(f64::from_bits(bits)).unwrap();
    String::from_utf8(json::to_canonical(&number.into())).unwrap()
}

#[test]
fn es6_numbers() {
    let Some(path) = common::vectors("jcs/es6numbers-10k.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines() {
        let (bits, expected) = line.split_once(',').unwrap();
        let bits = u64::from_str_radix(bits, 16).unwrap();
        assert_eq!(written(bits), expected, "{bits:x}");
        // Whatever of these the parser admits, it reads as the same double and writes alike.
        if let Ok(value) = json::parse(expected.as_bytes(), &Limits::CLAIM) {
            let double = value.as_number().unwrap().as_f64();
            assert!(double == f64::from_bits(bits), "{expected}");
            assert_eq!(json::to_canonical(&value), expected.as_bytes());
        } else {
            let magnitude = f64::from_bits(bits).abs();
            assert!((9_007_199_254_740_992.0..1e21).contains(&magnitude), "{expected}");
        }
        count += 1;
    }
    assert_eq!(count, 10_000);
}

/// The published hash of the first 1 000 000 lines of the deterministic sequence.
///
/// `cargo test --release --test jcs_suite -- --ignored`
#[test]
#[ignore = "one second, and a hundred times the numbers of `es6_numbers`"]
fn es6_numbers_million() {
    let Some(path) = common::vectors("jcs/README-upstream.md") else { return };
    let readme = fs::read_to_string(path).unwrap();
    for (lines, expected) in [
        (10_000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"),
        (1_000_000, "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"),
    ] {
        assert!(readme.contains(&format!("| {expected} | {lines} ")), "not the published hash");
        let mut hash = Sha256::new();
        for bits in sequence(&readme).take(lines) {
            hash.update(format!("{bits:x},{}\n", written(bits)));
        }
        assert_eq!(imagxp::encoding::hex_encode(&hash.finalize()), expected, "{lines} lines");
        println!("the first {lines} numbers have the published hash {expected}");
    }
}

/// The sequence as the README defines it: a table, then 2000 numbers in a row, then a chain of SHA-256 hashes of a
/// zeroed block, four doubles each, of which zeros and non-finite ones are left out.
fn sequence(readme: &str) -> impl Iterator<Item = u64> {
    let table = readme.split_once("new BigUint64Array([").unwrap().1.split_once("])").unwrap().0;
    let table: Vec<u64> = table
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let digits = item.strip_prefix("0x").and_then(|item| item.strip_suffix('n')).unwrap();
            u64::from_str_radix(digits, 16).unwrap()
        })
        .collect();
    let serial = (0..2000).map(|index| 0x0010_0000_0000_0000 + index);
    let blocks = std::iter::successors(Some([0_u8; 32]), |block| Some(Sha256::digest(block).into())).skip(1);
    let random = blocks.flat_map(|block| {
        let doubles: Vec<_> =
            block.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
        doubles
    });
    let usable = |bits: &u64| f64::from_bits(*bits).is_finite() && f64::from_bits(*bits) != 0.0;
    table.into_iter().chain(serial).chain(random.filter(usable))
}
