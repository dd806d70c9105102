//! ES256 signatures from their parts: the nonce of RFC 6979, the point that it makes, its inverse. Many at once share both inversions (Montgomery's
//! trick), and are byte for byte what is made one by one.
//!
//! A nonce is as secret as the key. All that is done with nonces takes constant time (the scalars and points of `p256`, the batch inversion
//! of `ff`, or AWS-LC's multiplication), and they, their products and their points in projective form lie in arrays that are erased.

use ::p256::ecdsa::{Signature, SigningKey};
use ::p256::elliptic_curve::Curve as _;
use ::p256::elliptic_curve::ff::{BatchInverter, PrimeField as _};
use ::p256::elliptic_curve::ops::Reduce as _;
use ::p256::{FieldBytes, NistP256, NonZeroScalar, Scalar, U256};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The most signatures that share inversions: fifteen sixteenths of what sharing can save.
pub(super) const MOST: usize = 16;

/// The signatures of at most [`MOST`] messages, `r ‖ s` before low-s.
///
/// `None`: one of them has r or s = 0, which nobody has a message for, there are too many, or AWS-LC has run out of memory.
pub(super) fn sign(key: &SigningKey, messages: &[&[u8]]) -> Option<Vec<Signature>> {
    let hashes: Vec<[u8; 32]> = messages.iter().map(|message| Sha256::digest(message).into()).collect();
    let mut nonces = Zeroizing::new([Scalar::ONE; MOST]);
    let nonces = nonces.get_mut(..hashes.len())?;
    for (to, hash) in nonces.iter_mut().zip(&hashes) {
        *to = **nonce(key, hash)?;
    }
    let points = x_of_points(nonces)?;
    let mut products = Zeroizing::new([Scalar::ONE; MOST]);
    BatchInverter::invert_with_external_scratch(nonces, products.get_mut(..hashes.len())?);
    let private = key.as_nonzero_scalar();
    let signature = |((hash, x), inverse): ((&[u8; 32], &FieldBytes), &Scalar)| {
        let r = Scalar::reduce(x);
        let s = *inverse * (Scalar::reduce(&FieldBytes::from(*hash)) + r * private.as_ref());
        Signature::from_scalars(r, s).ok()
    };
    hashes.iter().zip(&points).zip(&*nonces).map(signature).collect()
}

/// The nonce of RFC 6979 §3.2.
fn nonce(key: &SigningKey, hash: &[u8; 32]) -> Option<Zeroizing<NonZeroScalar>> {
    let secret = Zeroizing::new(key.as_nonzero_scalar().to_repr());
    let order = NistP256::ORDER;
    let mut bytes = Zeroizing::new(FieldBytes::default());
    rfc6979::KGenerator::<Sha256, U256>::new(secret.as_slice(), hash, &[], &order)
        .fill_next_k(bytes.as_mut_slice());
    Option::from(NonZeroScalar::from_repr(*bytes)).map(Zeroizing::new)
}

/// The x of each nonce's multiple of the generator.
#[cfg(not(all(feature = "aws-lc", not(target_family = "wasm"))))]
fn x_of_points(nonces: &[Scalar]) -> Option<Vec<FieldBytes>> {
    use ::p256::ProjectivePoint;
    use ::p256::elliptic_curve::BatchNormalize as _;
    use ::p256::elliptic_curve::group::Group as _;
    use ::p256::elliptic_curve::point::AffineCoordinates as _;
    let mut points = Zeroizing::new([ProjectivePoint::GENERATOR; MOST]);
    for (point, nonce) in points.iter_mut().zip(nonces) {
        *point = ProjectivePoint::mul_by_generator(nonce);
    }
    let affine = ProjectivePoint::batch_normalize(&*points);
    Some(affine.iter().take(nonces.len()).map(|point| point.x()).collect())
}

#[cfg(all(feature = "aws-lc", not(target_family = "wasm")))]
fn x_of_points(nonces: &[Scalar]) -> Option<Vec<FieldBytes>> {
    nonces.iter().map(|nonce| super::aws_lc::x_of_multiple(&Zeroizing::new(nonce.to_repr()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::p256::ecdsa::signature::Signer as _;

    #[test]
    fn many_are_what_one_by_one_are() {
        for number in 1..=24u8 {
            let key = SigningKey::from_slice(&[number; 32]).unwrap();
            let messages: Vec<Vec<u8>> = (0..usize::from(number)).map(|at| vec![number; at * 37]).collect();
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let one_by_one: Vec<Signature> = messages.iter().map(|message| key.sign(message)).collect();
            let made = sign(&key, &messages);
            assert_eq!(made, (messages.len() <= MOST).then_some(one_by_one), "{number}");
        }
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        assert_eq!(sign(&key, &[]), Some(Vec::new()));
        let same = sign(&key, &[b"m", b"m"]).unwrap();
        assert_eq!(same.first(), same.last(), "deterministic, whoever stands beside it");
    }
}
