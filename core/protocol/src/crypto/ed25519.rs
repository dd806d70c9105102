//! Ed25519: encodings, signing, strict verification (RFC 8032, RFC 8410).

use ::p256::pkcs8::ObjectIdentifier;
use ::p256::pkcs8::der::Decode;
use ::p256::pkcs8::der::asn1::OctetStringRef;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// `id-Ed25519` (RFC 8410 §3).
pub(super) const KEY_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

// As with P-256: a SubjectPublicKeyInfo is this constant and the 32 bytes. RFC 8410 §3 forbids parameters.
const SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
// PKCS#8 version 1, as OpenSSL writes it: HEAD seed.
const PKCS8_HEAD: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Reads a SubjectPublicKeyInfo. `None`: not this algorithm. `Some(None)`: not an acceptable point.
pub(super) fn from_spki(spki: &[u8]) -> Option<Option<VerifyingKey>> {
    Some(from_point(spki.strip_prefix(SPKI)?))
}

/// Reads a 32-byte point. Refused besides non-points: encodings that are not the point's own (y ≥ p, or a sign bit on
/// x = 0; two encodings of one key would be two keys), and points of small order, for which one signature fits
/// nearly every message.
pub(super) fn from_point(bytes: &[u8]) -> Option<VerifyingKey> {
    let bytes: &[u8; 32] = bytes.try_into().ok()?;
    let key = VerifyingKey::from_bytes(bytes).ok()?;
    (!key.is_weak() && key.to_edwards().compress().to_bytes() == *bytes).then_some(key)
}

/// The SubjectPublicKeyInfo (44 bytes).
pub(super) fn to_spki(key: &VerifyingKey) -> Vec<u8> {
    [SPKI, key.as_bytes().as_slice()].concat()
}

/// Verifies strictly: s < L, canonical R, no small-order R or key, and the cofactorless equation.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

/// Signs (deterministic).
pub(super) fn sign(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    key.try_sign(message).map_or([0; 64], |signature| signature.to_bytes())
}

/// Builds the private key from its 32-byte seed.
pub(super) fn from_seed(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(seed)
}

/// Reads a `CurvePrivateKey` (RFC 8410 §7): an OCTET STRING of 32 bytes.
pub(super) fn from_curve_private_key(der: &[u8]) -> Option<SigningKey> {
    let seed = <&OctetStringRef>::from_der(der).ok()?.as_bytes();
    Some(from_seed(seed.try_into().ok()?))
}

/// The PKCS#8 form, byte for byte what OpenSSL writes (48 bytes).
pub(super) fn to_pkcs8(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([PKCS8_HEAD, key.as_bytes().as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;

    /// The canonical encodings of the eight points of small order.
    const SMALL_ORDER: [&str; 8] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    #[test]
    fn points_of_small_order_are_refused() {
        for hex in SMALL_ORDER {
            let bytes: [u8; 32] = hex_decode(hex.as_bytes()).unwrap();
            assert!(VerifyingKey::from_bytes(&bytes).is_ok(), "{hex} is a point");
            assert_eq!(from_point(&bytes), None, "{hex}");
        }
    }

    #[test]
    fn encodings_that_are_not_reduced_are_refused() {
        let mut points = 0;
        for k in 0..19u8 {
            for sign in [0, 0x80] {
                // p + k, little-endian; p ends in 0xed.
                let mut bytes = [0xff; 32];
                bytes[0] = 0xed + k;
                bytes[31] = 0x7f | sign;
                points += usize::from(VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak()));
                assert_eq!(from_point(&bytes), None, "p + {k}");
            }
        }
        assert!(points > 0, "some of these are points that the library by itself accepts");
    }

    #[test]
    fn other_lengths_are_refused() {
        let key = from_seed(&[1; 32]).verifying_key();
        assert_eq!(from_point(key.as_bytes()), Some(key));
        assert_eq!(from_point(&key.as_bytes()[..31]), None);
        assert_eq!(from_point(&[key.as_bytes().as_slice(), &[0]].concat()), None);
        assert!(from_curve_private_key(&[[4, 32].as_slice(), &[1; 32]].concat()).is_some());
        for wrong in [
            vec![],
            vec![4, 0],
            [[4, 31].as_slice(), &[1; 31]].concat(),
            [[4, 32].as_slice(), &[1; 33]].concat(),
            [[3, 32].as_slice(), &[1; 32]].concat(),
            vec![1; 32],
        ] {
            assert!(from_curve_private_key(&wrong).is_none());
        }
    }

    #[test]
    fn s_is_reduced_and_every_bit_counts() {
        let key = from_seed(&[2; 32]);
        let good = sign(&key, b"m");
        assert!(verify(&key.verifying_key(), b"m", &good));
        // s + L is the classic second form.
        let l =
            hex_decode::<32>(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut malleated = good;
        let mut carry = 0;
        for (byte, l) in malleated[32..].iter_mut().zip(l) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!verify(&key.verifying_key(), b"m", &malleated));
        for bit in 0..512 {
            let mut flipped = good;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key.verifying_key(), b"m", &flipped), "bit {bit}");
        }
    }
}
