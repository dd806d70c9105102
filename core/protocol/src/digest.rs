//! Body digests: the `Content-Digest` values of RFC 9530, for PROTOCOL §2 `content_digest`.

use crate::encoding::base64_encode;
use sha2::{Digest, Sha256};

/// The SHA-256 of a body, as receipts and feedback name it (PROTOCOL §§10, 11).
pub fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// The SHA-256 of a body that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    state: Sha256,
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.state.update(piece);
    }

    /// The hash of everything so far.
    pub fn finish(&self) -> [u8; 32] {
        self.state.clone().finalize().into()
    }
}

/// The RFC 9530 value of a body: `sha-256=:<base64>:`.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64_encode(&sha256(body)))
}

/// Whether a claimed digest describes the body whose digest is `actual`.
///
/// Both are RFC 9530 dictionaries. At least one algorithm must occur in both, and every one that does must agree.
pub fn digests_agree(claimed: &str, actual: &str) -> bool {
    let (Some(claimed), Some(actual)) = (members(claimed), members(actual)) else { return false };
    let mut shared = 0_usize;
    for (name, value) in &claimed {
        if let Some((_, other)) = actual.iter().find(|(candidate, _)| candidate == name) {
            if other != value {
                return false;
            }
            shared += 1;
        }
    }
    shared > 0
}

/// The members of a dictionary of byte sequences (RFC 8941), at most four; `None` when it is malformed.
fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for part in text.split(',') {
        let (name, value) = part.trim_matches([' ', '\t']).split_once('=')?;
        let value = value.strip_prefix(':')?.strip_suffix(':')?;
        let name_ok = !name.is_empty()
            && name.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b'*')
            });
        if !name_ok
            || crate::encoding::base64_decode(value.as_bytes()).is_none()
            || found.iter().any(|(seen, _)| *seen == name)
            || found.len() == 4
        {
            return None;
        }
        found.push((name, value));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_only_on_a_shared_algorithm() {
        let hello = content_digest(b"hello");
        assert_eq!(hello, "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
        assert!(digests_agree(&hello, &hello));
        assert!(digests_agree(&format!("{hello}, sha-512=:AAAA:"), &hello));
        assert!(!digests_agree("sha-512=:AAAA:", &hello));
        assert!(!digests_agree(&content_digest(b"hullo"), &hello));
        for bad in [
            "",
            "sha-256",
            "sha-256=x",
            "sha-256=:",
            "=::",
            "sha-256=:A:",
            "SHA-256=:AAAA:",
            "a=:AAAA:,a=:AAAA:",
        ] {
            assert!(!digests_agree(bad, bad), "{bad}");
        }
    }
}
