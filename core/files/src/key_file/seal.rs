//! Sealing a private key with a passphrase.

use super::Passphrase;
use argon2::{Algorithm as Variant, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::encoding::{base64_decode, base64_encode};
use imagxp::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

pub(super) const BEGIN: &str = "-----BEGIN IMAGXP ENCRYPTED PRIVATE KEY-----";
pub(super) const END: &str = "-----END IMAGXP ENCRYPTED PRIVATE KEY-----";
const LINE: usize = 64;

const MAGIC: &[u8; 7] = b"IMAGXPK";
const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 24;
const HEADER: usize = MAGIC.len() + 3 + 8 + SALT + NONCE;
const TAG: usize = 16;
/// The longest PKCS#8 structure that we write has 138 bytes.
const MAX_CIPHERTEXT: usize = 512;
/// Base64 of the largest file with its line ends and armour.
const MAX_TEXT: usize = 1024;

/// What argon2id costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes, computed one after another here.
    pub lanes: u8,
}

impl Cost {
    /// The second recommended option of RFC 9106 §4: 64 MiB, 3 passes, 4 lanes.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
}

/// Between which costs a file is opened; both ends are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least of each.
    pub min: Cost,
    /// The most of each.
    pub max: Cost,
}

impl Bounds {
    /// From 19 MiB and 2 passes to 256 MiB, 16 passes and 16 lanes.
    pub const DEFAULT: Self = Self {
        min: Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 },
        max: Cost { memory_kib: 256 * 1024, passes: 16, lanes: 16 },
    };

    fn admit(&self, cost: Cost) -> bool {
        (self.min.memory_kib..=self.max.memory_kib).contains(&cost.memory_kib)
            && (self.min.passes..=self.max.passes).contains(&cost.passes)
            && (self.min.lanes..=self.max.lanes).contains(&cost.lanes)
    }
}

/// The text of a sealed key file, with salt and nonce from the operating system.
pub fn seal(key: &PrivateKey, passphrase: &Passphrase) -> Result<Zeroizing<String>> {
    seal_with(key, passphrase, Cost::DEFAULT, &mut |buffer| {
        getrandom::fill(buffer)
            .map_err(|error| Error::new(ErrorKind::Io, format!("the system gives no randomness: {error}")))
    })
}

/// The text of a sealed key file; `fill` overwrites the buffer with cryptographic randomness, which is never used twice.
///
/// `usage.argument` for a cost that argon2 does not know. A cost outside [`Bounds::DEFAULT`] makes a file that [`open`] refuses.
pub fn seal_with(
    key: &PrivateKey,
    passphrase: &Passphrase,
    cost: Cost,
    fill: &mut dyn FnMut(&mut [u8]) -> Result<()>,
) -> Result<Zeroizing<String>> {
    let mut salt = [0; SALT];
    let mut nonce = [0; NONCE];
    fill(&mut salt)?;
    fill(&mut nonce)?;
    let mut file = Vec::with_capacity(HEADER + MAX_CIPHERTEXT);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&[VERSION, algorithm_number(key.public_key().algorithm()), cost.lanes]);
    file.extend_from_slice(&cost.memory_kib.to_be_bytes());
    file.extend_from_slice(&cost.passes.to_be_bytes());
    file.extend_from_slice(&salt);
    file.extend_from_slice(&nonce);
    let secret = derive(passphrase, &salt, cost).ok_or_else(|| {
        Error::argument("the cost is not one that argon2id knows, or the memory is not there")
    })?;
    // Encrypted where it lies; the capacity is there, so no copy is left behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_CIPHERTEXT));
    content.extend_from_slice(&key.to_pkcs8_der());
    XChaCha20Poly1305::new((&*secret).into())
        .encrypt_in_place(&XNonce::from(nonce), &file, &mut *content)
        .map_err(|_| Error::argument("the key is too large"))?;
    file.extend_from_slice(&content);
    Ok(Zeroizing::new(armour(&file)))
}

/// Opens what [`seal`] wrote.
///
/// One error for everything: `key_file.locked`, whether the passphrase is wrong or a byte of the file is.
pub fn open(text: &[u8], passphrase: &Passphrase) -> Result<PrivateKey> {
    open_within(text, passphrase, &Bounds::DEFAULT)
}

/// [`open`] with other bounds: for machines with little memory, and for tests.
pub fn open_within(text: &[u8], passphrase: &Passphrase, bounds: &Bounds) -> Result<PrivateKey> {
    unlock(text, passphrase, bounds).ok_or_else(|| {
        Error::new(
            ErrorKind::KeyFile,
            "the key file does not open: the passphrase is wrong, or the file is damaged",
        )
    })
}

fn unlock(text: &[u8], passphrase: &Passphrase, bounds: &Bounds) -> Option<PrivateKey> {
    let file = strip(text)?;
    let (header, ciphertext) = file.split_at_checked(HEADER)?;
    let (fixed, rest) = header.split_first_chunk::<10>()?;
    let [magic @ .., version, algorithm, lanes] = fixed;
    let (memory, rest) = rest.split_first_chunk::<4>()?;
    let (passes, rest) = rest.split_first_chunk::<4>()?;
    let (salt, nonce) = rest.split_first_chunk::<SALT>()?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let cost =
        Cost { memory_kib: u32::from_be_bytes(*memory), passes: u32::from_be_bytes(*passes), lanes: *lanes };
    let known = magic == MAGIC && *version == VERSION && bounds.admit(cost);
    if !known || !(TAG..=MAX_CIPHERTEXT).contains(&ciphertext.len()) {
        return None;
    }
    let secret = derive(passphrase, salt, cost)?;
    let mut content = Zeroizing::new(ciphertext.to_vec());
    XChaCha20Poly1305::new((&*secret).into())
        .decrypt_in_place(&XNonce::from(nonce), header, &mut *content)
        .ok()?;
    let key = PrivateKey::from_pkcs8_der(&content).ok()?;
    (algorithm_number(key.public_key().algorithm()) == *algorithm).then_some(key)
}

fn algorithm_number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Es256 => 1,
        Algorithm::EdDsa => 2,
        _ => 0,
    }
}

/// 32 bytes from the passphrase; `None` for a cost that cannot be paid.
fn derive(passphrase: &Passphrase, salt: &[u8; SALT], cost: Cost) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes.into(), Some(32)).ok()?;
    let mut memory = Zeroizing::new(Vec::<Block>::new());
    memory.try_reserve_exact(params.block_count()).ok()?;
    memory.resize(params.block_count(), Block::new());
    let mut secret = Zeroizing::new([0; 32]);
    Argon2::new(Variant::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *secret, memory.as_mut_slice())
        .ok()?;
    Some(secret)
}

fn armour(file: &[u8]) -> String {
    let base64 = base64_encode(file);
    let mut text = String::with_capacity(MAX_TEXT);
    text.push_str(BEGIN);
    for (index, character) in base64.chars().enumerate() {
        if index % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

/// The bytes in the armour. Exactly one text stands for them, so that no change of a file goes unnoticed.
fn strip(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let body = text.strip_prefix(BEGIN.as_bytes())?.strip_suffix(b"\n")?.strip_suffix(END.as_bytes())?;
    let base64: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\n').collect();
    let file = base64_decode(&base64)?;
    (armour(&file).as_bytes() == text).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 32, passes: 1, lanes: 4 };
    const ANY: Bounds = Bounds { min: Cost { memory_kib: 8, passes: 1, lanes: 1 }, max: Bounds::DEFAULT.max };
    const MESSAGE: &str =
        "key_file.locked: the key file does not open: the passphrase is wrong, or the file is damaged";

    fn key(algorithm: Algorithm) -> PrivateKey {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(3);
            Ok(())
        };
        PrivateKey::generate(algorithm, fill).unwrap()
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    fn sealed(algorithm: Algorithm, cost: Cost) -> Zeroizing<String> {
        let mut next = 0;
        seal_with(&key(algorithm), &passphrase("correct horse"), cost, &mut |buffer| {
            buffer.iter_mut().for_each(|byte| {
                next += 1;
                *byte = next;
            });
            Ok(())
        })
        .unwrap()
    }

    fn message(text: &[u8]) -> String {
        open_within(text, &passphrase("correct horse"), &ANY).unwrap_err().to_string()
    }

    #[test]
    fn both_algorithms() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let text = sealed(algorithm, CHEAP);
            assert!(text.lines().all(|line| line.len() <= 64));
            let key = open_within(text.as_bytes(), &passphrase("correct horse"), &ANY).unwrap();
            assert_eq!(key.public_key(), tests::key(algorithm).public_key());
            for wrong in ["correct horse ", "Correct horse", "c"] {
                let error = open_within(text.as_bytes(), &passphrase(wrong), &ANY).unwrap_err();
                assert_eq!(error.to_string(), MESSAGE);
            }
        }
    }

    #[test]
    fn the_default_cost_is_within_the_default_bounds() {
        let text = seal(&key(Algorithm::EdDsa), &passphrase("x")).unwrap();
        assert!(open(text.as_bytes(), &passphrase("x")).is_ok());
        assert_eq!(open(text.as_bytes(), &passphrase("y")).unwrap_err().to_string(), MESSAGE);
        assert_ne!(
            *seal(&key(Algorithm::EdDsa), &passphrase("x")).unwrap(),
            *text,
            "salt and nonce are new each time"
        );
    }

    /// Each of the text's bytes in each of the ways in which one bit, or the whole byte, can be wrong.
    #[test]
    fn every_change_gives_the_same_error() {
        let text = sealed(Algorithm::Es256, CHEAP).as_bytes().to_vec();
        for index in 0..text.len() {
            for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut changed = text.clone();
                changed[index] ^= flip;
                assert_eq!(message(&changed), MESSAGE, "byte {index} ^ {flip:02x}");
            }
            assert_eq!(message(&text[..index]), MESSAGE, "cut at {index}");
            for inserted in [b'\n', b'A', b' '] {
                let mut longer = text.clone();
                longer.insert(index, inserted);
                assert_eq!(message(&longer), MESSAGE, "inserted at {index}");
            }
            let mut shorter = text.clone();
            shorter.remove(index);
            assert_eq!(message(&shorter), MESSAGE, "removed at {index}");
        }
        for more in ["\n", " ", "\r\n", "x", "\0"] {
            assert_eq!(message(&[&text, more.as_bytes()].concat()), MESSAGE);
        }
        assert_eq!(message(&text.repeat(2)), MESSAGE);
        assert_eq!(message(String::from_utf8(text).unwrap().replace('\n', "\r\n").as_bytes()), MESSAGE);
    }

    /// The same inside the armour, where a change keeps the text well-formed: every byte of the file is authenticated.
    #[test]
    fn every_byte_is_authenticated() {
        let text = sealed(Algorithm::EdDsa, CHEAP);
        let file = strip(text.as_bytes()).unwrap();
        for index in 0..file.len() {
            for flip in [0x01, 0x80] {
                let mut changed = file.clone();
                changed[index] ^= flip;
                assert_eq!(message(armour(&changed).as_bytes()), MESSAGE, "byte {index}");
            }
            assert_eq!(message(armour(&file[..index]).as_bytes()), MESSAGE, "cut at {index}");
        }
        assert_eq!(message(armour(&[&file[..], b"x"].concat()).as_bytes()), MESSAGE);
        assert_eq!(message(armour(&vec![0; 4000]).as_bytes()), MESSAGE);
    }

    #[test]
    fn costs_are_bounded_on_both_sides() {
        let text = sealed(Algorithm::EdDsa, CHEAP);
        assert_eq!(open(text.as_bytes(), &passphrase("correct horse")).unwrap_err().to_string(), MESSAGE);
        let Bounds { min, max } = Bounds::DEFAULT;
        for (cost, fine) in [
            (min, true),
            (max, true),
            (Cost { memory_kib: min.memory_kib - 1, ..min }, false),
            (Cost { passes: 1, ..min }, false),
            (Cost { lanes: 0, ..min }, false),
            (Cost { memory_kib: max.memory_kib + 1, ..min }, false),
            (Cost { passes: u32::MAX, ..min }, false),
            (Cost { lanes: 17, ..max }, false),
        ] {
            assert_eq!(Bounds::DEFAULT.admit(cost), fine, "{cost:?}");
        }
        // A file that asks for 4 TiB is refused before anything is allocated.
        let mut file = strip(text.as_bytes()).unwrap();
        file[10..14].copy_from_slice(&u32::MAX.to_be_bytes());
        let start = std::time::Instant::now();
        assert_eq!(open(armour(&file).as_bytes(), &passphrase("x")).unwrap_err().to_string(), MESSAGE);
        assert!(start.elapsed().as_secs() < 10);
        for cost in [Cost { memory_kib: 7, ..CHEAP }, Cost { passes: 0, ..CHEAP }, Cost { lanes: 0, ..CHEAP }]
        {
            let sealed = seal_with(&key(Algorithm::EdDsa), &passphrase("x"), cost, &mut |_| Ok(()));
            assert_eq!(sealed.unwrap_err().code(), "usage.argument");
        }
    }
}
