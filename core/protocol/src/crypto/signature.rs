//! The one signature encoding of the protocol (PROTOCOL §3).

use super::{Algorithm, p256};
use crate::encoding::{hex_decode, hex_encode};
use core::fmt;

/// A signature: 64 bytes, `r ‖ s` big-endian for ES256, the RFC 8032 encoding for Ed25519.
///
/// A signature is public, and never an identifier: an ES256 signature has a second valid form (high-s), which
/// verification accepts because JOSE and WebCrypto produce it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes. Whether they are a possible signature is for [`super::PublicKey::verify`] to say.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Reads exactly 128 hex digits of either case. DER, base64 and `0x` are `None` (`sig.malformed`).
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        hex_decode(text).map(Self)
    }

    /// Reads the DER form of an ECDSA P-256 signature (RFC 3279 §2.2.3), which is what most KMS answer.
    ///
    /// For [`super::Signer`] implementations only: DER is not a wire form of this protocol. Anything but strict DER
    /// with r and s in 1..n is `None`.
    pub fn from_ecdsa_der(der: &[u8]) -> Option<Self> {
        p256::signature_from_der(der).map(Self)
    }

    /// The DER form of an ECDSA P-256 signature, which C2SP signed notes carry; `None` when r or s is 0 or ≥ n.
    pub(crate) fn to_ecdsa_der(self) -> Option<Vec<u8>> {
        p256::signature_to_der(&self.0)
    }

    /// Writes 128 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex_encode(&self.0)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The form that our signers send: low-s for ES256, unchanged for Ed25519.
    ///
    /// Bytes that are no ECDSA signature (r or s is 0 or ≥ n) are returned unchanged; they will not verify.
    #[must_use]
    pub fn normalized(self, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self(p256::low_s(&self.0)),
            Algorithm::EdDsa => self,
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.to_hex())
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
    use super::*;
    use crate::crypto::PublicKey;
    use crate::crypto::fixtures::{MESSAGE, P256_PUBLIC, P256_SIGNATURE_DER};
    use proptest::prelude::*;

    const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const HALF_N: &str = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";
    const HALF_N_PLUS_1: &str = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9";
    const ONE: &str = "0000000000000000000000000000000000000000000000000000000000000001";

    fn signature(r: &str, s: &str) -> Signature {
        Signature::from_hex(format!("{r}{s}").as_bytes()).unwrap()
    }

    #[test]
    fn hex_is_the_only_encoding() {
        let hex = "0123456789abcdefABCDEF".repeat(6)[..128].to_owned();
        let read = Signature::from_hex(hex.as_bytes()).unwrap();
        assert_eq!(read.to_hex(), hex.to_lowercase());
        assert_eq!(Signature::from_bytes(*read.as_bytes()), read);
        assert_eq!(format!("{read:?}"), format!("Signature({})", hex.to_lowercase()));
        let base64 = crate::encoding::base64_encode(read.as_bytes());
        for text in [
            "",
            &hex[..127],
            &hex[..126],
            &format!("{hex}0"),
            &format!("{hex}00"),
            &format!("0x{}", &hex[2..]),
            &format!("0x{hex}"),
            &format!(" {}", &hex[1..]),
            &format!("{}g", &hex[1..]),
            &base64,
            P256_SIGNATURE_DER,
        ] {
            assert_eq!(Signature::from_hex(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn der_of_a_kms_is_converted() {
        let der = hex(P256_SIGNATURE_DER);
        let signature = Signature::from_ecdsa_der(&der).unwrap();
        assert!(PublicKey::from_pem(P256_PUBLIC).unwrap().verify(MESSAGE, &signature));
        let trailing = [der.as_slice(), &[0]].concat();
        let long_form = [&[0x30, 0x81, 0x45], &der[2..]].concat();
        for bytes in
            [&[], &der[1..], &der[..70], trailing.as_slice(), &long_form, &[0x30, 6, 2, 1, 0, 2, 1, 1]]
        {
            assert_eq!(Signature::from_ecdsa_der(bytes), None);
        }
    }

    #[test]
    fn normalized_is_low_s_for_es256_only() {
        for (s, low) in [(ONE, ONE), (HALF_N, HALF_N), (HALF_N_PLUS_1, HALF_N)] {
            assert_eq!(signature(ONE, s).normalized(Algorithm::Es256), signature(ONE, low));
            assert_eq!(signature(ONE, s).normalized(Algorithm::EdDsa), signature(ONE, s));
        }
        let zero = "0".repeat(64);
        for (r, s) in [(ONE, N), (N, HALF_N_PLUS_1), (&zero, HALF_N_PLUS_1), (ONE, &zero)] {
            assert_eq!(signature(r, s).normalized(Algorithm::Es256), signature(r, s));
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(head: [u8; 32], tail: [u8; 32]) {
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&head);
            bytes[32..].copy_from_slice(&tail);
            let once = Signature::from_bytes(bytes).normalized(Algorithm::Es256);
            prop_assert_eq!(once.normalized(Algorithm::Es256), once);
            prop_assert_eq!(Signature::from_hex(once.to_hex().as_bytes()), Some(once));
        }

        #[test]
        fn readers_never_panic(bytes: Vec<u8>) {
            let _ = (Signature::from_hex(&bytes), Signature::from_ecdsa_der(&bytes));
        }
    }
}
