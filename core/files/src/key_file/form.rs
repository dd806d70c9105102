//! Telling the forms of keys apart: sealed, PEM, JWK, DER, and the base64 of manifests.

use super::{Passphrase, open, seal};
use imagxp::crypto::{PrivateKey, PublicKey};
use imagxp::json::{Limits, parse_object};
use imagxp::{Code, Error, Result};

/// Whether this is a sealed key file, perhaps a damaged one.
pub fn is_sealed(content: &[u8]) -> bool {
    // No single damage hides both ends.
    contains(content, seal::BEGIN.trim_matches('-')) || contains(content, seal::END.trim_matches('-'))
}

/// Reads a private key in any form: sealed, PEM (PKCS#8, SEC 1), JWK or PKCS#8 DER. The passphrase is asked for when the file is sealed.
pub fn read(content: &[u8], passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<PrivateKey> {
    match Form::of(content) {
        Form::Sealed => open(content, &passphrase()?),
        Form::Jwk => parse_object(content, &Limits::JWKS)
            .map_err(Error::from)
            .and_then(|jwk| PrivateKey::from_jwk(&jwk)),
        Form::Pem(text) => PrivateKey::from_pem(text),
        Form::Der => PrivateKey::from_pkcs8_der(content),
        Form::Base64(_) => Err(Error::protocol(Code::KeyMalformed, "not a private key")),
    }
}

/// Reads the public half of any key: besides the forms of [`read`] a public PEM, JWK, SPKI DER, or its base64.
pub fn read_public(content: &[u8], passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<PublicKey> {
    let of = |key: PrivateKey| key.public_key().clone();
    match Form::of(content) {
        Form::Sealed => open(content, &passphrase()?).map(of),
        Form::Jwk => {
            let jwk = parse_object(content, &Limits::JWKS)?;
            match jwk.get("d") {
                Some(_) => PrivateKey::from_jwk(&jwk).map(of),
                None => PublicKey::from_jwk(&jwk),
            }
        }
        Form::Pem(text) if text.contains("PRIVATE KEY-----") => PrivateKey::from_pem(text).map(of),
        Form::Pem(text) => PublicKey::from_pem(text),
        Form::Der => {
            PublicKey::from_spki_der(content).or_else(|_| PrivateKey::from_pkcs8_der(content).map(of))
        }
        Form::Base64(text) => PublicKey::from_spki_base64(text),
    }
}

/// What a key file looks like.
enum Form<'a> {
    Sealed,
    Jwk,
    Pem(&'a str),
    Der,
    Base64(&'a [u8]),
}

impl<'a> Form<'a> {
    fn of(content: &'a [u8]) -> Self {
        let trimmed = content.trim_ascii();
        match std::str::from_utf8(content) {
            _ if is_sealed(content) => Self::Sealed,
            Ok(text) if text.contains("-----BEGIN ") => Self::Pem(text),
            _ if trimmed.starts_with(b"{") => Self::Jwk,
            // The tag of an ASN.1 SEQUENCE is also the digit `0`, with which no SubjectPublicKeyInfo in base64 begins.
            _ if content.first() == Some(&0x30) => Self::Der,
            _ => Self::Base64(trimmed),
        }
    }
}

fn contains(content: &[u8], word: &str) -> bool {
    content.windows(word.len()).any(|window| window == word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{Cost, seal_with};
    use super::*;
    use imagxp::crypto::Algorithm;
    use imagxp::json::object_to_canonical;

    #[test]
    fn every_form_is_the_same_key() {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(3);
            Ok(())
        };
        let none = || Err(Error::argument("not asked"));
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let key = PrivateKey::generate(algorithm, fill).unwrap();
            let public = key.public_key();
            for content in [key.to_pem().as_bytes(), &key.to_pkcs8_der()] {
                assert_eq!(read(content, none).unwrap().public_key(), public);
                assert_eq!(read_public(content, none).unwrap(), *public);
            }
            let jwk = object_to_canonical(&public.to_jwk());
            let base64 = format!("{}\n", public.to_spki_base64());
            for content in [public.to_pem().as_bytes(), public.to_spki_der(), &jwk, base64.as_bytes()] {
                assert_eq!(read_public(content, none).unwrap(), *public);
                assert_eq!(read(content, none).unwrap_err().code(), "key.malformed");
            }
            let passphrase = || Passphrase::new("x");
            let sealed = seal_with(&key, &passphrase().unwrap(), Cost::DEFAULT, fill).unwrap();
            assert_eq!(read(sealed.as_bytes(), passphrase).unwrap().public_key(), public);
            assert_eq!(read_public(sealed.as_bytes(), passphrase).unwrap(), *public);
            assert_eq!(read(sealed.as_bytes(), none).unwrap_err().message(), "not asked");
            let damaged = sealed.replace("BEGIN IMAGXP", "BEGIN IMAGXQ");
            assert_eq!(read(damaged.as_bytes(), passphrase).unwrap_err().code(), "key_file.locked");
        }
    }
}
