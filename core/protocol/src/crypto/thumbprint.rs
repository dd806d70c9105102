//! JWK thumbprints, the names of keys (RFC 7638 with SHA-256; RFC 8037 appendix A.3 for Ed25519).

use crate::encoding::{base64url_decode, base64url_encode};
use core::fmt;
use sha2::{Digest, Sha256};

const BYTES: usize = 32;
const CHARS: usize = 43;

/// The RFC 7638 SHA-256 thumbprint of a public key.
///
/// This is the `kid` of a manifest (PROTOCOL §4), the `key_id` of a verdict and the `cnf.jkt` of a visa. It is public,
/// so it is compared in ordinary time. Its text is 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint {
    bytes: [u8; BYTES],
    text: [u8; CHARS],
}

impl Thumbprint {
    /// Reads the 43-character text form; anything else, non-zero trailing bits included, is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARS {
            return None;
        }
        let bytes: [u8; BYTES] = base64url_decode(text.as_bytes())?.try_into().ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// The 43-character base64url text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The SHA-256 value itself.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.bytes
    }

    /// The thumbprint of the P-256 key with these big-endian coordinates (RFC 7638 §3.2).
    pub(super) fn of_p256(x: &[u8], y: &[u8]) -> Self {
        let (x, y) = (base64url_encode(x), base64url_encode(y));
        Self::of_json(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    /// The thumbprint of the Ed25519 key with this encoding (RFC 8037 §2).
    pub(super) fn of_ed25519(encoded: &[u8]) -> Self {
        let x = base64url_encode(encoded);
        Self::of_json(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))
    }

    fn of_json(json: &str) -> Self {
        Self::from_bytes(Sha256::digest(json.as_bytes()).into())
    }

    fn from_bytes(bytes: [u8; BYTES]) -> Self {
        let mut text = [b'A'; CHARS];
        for (to, from) in text.iter_mut().zip(base64url_encode(&bytes).bytes()) {
            *to = from;
        }
        Self { bytes, text }
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RFC8037_A3: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    #[test]
    fn matches_rfc_8037_appendix_a3() {
        let x = base64url_decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let thumbprint = Thumbprint::of_ed25519(&x);
        assert_eq!(thumbprint.as_str(), RFC8037_A3);
        assert_eq!(Thumbprint::parse(RFC8037_A3), Some(thumbprint));
        assert_eq!(
            crate::encoding::hex_encode(thumbprint.as_bytes()),
            "90facafea9b1556698540f70c0117a22ea37bd5cf3ed3c47093c1707282b4b89"
        );
        assert_eq!(format!("{thumbprint} {thumbprint:?}"), format!("{RFC8037_A3} Thumbprint({RFC8037_A3})"));
    }

    #[test]
    fn parse_refuses_every_other_spelling() {
        let last_bits_set = RFC8037_A3.replace("S4k", "S4l");
        let standard_alphabet = RFC8037_A3.replace('_', "/");
        let padded = format!("{RFC8037_A3}=");
        let spaced = format!(" {}", &RFC8037_A3[..42]);
        for text in ["", "k", &RFC8037_A3[..42], &last_bits_set, &standard_alphabet, &padded, &spaced] {
            assert_eq!(Thumbprint::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_agree(bytes: [u8; 32]) {
            let thumbprint = Thumbprint::from_bytes(bytes);
            prop_assert_eq!(thumbprint.as_str(), base64url_encode(&bytes));
            prop_assert_eq!(Thumbprint::parse(thumbprint.as_str()), Some(thumbprint));
            prop_assert_eq!(thumbprint.as_bytes(), &bytes);
        }

        #[test]
        fn parse_never_panics(text: String) {
            prop_assert!(Thumbprint::parse(&text).is_none_or(|thumbprint| thumbprint.as_str() == text));
        }
    }
}
