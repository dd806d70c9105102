//! JSON Web Key Sets (RFC 7517 §5), as brokers publish them (PROTOCOL §8).

use crate::code::Code;
use crate::crypto::PublicKey;
use crate::crypto::jwk::{self, JwkError};
use crate::error::{Error, Result};
use crate::json::{self, Limits, Object};
use std::collections::HashSet;

/// Most keys in a set, those of other types included.
const MAX_KEYS: usize = 32;

/// A key of a set.
#[derive(Clone, Debug)]
pub struct Jwk {
    kid: Option<String>,
    key: PublicKey,
}

impl Jwk {
    /// The `kid`, when the key has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// A set of public signature keys.
#[derive(Clone, Debug)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    skipped: usize,
}

impl JwkSet {
    /// Reads `{"keys": [...]}`, at most 64 KiB and 32 keys.
    ///
    /// Keys of another type, curve, algorithm or use than ours are passed over and counted ([`Self::skipped`]).
    ///
    /// # Errors
    /// `key.malformed`: not a strict JSON object with an array `keys` of objects, too large, a `kid` twice, private or symmetric
    /// key material anywhere in the set, a P-256 or Ed25519 key that is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let document = json::parse_object(bytes, &Limits::JWKS)
            .map_err(|error| refused("the key set is not a strict JSON object").with_source(error))?;
        let entries = document.get("keys").and_then(|keys| keys.as_array());
        let entries = entries.ok_or_else(|| refused("the key set has no array of keys"))?;
        if entries.len() > MAX_KEYS {
            return Err(refused("the key set has more than 32 keys"));
        }
        if jwk::has_secret(&document) {
            return Err(refused("the key set holds private or symmetric key material"));
        }
        let mut set = Self { keys: Vec::with_capacity(entries.len()), skipped: 0 };
        let mut kids = HashSet::new();
        for entry in entries {
            let entry = entry.as_object().ok_or_else(|| refused("a key of the set is not an object"))?;
            set.add(entry, &mut kids)?;
        }
        Ok(set)
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The usable key with this `kid`; there is at most one.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }

    /// How many keys were passed over because they are of another type, curve, algorithm or use.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    fn add<'a>(&mut self, entry: &'a Object<'_>, kids: &mut HashSet<&'a str>) -> Result<()> {
        if jwk::has_secret(entry) {
            return Err(refused("the key set holds private or symmetric key material"));
        }
        let kid = jwk::optional(entry, "kid")?;
        if kid.is_some_and(|kid| !kids.insert(kid)) {
            return Err(refused("the key set names two keys alike"));
        }
        match jwk::public_key(entry) {
            Ok(key) => self.keys.push(Jwk { kid: kid.map(str::to_owned), key }),
            Err(JwkError::Unsupported(_)) => self.skipped += 1,
            Err(error @ JwkError::Malformed(_)) => return Err(error.into()),
        }
        Ok(())
    }
}

fn refused(message: &'static str) -> Error {
    Error::protocol(Code::KeyMalformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Algorithm, PrivateKey};
    use proptest::prelude::*;

    fn public(seed: u8, algorithm: Algorithm) -> String {
        let key = PrivateKey::generate(algorithm, &mut |buffer| {
            buffer.fill(seed);
            Ok(())
        });
        String::from_utf8(json::object_to_canonical(&key.unwrap().public_key().to_jwk())).unwrap()
    }

    /// A P-256 key with more members.
    fn with(seed: u8, more: &str) -> String {
        public(seed, Algorithm::Es256).replacen('{', &format!("{{{more},"), 1)
    }

    fn set(keys: &[String]) -> Result<JwkSet> {
        JwkSet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn keys_are_found_by_kid() {
        let parsed = set(&[
            with(1, r#""kid":"a","use":"sig","alg":"ES256""#),
            with(2, r#""kid":"b","key_ops":["verify"]"#),
            public(3, Algorithm::Es256),
            public(4, Algorithm::EdDsa),
            public(5, Algorithm::Es256),
        ])
        .unwrap();
        assert_eq!((parsed.keys().len(), parsed.skipped()), (5, 0));
        assert_eq!(parsed.find("b").unwrap().key(), parsed.keys()[1].key());
        assert_eq!(parsed.find("a").unwrap().kid(), Some("a"));
        assert!(parsed.find("c").is_none() && parsed.find("").is_none());
        assert_eq!(parsed.keys()[2].kid(), None);
        assert_eq!(parsed.keys()[3].key().algorithm(), Algorithm::EdDsa);
    }

    #[test]
    fn other_members_of_the_set_do_not_matter() {
        assert_eq!(JwkSet::parse(br#"{"keys":[],"spiffe_sequence":1}"#).unwrap().keys().len(), 0);
    }

    #[test]
    fn foreign_keys_are_passed_over_and_counted() {
        let parsed = set(&[
            r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-521","x":"","y":""}"#.to_owned(),
            with(1, r#""use":"enc","kid":"e""#),
            with(2, r#""alg":"ES384""#),
            with(3, r#""kid":"mine""#),
        ])
        .unwrap();
        assert_eq!((parsed.keys().len(), parsed.skipped()), (1, 4));
        assert!(parsed.find("mine").is_some() && parsed.find("r").is_none() && parsed.find("e").is_none());
    }

    #[test]
    fn sets_that_are_refused() {
        let rsa_private = r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#.to_owned();
        for (keys, why) in [
            (vec![with(1, r#""d":"AA""#)], "private"),
            (vec![with(1, r#""d":null"#)], "private, of whatever type"),
            (vec![with(1, r#""kid":"a""#), r#"{"kty":"oct","k":"AA"}"#.to_owned()], "symmetric"),
            (vec![with(1, r#""kid":"a""#), r#"{"kty":"oct"}"#.to_owned()], "symmetric, empty"),
            (vec![with(1, r#""k":"AA""#)], "symmetric member"),
            (vec![with(1, r#""kid":"a""#), rsa_private], "private in a key that is passed over"),
            (vec![with(1, r#""kid":"a""#), with(2, r#""kid":"a""#)], "kid twice"),
            (
                vec![with(1, r#""kid":"a""#), r#"{"kty":"RSA","kid":"a"}"#.to_owned()],
                "kid twice, one passed over",
            ),
            (vec![with(1, r#""kid":"a""#), with(2, r#""kid":"\u0061""#)], "kid twice, escaped"),
            (vec![with(1, r#""kid":7"#)], "kid not a string"),
            (vec![with(1, r#""alg":7"#)], "alg not a string"),
            (vec![public(1, Algorithm::Es256).replace("\"x\":\"", "\"x\":\"A")], "malformed"),
            (vec!["7".to_owned()], "not an object"),
            (vec!["{}".to_owned()], "no kty"),
            ((0..33).map(|seed| public(seed + 1, Algorithm::Es256)).collect(), "33 keys"),
        ] {
            let error = set(&keys).unwrap_err();
            assert_eq!(error.code(), "key.malformed", "{why}");
        }
        assert!(set(&(0..32).map(|seed| public(seed + 1, Algorithm::EdDsa)).collect::<Vec<_>>()).is_ok());
    }

    #[test]
    fn documents_that_are_refused() {
        let too_large = format!(r#"{{"keys":[],"x":"{}"}}"#, "y".repeat(64 * 1024));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"{"keys":[]}x"#,
            r#"{"keys":[],"k":"AA"}"#,
            r#"{"keys":[],"d":"AA"}"#,
            r#"{"kty":"oct","k":"AA"}"#,
            &too_large,
        ] {
            assert_eq!(JwkSet::parse(text.as_bytes()).unwrap_err().code(), "key.malformed", "{text}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(bytes: Vec<u8>, text: String, at in 0..300usize, with: u8) {
            let _ = (JwkSet::parse(&bytes), set(&[text]));
            let mut document = format!(r#"{{"keys":[{}]}}"#, public(1, Algorithm::Es256)).into_bytes();
            let length = document.len();
            document[at % length] = with;
            let _ = JwkSet::parse(&document);
        }
    }
}
