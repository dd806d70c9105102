//! ECDSA over P-256 with SHA-256: encodings, signing, verification (FIPS 186-5, SEC 1, RFC 5480, RFC 5915, RFC 6979).

use super::signing;
use ::p256::ecdsa::signature::Signer as _;
use ::p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use ::p256::pkcs8::der::asn1::{BitStringRef, ContextSpecific, OctetStringRef};
use ::p256::pkcs8::der::{self, Decode, Reader, SliceReader, Tag, TagNumber};
use ::p256::pkcs8::{AssociatedOid, ObjectIdentifier};
use zeroize::Zeroizing;

/// `id-ecPublicKey` (RFC 5480 §2.1.1).
pub(super) const KEY_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
pub(super) const CURVE_OID: ObjectIdentifier = ::p256::NistP256::OID;

// DER has one encoding for each thing, so a SubjectPublicKeyInfo of a named curve is a constant followed by the
// point. Comparing with the constant is the whole parser: other curves, explicit parameters, wrong lengths and
// trailing data differ from it.
const SPKI_UNCOMPRESSED: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const SPKI_COMPRESSED: &[u8] = &[
    0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00,
];

// PKCS#8 version 1 around an ECPrivateKey with public key, as OpenSSL writes it: HEAD d MIDDLE point.
const PKCS8_HEAD: &[u8] = &[
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
    0x04, 0x20,
];
const PKCS8_MIDDLE: &[u8] = &[0xa1, 0x44, 0x03, 0x42, 0x00];

/// Reads a SubjectPublicKeyInfo. `None`: not this algorithm and curve. `Some(None)`: not a point of the curve.
pub(super) fn from_spki(spki: &[u8]) -> Option<Option<VerifyingKey>> {
    let point = spki.strip_prefix(SPKI_UNCOMPRESSED).or_else(|| spki.strip_prefix(SPKI_COMPRESSED))?;
    Some(from_point(point))
}

/// Reads an uncompressed (65 bytes, 04) or compressed (33 bytes, 02 or 03) SEC 1 point, and no other form: the identity
/// (00), the hybrid forms (06, 07), the compact form (05) and points off the curve are `None`.
pub(super) fn from_point(point: &[u8]) -> Option<VerifyingKey> {
    match (point.first()?, point.len()) {
        (0x04, 65) | (0x02 | 0x03, 33) => VerifyingKey::from_sec1_bytes(point).ok(),
        _ => None,
    }
}

/// Builds the key from big-endian coordinates; `None` when they are not on the curve or not reduced.
pub(super) fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Option<VerifyingKey> {
    from_point(&[&[0x04], x.as_slice(), y.as_slice()].concat())
}

/// The SubjectPublicKeyInfo with the uncompressed point (91 bytes).
pub(super) fn to_spki(key: &VerifyingKey) -> Vec<u8> {
    [SPKI_UNCOMPRESSED, key.to_sec1_point(false).as_bytes()].concat()
}

/// The big-endian coordinates `(x, y)`.
pub(super) fn coordinates(key: &VerifyingKey) -> ([u8; 32], [u8; 32]) {
    let point = key.to_sec1_point(false);
    let part =
        |bytes: Option<&_>| bytes.map(|bytes: &::p256::FieldBytes| (*bytes).into()).unwrap_or_default();
    (part(point.x()), part(point.y()))
}

#[cfg(all(feature = "aws-lc", not(target_family = "wasm")))]
pub(super) use super::aws_lc::verify;

/// Verifies `r ‖ s`. High-s is accepted; r or s equal to 0 or ≥ n is not. Variable time: everything here is public.
#[cfg(not(all(feature = "aws-lc", not(target_family = "wasm"))))]
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    use ::p256::ecdsa::signature::Verifier as _;
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// Signs with the nonce of RFC 6979 and returns `r ‖ s`, low-s.
pub(super) fn sign(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    #[cfg(all(feature = "aws-lc", not(target_family = "wasm")))]
    if let Some(&[signature]) = signing::sign(key, &[message]).as_deref() {
        return signature.normalize_s().to_bytes().into();
    }
    let signed: Result<Signature, _> = key.try_sign(message);
    // The one error is r = 0 or s = 0, which nobody has a message for; zeros never verify.
    signed.map_or([0; 64], |signature| signature.normalize_s().to_bytes().into())
}

/// [`sign`] of each message, in order, for less than one by one.
pub(super) fn sign_batch(key: &SigningKey, messages: &[&[u8]]) -> Vec<[u8; 64]> {
    let mut signatures = Vec::with_capacity(messages.len());
    for some in messages.chunks(signing::MOST) {
        let shared = if some.len() > 1 { signing::sign(key, some) } else { None };
        match shared {
            Some(made) => {
                signatures.extend(made.iter().map(|one| <[u8; 64]>::from(one.normalize_s().to_bytes())))
            }
            None => signatures.extend(some.iter().map(|message| sign(key, message))),
        }
    }
    signatures
}

/// The low-s form of `r ‖ s`; bytes that are no signature come back unchanged.
pub(super) fn low_s(bytes: &[u8; 64]) -> [u8; 64] {
    Signature::from_slice(bytes).map_or(*bytes, |signature| signature.normalize_s().to_bytes().into())
}

/// `r ‖ s` of a DER signature.
pub(super) fn signature_from_der(der: &[u8]) -> Option<[u8; 64]> {
    Signature::from_der(der).ok().map(|signature| signature.to_bytes().into())
}

/// The DER form of `r ‖ s`.
pub(super) fn signature_to_der(bytes: &[u8; 64]) -> Option<Vec<u8>> {
    Signature::from_slice(bytes).ok().map(|signature| signature.to_der().as_bytes().to_vec())
}

/// Builds the private key from its big-endian scalar; `None` when it is 0 or ≥ n.
pub(super) fn from_scalar(scalar: &[u8; 32]) -> Option<SigningKey> {
    SigningKey::from_slice(scalar).ok()
}

/// An `ECPrivateKey` (RFC 5915 §3), undecoded.
struct EcPrivateKey<'a> {
    scalar: &'a [u8],
    curve: Option<ObjectIdentifier>,
    public: Option<&'a [u8]>,
}

/// Reads an `ECPrivateKey`. Inside PKCS#8 the curve is named outside and may be left out here; alone it must be named,
/// or the 32 bytes could belong to any 256-bit curve. A public key that contradicts the scalar is refused.
pub(super) fn from_ec_private_key(der: &[u8], curve_is_known: bool) -> Option<SigningKey> {
    let EcPrivateKey { scalar, curve, public } = read_ec_private_key(der).ok()?;
    let curve_fits = curve.map_or(curve_is_known, |curve| curve == CURVE_OID);
    let key = from_scalar(scalar.try_into().ok()?)?;
    let public_fits = public.is_none_or(|point| from_point(point).as_ref() == Some(key.verifying_key()));
    (curve_fits && public_fits).then_some(key)
}

fn read_ec_private_key(bytes: &[u8]) -> der::Result<EcPrivateKey<'_>> {
    let mut reader = SliceReader::new(bytes)?;
    let key = reader.sequence(|reader| {
        if u8::decode(reader)? != 1 {
            return Err(der::Error::from(Tag::Integer.value_error()));
        }
        let scalar = <&OctetStringRef>::decode(reader)?.as_bytes();
        // Explicit curve parameters are a SEQUENCE, not an OID, and fail here.
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber(0))?;
        let public = ContextSpecific::<BitStringRef<'_>>::decode_explicit(reader, TagNumber(1))?;
        let public = public.map(|bits| bits.value.as_bytes().ok_or_else(|| Tag::BitString.value_error()));
        Ok(EcPrivateKey { scalar, curve: curve.map(|oid| oid.value), public: public.transpose()? })
    })?;
    reader.finish()?;
    Ok(key)
}

/// The PKCS#8 form, byte for byte what OpenSSL writes (138 bytes).
pub(super) fn to_pkcs8(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    let scalar = Zeroizing::new(key.to_bytes());
    let point = key.verifying_key().to_sec1_point(false);
    Zeroizing::new([PKCS8_HEAD, scalar.as_slice(), PKCS8_MIDDLE, point.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;

    const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const N_MINUS_1: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
    const P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    // The generator.
    const GX: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    const GY: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    fn bytes(hex: &str) -> [u8; 32] {
        hex_decode(hex.as_bytes()).unwrap()
    }

    fn point(tag: u8, parts: &[&str]) -> Vec<u8> {
        core::iter::once(tag).chain(parts.iter().flat_map(|part| bytes(part))).collect()
    }

    #[test]
    fn points_have_two_forms() {
        let uncompressed = from_point(&point(4, &[GX, GY])).unwrap();
        assert_eq!(from_point(&point(3, &[GX])), Some(uncompressed));
        assert_eq!(from_coordinates(&bytes(GX), &bytes(GY)), Some(uncompressed));
        assert_eq!(coordinates(&uncompressed), (bytes(GX), bytes(GY)));
        assert_ne!(from_point(&point(2, &[GX])), Some(uncompressed));
    }

    #[test]
    fn other_points_are_refused() {
        let zero = "0".repeat(64);
        for wrong in [
            vec![],
            vec![0], // identity
            vec![0; 33],
            vec![0; 65],
            point(4, &[&zero, &zero]),
            point(5, &[GX]),     // compact
            point(6, &[GX, GY]), // hybrid
            point(7, &[GX, GY]),
            point(2, &[GX, GY]), // lengths that do not belong to the tag
            point(4, &[GX]),
            point(4, &[GX, GX]), // off the curve
            point(4, &[GX, P]),  // not reduced
            point(4, &[P, GY]),
            point(2, &[P]),
            point(2, &["0000000000000000000000000000000000000000000000000000000000000001"]), // no such x
            [point(4, &[GX, GY]), vec![0]].concat(),
        ] {
            assert_eq!(from_point(&wrong), None, "{wrong:02x?}");
        }
    }

    #[test]
    fn scalars_lie_between_0_and_n() {
        assert!(from_scalar(&[0; 32]).is_none());
        assert!(from_scalar(&bytes(N)).is_none());
        assert!(from_scalar(&[0xff; 32]).is_none());
        assert!(from_scalar(&bytes(N_MINUS_1)).is_some());
    }

    #[test]
    fn r_and_s_out_of_range_do_not_verify() {
        let key = from_scalar(&[7; 32]).unwrap();
        let good = sign(&key, b"m");
        assert!(verify(key.verifying_key(), b"m", &good));
        for bad in [[0; 32], bytes(N), [0xff; 32]] {
            for half in [0, 32] {
                let mut signature = good;
                signature[half..half + 32].copy_from_slice(&bad);
                assert!(!verify(key.verifying_key(), b"m", &signature));
            }
        }
    }

    #[test]
    fn high_s_verifies_and_is_never_made() {
        let key = from_scalar(&[9; 32]).unwrap();
        for number in 0..32u8 {
            let low = sign(&key, &[number]);
            assert_eq!(low_s(&low), low);
            let signature = Signature::from_slice(&low).unwrap();
            let high = Signature::from_scalars(signature.r(), -signature.s()).unwrap();
            assert!(verify(key.verifying_key(), &[number], &high.to_bytes().into()));
            assert_eq!(low_s(&high.to_bytes().into()), low);
        }
    }
}
