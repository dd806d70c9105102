//! Tests of `key.rs`.

use super::*;
use crate::crypto::fixtures::*;
use crate::encoding::{base64url_encode, hex_decode};
use crate::error::ErrorKind;
use proptest::prelude::*;

fn from_seed(algorithm: Algorithm, seed: [u8; 32]) -> PrivateKey {
    PrivateKey::generate(algorithm, &mut |buffer| {
        buffer.copy_from_slice(&seed);
        Ok(())
    })
    .unwrap()
}

fn der_of(pem: &str) -> Vec<u8> {
    let (_, block) = pem.rsplit_once("-----BEGIN ").unwrap();
    let body: String = block.lines().skip(1).filter(|line| !line.starts_with('-')).collect();
    base64_decode(body.as_bytes()).unwrap()
}

fn is_key_malformed<T: fmt::Debug>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::Protocol(Code::KeyMalformed))
}

#[test]
fn algorithm_names() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
        assert_eq!(algorithm.to_string(), algorithm.as_str());
    }
    for name in ["", "es256", "ES256 ", "eddsa", "Ed25519", "ES384", "none", "HS256"] {
        assert_eq!(Algorithm::from_name(name), None);
    }
}

#[test]
fn every_form_of_an_openssl_key_is_the_same_key() {
    let public = PublicKey::from_pem(P256_PUBLIC).unwrap();
    assert_eq!(public.algorithm(), Algorithm::Es256);
    assert_eq!(PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap(), public);
    let scalar: [u8; 32] = hex_decode(P256_SCALAR.as_bytes()).unwrap();
    for text in [P256_PKCS8, P256_SEC1, P256_SEC1_COMPRESSED, P256_SEC1_WITHOUT_PUBLIC] {
        let key = PrivateKey::from_pem(text).unwrap();
        assert_eq!(*key.public_key(), public);
        assert_eq!(*key.to_pem(), P256_PKCS8);
        assert_eq!(*key.to_pkcs8_der(), der_of(P256_PKCS8));
    }
    assert_eq!(*from_seed(Algorithm::Es256, scalar).public_key(), public);
    assert_eq!(public.to_pem(), P256_PUBLIC);
    assert_eq!(public.to_spki_der(), der_of(P256_PUBLIC));

    let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
    assert_eq!((key.algorithm(), &*key.to_pem()), (Algorithm::EdDsa, &ED25519_PKCS8.to_owned()));
    assert_eq!(key.public_key().to_pem(), ED25519_PUBLIC);
    assert_eq!(PublicKey::from_pem(ED25519_PUBLIC).unwrap(), *key.public_key());
}

#[test]
fn openssl_signatures_verify() {
    let der: Vec<u8> = (0..P256_SIGNATURE_DER.len() / 2)
        .map(|at| u8::from_str_radix(&P256_SIGNATURE_DER[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let signature = Signature::from_ecdsa_der(&der).unwrap();
    assert!(PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap().verify(MESSAGE, &signature));
    let signature = Signature::from_hex(ED25519_SIGNATURE.as_bytes()).unwrap();
    let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
    assert!(key.public_key().verify(MESSAGE, &signature));
    assert_eq!(key.sign(MESSAGE), signature);
}

#[test]
fn other_keys_are_refused() {
    for text in [
        RSA_PKCS8,
        P384_PKCS8,
        SECP256K1_PKCS8,
        SECP256K1_SEC1,
        X25519_PKCS8,
        ED448_PKCS8,
        P256_PKCS8_EXPLICIT,
        P256_SEC1_EXPLICIT,
        P256_PKCS8_ENCRYPTED,
        P256_SEC1_ENCRYPTED,
        P256_PUBLIC,
        "",
    ] {
        assert!(is_key_malformed(PrivateKey::from_pem(text)), "{text}");
    }
    for text in [RSA_PUBLIC, P384_PUBLIC, P256_PUBLIC_EXPLICIT, P256_PUBLIC_HYBRID, P256_PKCS8, ""] {
        assert!(is_key_malformed(PublicKey::from_pem(text)), "{text}");
    }
}

#[test]
fn sec1_must_name_its_curve_and_pkcs8_need_not() {
    let without_curve = |scalar: &[u8]| [&[0x30, 0x25, 2, 1, 1, 4, 0x20], scalar].concat();
    let inner = without_curve(&[5; 32]);
    assert!(p256::from_ec_private_key(&inner, false).is_none());
    assert!(p256::from_ec_private_key(&inner, true).is_some());
    let other_curve = [&[0x30, 0x2e], &inner[2..], &[0xa0, 7, 6, 5, 0x2b, 0x81, 4, 0, 0x0a]].concat();
    assert!(p256::from_ec_private_key(&other_curve, true).is_none(), "secp256k1 inside, P-256 outside");
    let version_2 = [&[0x30, 0x25, 2, 1, 2], &inner[5..]].concat();
    let short = [&[0x30, 0x24, 2, 1, 1, 4, 0x1f], [5; 31].as_slice()].concat();
    for wrong in [version_2, short, [&inner, [0].as_slice()].concat(), without_curve(&[0; 32])] {
        assert!(p256::from_ec_private_key(&wrong, true).is_none());
    }
}

#[test]
fn a_contradicting_public_key_is_refused() {
    // Inside the ECPrivateKey: the last 64 bytes are the point.
    let mut der = der_of(P256_PKCS8);
    let other = from_seed(Algorithm::Es256, [1; 32]);
    der[74..].copy_from_slice(&other.public_key().to_spki_der()[27..]);
    assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der)));
    *der.last_mut().unwrap() ^= 1;
    assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der)), "not even a point");

    // Beside it: version 2 with [1] publicKey, RFC 8410 §10.3.
    let key = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
    let version_2 = |point: &[u8]| {
        let v1 = key.to_pkcs8_der();
        [&[0x30, 0x51, 2, 1, 1], &v1[5..], &[0x81, 0x21, 0], point].concat()
    };
    let own = &key.public_key().to_spki_der()[12..];
    assert_eq!(PrivateKey::from_pkcs8_der(&version_2(own)).unwrap().public_key(), key.public_key());
    let other = from_seed(Algorithm::EdDsa, [1; 32]);
    assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&version_2(
        &other.public_key().to_spki_der()[12..]
    ))));
    assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&version_2(&[0; 32]))));
}

#[test]
fn der_is_exact() {
    for text in [P256_PKCS8, ED25519_PKCS8] {
        let der = der_of(text);
        assert!(PrivateKey::from_pkcs8_der(&der).is_ok());
        for length in 0..der.len() {
            assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&der[..length])));
        }
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&[&der, [0].as_slice()].concat())));
        assert!(is_key_malformed(PrivateKey::from_pkcs8_der(&vec![0x30; MAX_PRIVATE_DER + 1])));
    }
    for text in [P256_PUBLIC, P256_PUBLIC_COMPRESSED, ED25519_PUBLIC] {
        let der = der_of(text);
        let key = PublicKey::from_spki_der(&der).unwrap();
        for length in 0..der.len() {
            assert!(is_key_malformed(PublicKey::from_spki_der(&der[..length])));
        }
        assert!(is_key_malformed(PublicKey::from_spki_der(&[&der, [0].as_slice()].concat())));
        for bit in 0..8 * der.len() {
            let mut flipped = der.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match PublicKey::from_spki_der(&flipped) {
                Ok(other) => assert_ne!(other, key),
                refused => assert!(is_key_malformed(refused)),
            }
        }
    }
}

#[test]
fn an_spki_hint_is_compared_as_bytes() {
    let key = PublicKey::from_pem(P256_PUBLIC).unwrap();
    assert!(key.spki_der_matches(&der_of(P256_PUBLIC)));
    for other in [
        der_of(P256_PUBLIC_COMPRESSED),
        der_of(ED25519_PUBLIC),
        vec![],
        [der_of(P256_PUBLIC), vec![0]].concat(),
    ] {
        assert!(!key.spki_der_matches(&other));
    }
}

#[test]
fn spki_text_is_base64_of_either_alphabet() {
    let key = PublicKey::from_pem(P256_PUBLIC).unwrap();
    let standard = key.to_spki_base64();
    let url = base64url_encode(key.to_spki_der());
    for text in [standard.as_str(), standard.trim_end_matches('='), &url] {
        assert_eq!(PublicKey::from_spki_base64(text.as_bytes()).unwrap(), key);
    }
    for text in ["", "*", &format!("{standard} "), P256_PUBLIC, &"A".repeat(MAX_SPKI_BASE64 + 1)] {
        assert!(is_key_malformed(PublicKey::from_spki_base64(text.as_bytes())));
    }
}

#[test]
fn generate_draws_again_and_gives_up() {
    let mut draws = 0;
    let key = PrivateKey::generate(Algorithm::Es256, &mut |buffer| {
        draws += 1;
        buffer.fill(if draws < 3 { 0xff } else { 1 });
        Ok(())
    });
    assert_eq!((key.unwrap().algorithm(), draws), (Algorithm::Es256, 3));
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let mut draws = 0;
        let broken = PrivateKey::generate(algorithm, &mut |_| {
            draws += 1;
            Ok(())
        });
        assert_eq!((broken.unwrap_err().kind(), draws), (ErrorKind::Argument, MAX_GENERATE_TRIES));
        let failed = PrivateKey::generate(algorithm, &mut |_| Err(Error::argument("no entropy")));
        assert_eq!(failed.unwrap_err().message(), "no entropy");
    }
}

#[test]
fn nothing_shows_the_secret() {
    let seed = [0xab; 32];
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let key = from_seed(algorithm, seed);
        let shown = format!("{key:?} {key:#?} {:?}", key.public_key());
        assert!(shown.contains("redacted") && shown.contains(key.public_key().thumbprint().as_str()));
        assert!(!shown.to_lowercase().contains("abab") && !shown.contains("171, 171"));
    }
    let text = P256_PKCS8.replace("6vKp", "6vK*");
    let shown = format!("{:?}", PrivateKey::from_pem(&text).unwrap_err());
    assert!(!shown.contains("6vK"), "{shown}");
}

#[test]
#[expect(clippy::mutable_key_type, reason = "a thumbprint that is made later changes nothing about its key")]
fn keys_are_values() {
    let (one, same, other) = (
        PublicKey::from_pem(P256_PUBLIC).unwrap(),
        PublicKey::from_pem(P256_PUBLIC_COMPRESSED).unwrap(),
        PublicKey::from_pem(ED25519_PUBLIC).unwrap(),
    );
    let set = std::collections::HashSet::from([one.clone(), same, one.clone(), other]);
    assert_eq!(set.len(), 2);
    assert!(Arc::ptr_eq(&one.0, &one.clone().0));
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&one);
    shared(&from_seed(Algorithm::Es256, [1; 32]));
}

#[test]
fn a_key_of_one_algorithm_refuses_signatures_of_the_other() {
    let keys = [Algorithm::Es256, Algorithm::EdDsa].map(|algorithm| from_seed(algorithm, [3; 32]));
    for signer in &keys {
        for key in &keys {
            let dynamic: &dyn Signer = signer;
            let signature = dynamic.sign(b"m").unwrap();
            assert_eq!(key.public_key().verify(b"m", &signature), key.algorithm() == signer.algorithm());
            assert_eq!(dynamic.public_key(), signer.public_key());
        }
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Es256), Just(Algorithm::EdDsa)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sign_and_verify(algorithm in algorithm(), seed: [u8; 32], message: Vec<u8>, bit in 0..512usize, other: Vec<u8>) {
        prop_assume!(seed[0] != 0xff && seed != [0; 32]);
        let key = from_seed(algorithm, seed);
        let public = key.public_key();
        let signature = key.sign(&message);
        prop_assert_eq!(key.sign(&message), signature, "deterministic");
        prop_assert_eq!(signature.normalized(algorithm), signature, "low-s");
        prop_assert!(public.verify(&message, &signature));
        prop_assert_eq!(public.verify(&other, &signature), other == message);
        let mut flipped = *signature.as_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!public.verify(&message, &Signature::from_bytes(flipped)));
        let mut changed = message.clone();
        changed.push(0);
        prop_assert!(!public.verify(&changed, &signature));
        if let Some(byte) = changed.get_mut(bit % (message.len() + 1)) {
            *byte ^= 1 << (bit % 8);
            prop_assert!(!public.verify(&changed, &signature));
        }
    }

    #[test]
    fn encodings_round_trip(algorithm in algorithm(), seed: [u8; 32]) {
        prop_assume!(seed[0] != 0xff && seed != [0; 32]);
        let key = from_seed(algorithm, seed);
        let public = key.public_key();
        for again in [PrivateKey::from_pkcs8_der(&key.to_pkcs8_der()).unwrap(), PrivateKey::from_pem(&key.to_pem()).unwrap()] {
            prop_assert_eq!(again.public_key(), public);
            prop_assert_eq!(&*again.to_pkcs8_der(), &*key.to_pkcs8_der());
            prop_assert_eq!(again.sign(b"m"), key.sign(b"m"));
        }
        for again in [
            PublicKey::from_spki_der(public.to_spki_der()),
            PublicKey::from_spki_base64(public.to_spki_base64().as_bytes()),
            PublicKey::from_pem(&public.to_pem()),
            PublicKey::from_jwk(&public.to_jwk()),
        ] {
            let again = again.unwrap();
            prop_assert_eq!(&again, public);
            prop_assert_eq!(again.thumbprint(), public.thumbprint());
            prop_assert!(again.spki_der_matches(public.to_spki_der()));
        }
    }

    #[test]
    fn readers_never_panic(bytes: Vec<u8>, at in 0..200usize, with: u8, cut in 0..200usize) {
        let _ = (PublicKey::from_spki_der(&bytes), PublicKey::from_spki_base64(&bytes), PrivateKey::from_pkcs8_der(&bytes));
        for text in [P256_PKCS8, P256_SEC1, ED25519_PKCS8, RSA_PKCS8, P256_PKCS8_EXPLICIT, P256_PUBLIC_COMPRESSED] {
            let mut der = der_of(text);
            let length = der.len();
            der[at % length] = with;
            for der in [&der[..], &der[..cut % length], &der[cut % length..]] {
                let _ = (PublicKey::from_spki_der(der), PrivateKey::from_pkcs8_der(der));
                let _ = (p256::from_ec_private_key(der, true), ed25519::from_curve_private_key(der).is_some());
            }
        }
    }
}
