//! Tokens that have been verified: a visa of many uses comes again and again, byte for byte.

use super::TokenClaims;
use super::verify::Typ;
use crate::jwks::JwkSet;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Tokens that are remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// The longest token that is, in bytes: together with its claims the cache takes 8 MiB at most.
const MAX_TOKEN: usize = 2048;

/// A token whose form and signature have been found good under this key set. When it ends, for whom it is and how often it may be used is
/// checked each time.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(super) typ: Typ,
    pub(crate) claims: TokenClaims,
    keys: Arc<JwkSet>,
}

impl Opened {
    pub(super) fn new(typ: Typ, claims: TokenClaims, keys: &Arc<JwkSet>) -> Self {
        Self { typ, claims, keys: Arc::clone(keys) }
    }

    /// Whether it was opened with this very key set; with another one its key may be gone.
    pub(crate) fn is_by(&self, keys: &Arc<JwkSet>) -> bool {
        Arc::ptr_eq(&self.keys, keys)
    }
}

/// Opened tokens by their bytes. Only what an issuer has signed enters.
#[derive(Debug)]
pub(crate) struct SeenTokens(LruCache<Box<[u8]>, Arc<Opened>>);

impl SeenTokens {
    pub(crate) fn new() -> Self {
        Self(LruCache::new(MOST))
    }

    pub(crate) fn get(&mut self, token: &[u8]) -> Option<Arc<Opened>> {
        self.0.get(token).map(Arc::clone)
    }

    pub(crate) fn insert(&mut self, token: &[u8], opened: &Arc<Opened>) {
        if token.len() <= MAX_TOKEN {
            self.0.put(token.into(), Arc::clone(opened));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse_object};

    #[test]
    fn the_longest_token_is_remembered_and_no_longer_one() {
        let keys = Arc::new(JwkSet::parse(br#"{"keys":[]}"#).unwrap());
        let claims = br#"{"iss":"https://broker.example","aud":"https://pub.example","iat":1772366400,"exp":1772367000}"#;
        let claims = TokenClaims::read(&parse_object(claims, &Limits::JWT).unwrap()).unwrap();
        let opened = Arc::new(Opened::new(Typ::Visa, claims, &keys));
        let mut seen = SeenTokens::new();
        for (length, kept) in [(MAX_TOKEN, true), (MAX_TOKEN + 1, false)] {
            let token = vec![b'a'; length];
            seen.insert(&token, &opened);
            assert_eq!(seen.get(&token).is_some(), kept, "{length} bytes");
        }
        // With another key set, even an equal one, it was not opened.
        assert!(opened.is_by(&keys));
        assert!(!opened.is_by(&Arc::new(JwkSet::parse(br#"{"keys":[]}"#).unwrap())));
    }
}
