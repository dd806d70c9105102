//! The other back end (feature `aws-lc`): P-256 by AWS-LC's assembly, for keys that no table has been made for, and for signing. Tests have
//! it always, for another opinion.
//!
//! Same inputs, same verdicts, same bytes: signatures have the nonce of RFC 6979, so AWS-LC's own ECDSA, whose nonces are random, signs
//! nothing here. It multiplies the generator, which is most of the work; the scalars are p256's (`signing.rs`).

use ::p256::FieldBytes;
use ::p256::ecdsa::VerifyingKey;
use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// As `p256::verify`; r or s equal to 0 or ≥ n does not verify, high-s does.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let point = key.to_sec1_point(false);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes()).verify(message, signature).is_ok()
}

/// The x of a scalar's multiple of the generator; `None` when the scalar is none, or AWS-LC has run out of memory.
pub(super) fn x_of_multiple(scalar: &FieldBytes) -> Option<FieldBytes> {
    let point = agreement::PrivateKey::from_private_key(&ECDH_P256, scalar.as_slice())
        .ok()?
        .compute_public_key()
        .ok()?;
    Some(FieldBytes::from(*point.as_ref().get(1..)?.first_chunk::<32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::p256::ProjectivePoint;
    use ::p256::ecdsa::signature::{Signer as _, Verifier as _};
    use ::p256::ecdsa::{Signature, SigningKey};
    use ::p256::elliptic_curve::point::AffineCoordinates as _;

    #[test]
    fn both_back_ends_multiply_and_verify_alike() {
        for number in 1..=64u8 {
            let key = SigningKey::from_slice(&[number; 32]).unwrap();
            let message = vec![number; usize::from(number) * 7];
            let scalar = key.as_nonzero_scalar();
            let multiple = (ProjectivePoint::GENERATOR * scalar.as_ref()).to_affine();
            assert_eq!(x_of_multiple(&scalar.to_bytes()), Some(multiple.x()));
            let plain: Signature = key.sign(&message);
            let bytes = plain.to_bytes().into();
            assert!(verify(key.verifying_key(), &message, &bytes));
            assert!(key.verifying_key().verify(&message, &plain).is_ok());
            let mut bad: [u8; 64] = bytes;
            bad[usize::from(number % 64)] ^= 1;
            assert!(!verify(key.verifying_key(), &message, &bad));
        }
    }
}
