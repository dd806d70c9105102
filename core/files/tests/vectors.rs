//! `tests/vectors/key_file.json`: sealed key files, made with fixed salts and nonces and read by every language that reads files.
//!
//! `UPDATE=1 cargo test -p imagxp-files --test vectors` rewrites it. argon2id and XChaCha20-Poly1305 of other makers (argon2-cffi and
//! libsodium) open the same files; scripts of that kind need no more than the table in `imagxp_files::key_file`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp_files::key_file::{Cost, Passphrase, open, seal_with};
use serde_json::{Value, json};
use std::path::Path;

const PASSPHRASE: &str = "correct horse battery stäple";

fn key(algorithm: Algorithm) -> PrivateKey {
    let fill = &mut |bytes: &mut [u8]| {
        bytes.fill(5);
        Ok(())
    };
    PrivateKey::generate(algorithm, fill).unwrap()
}

fn sealed(algorithm: Algorithm, cost: Cost, seed: u8) -> String {
    let mut next = seed;
    let fill = &mut |bytes: &mut [u8]| {
        bytes.iter_mut().for_each(|byte| {
            next = next.wrapping_mul(5).wrapping_add(17);
            *byte = next;
        });
        Ok(())
    };
    let passphrase = Passphrase::new(PASSPHRASE).unwrap();
    seal_with(&key(algorithm), &passphrase, cost, fill).unwrap().to_string()
}

fn case(id: &str, why: &str, text: &str, passphrase: &str, algorithm: Option<Algorithm>) -> Value {
    let opened = open(text.as_bytes(), &Passphrase::new(passphrase).unwrap());
    let expect = match algorithm {
        Some(algorithm) => {
            let public = key(algorithm).public_key().clone();
            assert_eq!(*opened.unwrap().public_key(), public);
            json!({ "thumbprint": public.thumbprint().as_str(), "alg": algorithm.as_str() })
        }
        None => {
            assert_eq!(opened.unwrap_err().code(), "key_file.locked");
            json!({ "code": "key_file.locked" })
        }
    };
    json!({ "id": id, "why": why, "op": "key_file", "text": text, "passphrase": passphrase, "expect": expect })
}

#[test]
fn the_file_is_what_the_core_makes() {
    let least = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    let es256 = sealed(Algorithm::Es256, Cost::DEFAULT, 1);
    let weak = sealed(Algorithm::EdDsa, Cost { memory_kib: 1024, passes: 1, lanes: 1 }, 2);
    let cases = vec![
        case("key-file-es256", "the default cost", &es256, PASSPHRASE, Some(Algorithm::Es256)),
        case(
            "key-file-eddsa",
            "the least cost",
            &sealed(Algorithm::EdDsa, least, 3),
            PASSPHRASE,
            Some(Algorithm::EdDsa),
        ),
        case("key-file-passphrase", "another passphrase", &es256, "correct horse battery staple", None),
        case("key-file-weak", "too cheap to guess", &weak, PASSPHRASE, None),
        case("key-file-longer", "a line feed more", &format!("{es256}\n"), PASSPHRASE, None),
        case("key-file-crlf", "other line ends", &es256.replace('\n', "\r\n"), PASSPHRASE, None),
        case("key-file-shorter", "without its last line", es256.trim_end(), PASSPHRASE, None),
        case("key-file-armour", "another label", &es256.replace("ENCRYPTED", "ENCRYPTEE"), PASSPHRASE, None),
    ];
    let text = serde_json::to_string_pretty(
        &json!({ "about": "encrypted key files (imagxp_files::key_file)", "cases": cases }),
    )
    .unwrap()
        + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/key_file.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
    } else {
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, text, "{} is out of date: run with UPDATE=1", file.display());
    }
}
