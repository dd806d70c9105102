//! The other back end (feature `aws-lc`): P-256 by AWS-LC's assembly, for keys that no table has been made for, and for signing.
//!
//! Same inputs, same verdicts, same bytes: signatures have the nonce of RFC 6979, so AWS-LC's own ECDSA, whose nonces are random, signs
//! nothing here. It multiplies the generator, which is most of the work; the scalars are p256's.

use ::p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use ::p256::elliptic_curve::ops::{Invert, Reduce};
use ::p256::elliptic_curve::{Curve, PrimeField};
use ::p256::{FieldBytes, NistP256, NonZeroScalar, Scalar, U256};
use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// As `p256::verify`; r or s equal to 0 or ≥ n does not verify, high-s does.
pub(super) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let point = key.to_sec1_point(false);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes()).verify(message, signature).is_ok()
}

/// `r ‖ s` as `p256::sign` makes it, before low-s; `None` when AWS-LC refuses (it has run out of memory) or r or s is 0.
pub(super) fn sign(key: &SigningKey, message: &[u8]) -> Option<Signature> {
    let hash: [u8; 32] = Sha256::digest(message).into();
    let private = key.as_nonzero_scalar();
    let secret = Zeroizing::new(private.to_repr());
    let order = NistP256::ORDER;
    let mut bytes = Zeroizing::new(FieldBytes::default());
    rfc6979::KGenerator::<Sha256, U256>::new(secret.as_slice(), &hash, &[], &order)
        .fill_next_k(bytes.as_mut_slice());
    let nonce = Zeroizing::new(Option::<NonZeroScalar>::from(NonZeroScalar::from_repr(*bytes))?);
    let reduced =
        |bytes: &[u8]| -> Option<Scalar> { Some(Scalar::reduce(&U256::from_be_slice(bytes.get(..32)?))) };
    let point = agreement::PrivateKey::from_private_key(&ECDH_P256, bytes.as_slice())
        .ok()?
        .compute_public_key()
        .ok()?;
    let r = reduced(point.as_ref().get(1..33)?)?;
    let s = *nonce.invert() * (reduced(&hash)? + r * private.as_ref());
    Signature::from_scalars(r, s).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::p256::ecdsa::signature::{Signer as _, Verifier as _};

    #[test]
    fn both_back_ends_make_the_same_signatures_and_accept_them() {
        for number in 1..=64u8 {
            let key = SigningKey::from_slice(&[number; 32]).unwrap();
            let message = vec![number; usize::from(number) * 7];
            let plain: Signature = key.sign(&message);
            assert_eq!(sign(&key, &message), Some(plain));
            let bytes = plain.to_bytes().into();
            assert!(verify(key.verifying_key(), &message, &bytes));
            assert!(key.verifying_key().verify(&message, &plain).is_ok());
            let mut bad: [u8; 64] = bytes;
            bad[usize::from(number % 64)] ^= 1;
            assert!(!verify(key.verifying_key(), &message, &bad));
        }
    }
}
