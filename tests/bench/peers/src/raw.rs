//! The signature alone, by each library at its quickest: the key is read once, each message is another one.

use crate::worker::{Row, Rows, timed};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::EncodePrivateKey as _;
use std::hint::black_box;

/// The bytes of a claim as the core's rows have it.
const SIZE: usize = 290;

pub fn add(rows: &mut Rows) {
    rows.add("raw/aws-lc-rs/verify", || {
        let (pair, random) = pair();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).unwrap();
        verify(
            move |message| pair.sign(&random, message).unwrap().as_ref().to_vec(),
            move |message, signature| key.verify_sig(message, signature).is_ok(),
        )
    });
    rows.add("raw/ring/verify", || {
        let (pair, random) = pair();
        let key = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            pair.public_key().as_ref().to_vec(),
        );
        verify(
            move |message| pair.sign(&random, message).unwrap().as_ref().to_vec(),
            move |message, signature| key.verify(message, signature).is_ok(),
        )
    });
    rows.add("raw/p256/verify", || {
        let signing = scalar();
        let key = *signing.verifying_key();
        verify(
            move |message| {
                let signature: p256::ecdsa::Signature = signing.sign(message);
                signature.to_bytes().to_vec()
            },
            move |message, signature| {
                let signature = p256::ecdsa::Signature::from_slice(signature).unwrap();
                key.verify(message, &signature).is_ok()
            },
        )
    });
    rows.add("raw/openssl/verify", || {
        let (pair, random) = pair();
        let key = openssl::ec::EcKey::private_key_from_der(&openssl_key()).unwrap();
        verify(
            move |message| pair.sign(&random, message).unwrap().as_ref().to_vec(),
            move |message, signature| {
                let number = |half: &[u8]| BigNum::from_slice(half).unwrap();
                let signature =
                    EcdsaSig::from_private_components(number(&signature[..32]), number(&signature[32..]))
                        .unwrap();
                signature.verify(&openssl::sha::sha256(message), &key).unwrap()
            },
        )
    });
    rows.add("raw/aws-lc-rs/sign", || {
        let (pair, random) = pair();
        sign(move |message| pair.sign(&random, message).unwrap().as_ref()[0])
    });
    rows.add("raw/ring/sign", || {
        let random = ring::rand::SystemRandom::new();
        let pair = ring::signature::EcdsaKeyPair::from_pkcs8(
            &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar().to_pkcs8_der().unwrap().as_bytes(),
            &random,
        );
        let pair = pair.unwrap();
        sign(move |message| pair.sign(&random, message).unwrap().as_ref()[0])
    });
    rows.add("raw/p256/sign", || {
        let key = scalar();
        sign(move |message| {
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes()[0]
        })
    });
    rows.add("raw/openssl/sign", || {
        let key = openssl::ec::EcKey::private_key_from_der(&openssl_key()).unwrap();
        sign(move |message| {
            EcdsaSig::sign(&openssl::sha::sha256(message), &key).unwrap().r().num_bytes() as u8
        })
    });
}

fn scalar() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

/// The same key for aws-lc-rs.
pub fn pair() -> (EcdsaKeyPair, SystemRandom) {
    let der = scalar().to_pkcs8_der().unwrap();
    (EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_bytes()).unwrap(), SystemRandom::new())
}

fn openssl_key() -> Vec<u8> {
    let pem = scalar().to_pkcs8_pem(Default::default()).unwrap();
    let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).unwrap();
    key.ec_key().unwrap().private_key_to_der().unwrap()
}

/// Another message each time.
fn messages(count: usize) -> Vec<Vec<u8>> {
    let message = |number: usize| [number.to_le_bytes().as_slice(), &[b'x'; SIZE - 8]].concat();
    (0..count).map(message).collect()
}

fn verify(sign: impl Fn(&[u8]) -> Vec<u8> + 'static, check: impl Fn(&[u8], &[u8]) -> bool + 'static) -> Row {
    Box::new(move |count| {
        let signed: Vec<(Vec<u8>, Vec<u8>)> = messages(count)
            .into_iter()
            .map(|message| (sign(&message), message))
            .map(|(signature, message)| (message, signature))
            .collect();
        let (message, mut bad) = signed[0].clone();
        bad[40] ^= 1;
        assert!(!check(&message, &bad), "it accepts everything");
        timed(|| {
            for (message, signature) in &signed {
                assert!(check(black_box(message), black_box(signature)));
            }
        })
    })
}

fn sign(act: impl Fn(&[u8]) -> u8 + 'static) -> Row {
    Box::new(move |count| {
        let messages = messages(count);
        timed(|| messages.iter().for_each(|message| _ = black_box(act(black_box(message)))))
    })
}
