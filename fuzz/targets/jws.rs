//! Tokens: nothing verifies but the one token that the key signed. Key sets: what is accepted is within bounds and reads back.
#![no_main]

use imagxp::agent_id::AgentId;
use imagxp::amount::Amount;
use imagxp::crypto::{Algorithm, Jws};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::jwks::{Jwk, JwkSet};
use imagxp::policy::Money;
use imagxp::token::{MAX_TOKEN_BYTES, TokenExpectation, verify_token};
use imagxp::visa::{NewVisa, issue};
use imagxp_fuzz::{AGENT, NOW, key};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GOOD: LazyLock<(String, JwkSet)> = LazyLock::new(|| {
    let broker = key(Algorithm::Es256, 9);
    let mut jwk = broker.public_key().to_jwk();
    jwk.insert("kid", broker.public_key().thumbprint().as_str().to_owned());
    let mut set = Object::new();
    set.insert("keys", vec![Value::Object(jwk)]);
    let visa = NewVisa {
        issuer: "https://broker.example",
        audience: "https://example.org",
        agent_id: &AgentId::parse(AGENT, false).expect("a public domain"),
        key: None,
        jti: "visa-0001",
        issued_at: NOW,
        lifetime_s: 600,
        paid: &Money { amount: Amount::parse("0.05").expect("an amount"), currency: "USD".into() },
        purposes: &[],
        max_uses: 1,
    };
    (
        issue(&visa, &broker).expect("a good visa"),
        JwkSet::parse(&object_to_canonical(&set)).expect("a good set"),
    )
});

/// PROTOCOL §8: a set has bounds, each `kid` names one key of it, and written by us it is the same set.
fn is_bounded(bytes: &[u8], set: &JwkSet) {
    assert!(bytes.len() <= 64 * 1024 && set.keys().len() + set.skipped() <= 32);
    let write = |one: &Jwk| {
        let mut jwk = one.key().to_jwk();
        assert!(jwk.get("d").is_none(), "a public key with a secret");
        if let Some(kid) = one.kid() {
            assert!(set.find(kid).is_some_and(|found| found.key() == one.key()), "two keys of one name");
            jwk.insert("kid", kid.to_owned());
        }
        Value::Object(jwk)
    };
    let mut written = Object::new();
    written.insert("keys", set.keys().iter().map(write).collect::<Vec<_>>());
    let again = JwkSet::parse(&object_to_canonical(&written)).expect("what we write we can read");
    assert_eq!((again.keys().len(), again.skipped()), (set.keys().len(), 0), "a key was lost");
    for (one, other) in set.keys().iter().zip(again.keys()) {
        assert!(one.kid() == other.kid() && one.key() == other.key());
        assert_eq!(one.key().thumbprint().as_str(), other.key().thumbprint().as_str());
    }
}

fuzz_target!(init: is_bounded(b"", &GOOD.1), |data: &[u8]| {
    let (good, keys) = &*GOOD;
    let Some((mode, rest)) = data.split_first() else { return };
    let token: Vec<u8> = match mode % 3 {
        0 => rest.to_vec(),
        // The good token with bytes overwritten, cut off or repeated.
        1 => {
            let mut token = good.clone().into_bytes();
            for edit in rest.chunks_exact(3) {
                let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % token.len();
                token[place] ^= edit[2];
            }
            token
        }
        _ => {
            let cut = usize::from(rest.first().copied().unwrap_or(0)) * 4 % good.len();
            [&good.as_bytes()[..cut], rest, &good.as_bytes()[cut..]].concat()
        }
    };
    let parsed = Jws::parse(&token, MAX_TOKEN_BYTES);
    let expect = TokenExpectation { issuer: Some("https://broker.example"), ..TokenExpectation::default() };
    let verified = verify_token(&token, keys, &expect, NOW);
    if verified.is_ok() {
        let parsed = parsed.expect("what verifies can be parsed");
        let original = Jws::parse(good.as_bytes(), MAX_TOKEN_BYTES).expect("the good token");
        assert_eq!(parsed.signing_input(), original.signing_input(), "a token verifies that nobody signed");
    } else {
        assert_ne!(token, good.as_bytes(), "the good token is refused");
    }
    if let Ok(set) = JwkSet::parse(rest) {
        is_bounded(rest, &set);
    }
});
