//! Key files: whatever is opened is what was sealed, byte by byte, and every other text is one error.
#![no_main]

use imagxp::crypto::Algorithm;
use imagxp_files::key_file::{
    Bounds, Cost, Passphrase, is_sealed, open_within, read, read_public, seal_with,
};
use imagxp_fuzz::key;
use libfuzzer_sys::fuzz_target;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
/// As cheap as argon2id can be, so that the fuzzer gets somewhere.
const BOUNDS: Bounds = Bounds { min: CHEAP, max: Cost { memory_kib: 64, passes: 2, lanes: 2 } };

fn passphrase() -> Passphrase {
    Passphrase::new("fuzz").expect("a good passphrase")
}

fuzz_target!(|data: &[u8]| {
    // Texts of the fuzzer's own.
    match open_within(data, &passphrase(), &BOUNDS) {
        Ok(_) => assert!(is_sealed(data)),
        Err(error) => assert_eq!(error.code(), "key_file.locked"),
    }
    // Every other form; a sealed one asks for a passphrase and is not opened here, where it could cost what a real one costs.
    let none = || Err(imagxp::Error::argument("none"));
    let _ = (read(data, none), read_public(data, none));
    // A good text with a change of the fuzzer's.
    let [kind, at, with, ..] = data else { return };
    let algorithm = if kind % 2 == 0 { Algorithm::Es256 } else { Algorithm::EdDsa };
    let sealed = seal_with(&key(algorithm, 7), &passphrase(), CHEAP, &mut |bytes| {
        bytes.fill(*kind);
        Ok(())
    });
    let sealed = sealed.expect("a cost that argon2 knows");
    let mut changed = sealed.as_bytes().to_vec();
    let at = usize::from(*at) * 2 % changed.len();
    match kind % 5 {
        0 => changed[at] = *with,
        1 => changed.insert(at, *with),
        2 => drop(changed.remove(at)),
        3 => changed.truncate(at),
        _ => changed[at] ^= *with,
    }
    let opened = open_within(&changed, &passphrase(), &BOUNDS);
    assert_eq!(opened.is_ok(), changed == sealed.as_bytes());
});
