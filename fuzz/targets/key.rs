//! Keys in every form: what is accepted can be written in each form and reads back as the same key.
#![no_main]

use imagxp::crypto::{PrivateKey, PublicKey, Signature};
use imagxp::json::{Limits, parse_object};
use libfuzzer_sys::fuzz_target;

fn public(key: &PublicKey) {
    let thumbprint = key.thumbprint();
    for again in [
        PublicKey::from_spki_der(key.to_spki_der()),
        PublicKey::from_spki_base64(key.to_spki_base64().as_bytes()),
        PublicKey::from_pem(&key.to_pem()),
        PublicKey::from_jwk(&key.to_jwk()),
    ] {
        let again = again.expect("what we write we can read");
        assert!(again == *key && again.thumbprint() == thumbprint);
    }
    assert!(!key.verify(b"message", &Signature::from_bytes([0; 64])));
    assert!(!key.verify(b"message", &Signature::from_bytes([255; 64])));
}

fn private(key: &PrivateKey) {
    public(key.public_key());
    let again = PrivateKey::from_pkcs8_der(&key.to_pkcs8_der()).expect("what we write we can read");
    assert!(again.public_key() == key.public_key());
    assert!(
        PrivateKey::from_pem(&key.to_pem()).expect("what we write we can read").public_key()
            == key.public_key()
    );
    let signature = key.sign(b"message");
    assert!(
        key.public_key().verify(b"message", &signature) && !key.public_key().verify(b"massage", &signature)
    );
}

fuzz_target!(|data: &[u8]| {
    let Some((form, data)) = data.split_first() else { return };
    let text = || core::str::from_utf8(data).unwrap_or_default();
    let object = || parse_object(data, &Limits::JWKS).unwrap_or_default();
    match form % 8 {
        0 => drop(PublicKey::from_spki_der(data).map(|key| public(&key))),
        1 => drop(PublicKey::from_spki_base64(data).map(|key| public(&key))),
        2 => drop(PublicKey::from_pem(text()).map(|key| public(&key))),
        3 => drop(PublicKey::from_jwk(&object()).map(|key| public(&key))),
        4 => drop(PrivateKey::from_pkcs8_der(data).map(|key| private(&key))),
        5 => drop(PrivateKey::from_pem(text()).map(|key| private(&key))),
        6 => drop(PrivateKey::from_jwk(&object()).map(|key| private(&key))),
        _ => {
            if let Some(signature) = Signature::from_ecdsa_der(data) {
                assert_eq!(Signature::from_hex(signature.to_hex().as_bytes()), Some(signature));
            }
        }
    }
});
