//! Tests of `jws.rs`.
#![expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]

use super::*;
use crate::crypto::PrivateKey;
use crate::crypto::fixtures::{ED25519_PKCS8, P256_PKCS8};
use crate::json::Value;
use proptest::prelude::*;

const MAX: usize = 8192;

fn key() -> PrivateKey {
    PrivateKey::from_pem(P256_PKCS8).unwrap()
}

fn extra() -> Object<'static> {
    let mut header = Object::new();
    header.insert("typ", "imagxp-visa+jwt");
    header.insert("kid", "k1");
    header
}

/// Signs whatever header text it is given.
fn forge(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url_encode(header.as_bytes()), base64url_encode(payload.as_bytes()));
    format!("{input}.{}", base64url_encode(key().sign(input.as_bytes()).as_bytes()))
}

fn error(token: &str) -> JwsError {
    Jws::parse(token.as_bytes(), MAX).unwrap_err()
}

#[test]
fn what_is_signed_verifies() {
    let token = sign(&extra(), br#"{"iss":"b"}"#, &key()).unwrap();
    assert!(token.starts_with(&base64url_encode(br#"{"alg":"ES256","kid":"k1","typ":"imagxp-visa+jwt"}"#)));
    let jws = Jws::parse(token.as_bytes(), token.len()).unwrap();
    assert_eq!(
        (jws.kid(), jws.typ(), jws.payload()),
        (Some("k1"), Some("imagxp-visa+jwt"), br#"{"iss":"b"}"#.as_slice())
    );
    assert_eq!(jws.header().get("alg").and_then(Value::as_str), Some("ES256"));
    assert_eq!(jws.claims().unwrap().get("iss").and_then(Value::as_str), Some("b"));
    assert_eq!(jws.signing_input(), token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(jws.signature().normalized(Algorithm::Es256), *jws.signature());
    assert!(jws.verify(key().public_key()));
    assert!(!jws.verify(PrivateKey::from_pem(ED25519_PKCS8).unwrap().public_key()));
    assert_eq!(sign(&extra(), br#"{"iss":"b"}"#, &key()).unwrap(), token, "deterministic");
}

#[test]
fn the_payload_is_any_bytes_and_claims_are_strict() {
    for payload in ["", "foo", "[]", r#"{"a":1,"a":2}"#, r#"{"a":{"b":{"c":{"d":{}}}}}"#, "\u{feff}{}"] {
        let token = sign(&Object::new(), payload.as_bytes(), &key()).unwrap();
        let jws = Jws::parse(token.as_bytes(), MAX).unwrap();
        assert!(jws.verify(key().public_key()));
        assert!((jws.kid(), jws.typ()) == (None, None) && jws.payload() == payload.as_bytes());
        assert!(matches!(jws.claims(), Err(JwsError::Malformed(_))), "{payload}");
    }
}

#[test]
fn malformed_tokens() {
    let good = sign(&extra(), b"{}", &key()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    assert!(Jws::parse(good.as_bytes(), good.len() - 1).is_err());
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{h}.{p}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{s}"),
        format!(".{p}.{s}"),
        format!("{h}=.{p}.{s}"),
        format!("{h}.{p}==.{s}"),
        format!("{h}.{p}.{s}=="),
        format!("{h}.{p} .{s}"),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{h}.{p}.{}", s.replace(['-', '_'], "+")).replace('.', "+."),
        format!("{h}.e31.{s}"),                              // trailing bits
        forge(r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),     // duplicate
        forge(r#"{"alg":"ES256","\u0061lg":"none"}"#, "{}"), // duplicate after unescaping
        forge(r#"{"alg":"ES256"} x"#, "{}"),
        forge("[]", "{}"),
        forge(r#""ES256""#, "{}"),
        forge("", "{}"),
        forge("\u{feff}{\"alg\":\"ES256\"}", "{}"),
        forge(r#"{"alg":"ES256","x":[[[[1]]]]}"#, "{}"),
    ] {
        assert!(matches!(error(&token), JwsError::Malformed(_)), "{token}");
    }
}

#[test]
fn refused_tokens() {
    let good = sign(&extra(), b"{}", &key()).unwrap();
    let (input, _) = good.rsplit_once('.').unwrap();
    let mut tokens = vec![format!("{input}.")];
    tokens.extend([0, 63, 65, 70].map(|length| format!("{input}.{}", base64url_encode(&vec![1; length]))));
    for alg in [
        "none", "None", "NONE", "HS256", "RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "es256",
        "ES256 ", "",
    ] {
        tokens.push(forge(&format!(r#"{{"alg":"{alg}"}}"#), "{}"));
    }
    for header in
        ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":{"ES256":1}}"#, r#"{"Alg":"ES256"}"#]
    {
        tokens.push(forge(header, "{}"));
    }
    for member in [
        r#""jku":"https://x""#,
        r#""x5u":"""#,
        r#""jwk":{}"#,
        r#""crit":[]"#,
        r#""crit":["exp"]"#,
        r#""b64":true"#,
        r#""b64":false"#,
        r#""jku":null"#,
        r#""kid":1"#,
        r#""kid":null"#,
        r#""typ":["JWT"]"#,
        r#""typ":true"#,
    ] {
        tokens.push(forge(&format!(r#"{{"alg":"ES256",{member}}}"#), "{}"));
    }
    for token in tokens {
        let refused = error(&token);
        assert!(matches!(refused, JwsError::Refused(_)), "{token}: {refused:?}");
        assert_eq!(refused.to_string(), refused.message());
    }
}

#[test]
fn unknown_header_members_are_read_over() {
    let token = forge(r#"{ "cty":"x", "alg":"ES256", "x5c":["y"], "kid":"" }"#, "{}");
    let jws = Jws::parse(token.as_bytes(), MAX).unwrap();
    assert!(jws.verify(key().public_key()) && jws.kid() == Some(""));
}

#[test]
fn sign_refuses_misuse() {
    let ed25519 = PrivateKey::from_pem(ED25519_PKCS8).unwrap();
    assert_eq!(sign(&extra(), b"{}", &ed25519).unwrap_err().code(), "usage.argument");
    for (name, value) in [
        ("alg", "ES256"),
        ("alg", "none"),
        ("jku", "x"),
        ("crit", "x"),
        ("b64", "x"),
        ("jwk", "x"),
        ("x5u", "x"),
    ] {
        let mut header = extra();
        header.insert(name, value);
        assert_eq!(sign(&header, b"{}", &key()).unwrap_err().code(), "usage.argument", "{name}");
    }
    let mut header = extra();
    header.insert("kid", true);
    assert!(sign(&header, b"{}", &key()).is_err());
}

/// Answers high-s, as HSMs do, or not at all.
struct Hsm(PrivateKey, bool);

impl Signer for Hsm {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        if !self.1 {
            return Err(Error::new(crate::ErrorKind::Signer, "the HSM is locked"));
        }
        let low = ::p256::ecdsa::Signature::from_slice(self.0.sign(message).as_bytes()).unwrap();
        let high = ::p256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap();
        Ok(Signature::from_bytes(high.to_bytes().into()))
    }
}

#[test]
fn a_foreign_signer_is_normalised_and_its_errors_come_through() {
    assert_eq!(sign(&extra(), b"{}", &Hsm(key(), true)).unwrap(), sign(&extra(), b"{}", &key()).unwrap());
    assert_eq!(sign(&extra(), b"{}", &Hsm(key(), false)).unwrap_err().code(), "usage.signer");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parse_never_panics(bytes: Vec<u8>, header: String, payload: Vec<u8>, signature: Vec<u8>) {
        let _ = Jws::parse(&bytes, MAX);
        let token = [base64url_encode(header.as_bytes()), base64url_encode(&payload), base64url_encode(&signature)].join(".");
        let _ = Jws::parse(token.as_bytes(), MAX).map(|jws| jws.claims().is_ok());
    }

    #[test]
    fn no_changed_token_verifies(at in 0..400usize, with in "[A-Za-z0-9._=-]") {
        let token = sign(&extra(), br#"{"iss":"broker","aud":"https://example.com","exp":2000000000}"#, &key()).unwrap();
        let at = at % token.len();
        let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
        let accepted = Jws::parse(changed.as_bytes(), MAX).is_ok_and(|jws| jws.verify(key().public_key()));
        prop_assert_eq!(accepted, changed == token);
    }
}
