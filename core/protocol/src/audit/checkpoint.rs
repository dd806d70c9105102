//! Checkpoints: the state of a log, signed (C2SP signed-note and tlog-checkpoint).

use super::{altered, malformed};
use crate::crypto::{Algorithm, PublicKey, Signature, Signer};
use crate::encoding::{base64_decode, base64_encode};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

/// The largest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 16 * 1024;

/// The most signatures of a note that are read; the specification asks for 16 at least.
const MAX_SIGNATURES: usize = 32;
const MAX_ORIGIN: usize = 255;
const DASH: &str = "\u{2014} ";
/// The public key of an Ed25519 SubjectPublicKeyInfo is its last 32 bytes (RFC 8410 §4).
const ED25519_BYTES: usize = 32;

/// How many entries a log has, and the root of the tree over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, a URL without scheme such as `pub.example/imagxp-audit`; also the name of its key.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The Merkle tree hash.
    pub root: [u8; 32],
    /// Extension lines; our logs write none.
    pub extensions: Vec<String>,
}

/// A checkpoint as it was received, before or after its signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
    text: String,
    /// Key name, key id, signature bytes.
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

/// The key id of a signed note: Ed25519 is signature type 0x01, ECDSA with SHA-256 is type 0x02, whose id is that of its
/// SubjectPublicKeyInfo.
pub fn key_id(name: &str, key: &PublicKey) -> [u8; 4] {
    let spki = key.to_spki_der();
    let hash: [u8; 32] = match key.algorithm() {
        Algorithm::Es256 => Sha256::digest(spki).into(),
        Algorithm::EdDsa => {
            let raw = spki.len().checked_sub(ED25519_BYTES).and_then(|start| spki.get(start..));
            Sha256::new()
                .chain_update(name)
                .chain_update([b'\n', 1])
                .chain_update(raw.unwrap_or_default())
                .finalize()
                .into()
        }
    };
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// Whether a log may have this name: visible, no space, no plus, at most 255 bytes.
fn is_origin(origin: &str) -> bool {
    !origin.is_empty()
        && origin.len() <= MAX_ORIGIN
        && !origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, base64_encode(&self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Signs the checkpoint: a note with one signature, whose key has the name of the log.
    ///
    /// Ed25519 signatures are of type 0x01; ES256 ones of type 0x02, in DER. Errors: `usage.argument`, `usage.signer`.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String> {
        let lines_ok =
            self.extensions.iter().all(|line| !line.is_empty() && !line.contains(char::is_control));
        if !is_origin(&self.origin) || !lines_ok {
            return Err(Error::argument(format!(
                "`{}` is not the name of a log",
                self.origin.escape_debug()
            )));
        }
        let text = self.text();
        let key = signer.public_key();
        let signature = signer.sign(text.as_bytes())?.normalized(key.algorithm());
        let mut bytes = key_id(&self.origin, key).to_vec();
        match key.algorithm() {
            Algorithm::EdDsa => bytes.extend_from_slice(signature.as_bytes()),
            Algorithm::Es256 => bytes.extend_from_slice(
                &signature.to_ecdsa_der().ok_or_else(|| Error::argument("the signer answers nonsense"))?,
            ),
        }
        Ok(format!("{text}\n{DASH}{} {}\n", self.origin, base64_encode(&bytes)))
    }
}

impl SignedCheckpoint {
    /// Reads a note. Error: `audit.malformed`.
    pub fn parse(note: &[u8]) -> Result<Self> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(malformed("the checkpoint is too long"));
        }
        let note = core::str::from_utf8(note).map_err(|_| malformed("the checkpoint is not UTF-8"))?;
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(malformed("the checkpoint has control characters"));
        }
        let (text, signatures) =
            note.rsplit_once("\n\n").ok_or_else(|| malformed("the checkpoint has no signature"))?;
        let signatures =
            signatures.strip_suffix('\n').ok_or_else(|| malformed("the checkpoint ends too early"))?;
        let signatures: Vec<_> =
            signatures.split('\n').take(MAX_SIGNATURES + 1).map(signature_line).collect::<Result<_>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(malformed("the checkpoint has too many signatures"));
        }
        let checkpoint = Self::body(text).ok_or_else(|| malformed("it is no checkpoint"))?;
        Ok(Self { checkpoint, note: note.to_owned(), text: format!("{text}\n"), signatures })
    }

    fn body(text: &str) -> Option<Checkpoint> {
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|origin| is_origin(origin))?;
        let size = lines.next().filter(|size| {
            (*size == "0" || !size.starts_with('0')) && size.bytes().all(|b| b.is_ascii_digit())
        })?;
        let root = lines.next()?;
        let root_bytes = strict_base64(root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return None;
        }
        Some(Checkpoint {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: root_bytes.try_into().ok()?,
            extensions,
        })
    }

    /// What the checkpoint says. Nothing vouches for it before [`SignedCheckpoint::verify`].
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note as it was read.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The number of signatures, by whomever.
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// Verifies that one of these keys, under the log's name, signed. Signatures of other keys are passed over, as the specification asks.
    ///
    /// Returns the key. Error: `audit.altered` when a signature of one of the keys does not verify, or none of them signed.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Result<&'k PublicKey> {
        let mut found = None;
        for (name, id, bytes) in &self.signatures {
            if *name != self.checkpoint.origin {
                continue;
            }
            for key in keys.iter().filter(|key| key_id(name, key) == *id) {
                let signature = match key.algorithm() {
                    Algorithm::EdDsa => {
                        <[u8; 64]>::try_from(bytes.as_slice()).ok().map(Signature::from_bytes)
                    }
                    Algorithm::Es256 => Signature::from_ecdsa_der(bytes),
                };
                if !signature.is_some_and(|signature| key.verify(self.text.as_bytes(), &signature)) {
                    return Err(altered("the checkpoint's signature does not verify"));
                }
                found = Some(key);
            }
        }
        found.ok_or_else(|| altered("the checkpoint is not signed by a key of the log"))
    }
}

fn signature_line(line: &str) -> Result<(String, [u8; 4], Vec<u8>)> {
    let read = || {
        let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = strict_base64(bytes)?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        (is_origin(name) && !signature.is_empty()).then(|| (name.to_owned(), *id, signature.to_vec()))
    };
    read().ok_or_else(|| malformed("the checkpoint has a bad signature line"))
}

/// Standard base64 with padding and nothing else: a second spelling would be a change that nobody finds.
fn strict_base64(text: &str) -> Option<Vec<u8>> {
    base64_decode(text.as_bytes()).filter(|bytes| base64_encode(bytes) == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    fn key(algorithm: Algorithm, seed: u8) -> PrivateKey {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(seed);
            Ok(())
        };
        PrivateKey::generate(algorithm, fill).unwrap()
    }

    fn sample() -> Checkpoint {
        Checkpoint { origin: "pub.example/audit".into(), size: 7, root: [9; 32], extensions: Vec::new() }
    }

    /// The example of the signed-note specification: key id and signature of a key whose public half stands in no document are not
    /// checked, but its shape is.
    #[test]
    fn shape_of_the_published_example() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
                    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let read = SignedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!((read.checkpoint().size, read.signatures()), (20_852_163, 1));
        assert_eq!(read.checkpoint().text(), note.split("\n\n").next().unwrap().to_owned() + "\n");
        assert!(read.verify(&[key(Algorithm::EdDsa, 1).public_key().clone()]).is_err());
    }

    #[test]
    fn signed_with_either_algorithm_and_every_bit_counts() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
            let key = key(algorithm, 1);
            let keys = [key.public_key().clone()];
            let note = sample().sign(&key).unwrap();
            let read = SignedCheckpoint::parse(note.as_bytes()).unwrap();
            assert_eq!(read.checkpoint(), &sample());
            assert_eq!(read.verify(&keys).unwrap(), &keys[0]);
            for at in 0..note.len() {
                for bit in 0..8 {
                    let mut bent = note.clone().into_bytes();
                    bent[at] ^= 1 << bit;
                    let accepted =
                        SignedCheckpoint::parse(&bent).is_ok_and(|read| read.verify(&keys).is_ok());
                    assert!(!accepted, "{algorithm} byte {at} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn other_signatures_are_passed_over_but_one_is_needed() {
        let (ours, theirs) = (key(Algorithm::EdDsa, 1), key(Algorithm::Es256, 2));
        let note = sample().sign(&ours).unwrap();
        let witness = "\u{2014} witness.example AAAAAAAAAAA=\n";
        let both = format!("{note}{witness}");
        let read = SignedCheckpoint::parse(both.as_bytes()).unwrap();
        assert!(read.verify(&[theirs.public_key().clone(), ours.public_key().clone()]).is_ok());
        assert_eq!(read.verify(&[theirs.public_key().clone()]).unwrap_err().code(), "audit.altered");
        assert!(SignedCheckpoint::parse(format!("{note}{}", witness.repeat(40)).as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_checkpoint() {
        let note = sample().sign(&key(Algorithm::EdDsa, 1)).unwrap();
        for bad in [
            note.replace("\n7\n", "\n07\n"),
            note.replace("\n7\n", "\n+7\n"),
            note.replace("\n7\n", "\n99999999999999999999\n"),
            note.replace("\n7\n", "\n\n7\n"),
            note.replace("Qk=\n", "Ql=\n"),
            note.replace("\n\n", "\n"),
            note.replace('\u{2014}', "-"),
            note.trim_end().into(),
            format!("{note}\n"),
            String::new(),
            "x".repeat(MAX_NOTE_BYTES + 1),
        ] {
            assert_eq!(
                SignedCheckpoint::parse(bad.as_bytes()).unwrap_err().code(),
                "audit.malformed",
                "{bad}"
            );
        }
        for origin in ["", "a b", "a+b", "a\nb", &"x".repeat(256)] {
            let checkpoint = Checkpoint { origin: origin.into(), ..sample() };
            assert_eq!(checkpoint.sign(&key(Algorithm::EdDsa, 1)).unwrap_err().code(), "usage.argument");
        }
    }
}
