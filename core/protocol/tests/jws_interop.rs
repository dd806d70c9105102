//! Our tokens against `jsonwebtoken`, an independent implementation (on another major version of `p256` than ours).
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test may panic; clippy exempts test functions only, not their helpers"
)]

use imagxp::crypto::{Algorithm, Jws, PrivateKey, jws};
use imagxp::encoding::base64url_encode;
use imagxp::json::{Object, Value};
use imagxp::jwks::JwkSet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use proptest::prelude::*;
use std::sync::LazyLock;

const MAX: usize = 16 * 1024;
const CLAIMS: &str = r#"{"iss":"https://broker.example","sub":"bot.example.com","aud":["https://example.com"],"iat":1800000000,"exp":1800003600,"jti":"0123456789abcdef","amount":"0.002","cnf":{"jkt":"x"}}"#;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| key(7));
static OTHER: LazyLock<PrivateKey> = LazyLock::new(|| key(8));
static PEER: LazyLock<DecodingKey> = LazyLock::new(|| peer(&KEY));

fn key(seed: u8) -> PrivateKey {
    PrivateKey::generate(Algorithm::Es256, &mut |buffer| {
        buffer.fill(seed);
        Ok(())
    })
    .unwrap()
}

fn peer(key: &PrivateKey) -> DecodingKey {
    let jwk = key.public_key().to_jwk();
    let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap().to_owned();
    DecodingKey::from_ec_components(&member("x"), &member("y")).unwrap()
}

/// ES256 and nothing about the claims.
fn validation() -> Validation {
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn we_accept(token: &str) -> bool {
    Jws::parse(token.as_bytes(), MAX).is_ok_and(|jws| jws.verify(KEY.public_key()) && jws.claims().is_ok())
}

fn peer_accepts(token: &str) -> bool {
    decode::<serde_json::Value>(token, &PEER, &validation()).is_ok()
}

/// Signs whatever header and payload text it is given, as an issuer without scruples would.
fn forge(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url_encode(header.as_bytes()), base64url_encode(payload.as_bytes()));
    format!("{input}.{}", base64url_encode(KEY.sign(input.as_bytes()).as_bytes()))
}

fn issued_by_us() -> String {
    let mut header = Object::new();
    header.insert("typ", "imagxp-visa+jwt");
    header.insert("kid", KEY.public_key().thumbprint().as_str());
    jws::sign(&header, CLAIMS.as_bytes(), &*KEY).unwrap()
}

#[test]
fn they_verify_what_we_issue() {
    let token = issued_by_us();
    let decoded = decode::<serde_json::Value>(&token, &PEER, &validation()).unwrap();
    assert_eq!(decoded.claims, serde_json::from_str::<serde_json::Value>(CLAIMS).unwrap());
    assert_eq!(decoded.header.kid.as_deref(), Some(KEY.public_key().thumbprint().as_str()));
    assert_eq!(decoded.header.typ.as_deref(), Some("imagxp-visa+jwt"));
    assert!(decode::<serde_json::Value>(&token, &peer(&OTHER), &validation()).is_err());
}

#[test]
fn we_verify_what_they_issue() {
    let encoding = EncodingKey::from_ec_der(&KEY.to_pkcs8_der());
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).unwrap();
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    for kid in [None, Some("k1".to_owned())] {
        header.kid = kid.clone();
        let token = encode(&header, &claims, &encoding).unwrap();
        let jws = Jws::parse(token.as_bytes(), MAX).unwrap();
        assert!(jws.verify(KEY.public_key()) && !jws.verify(OTHER.public_key()));
        assert_eq!((jws.typ(), jws.kid()), (Some("JWT"), kid.as_deref()));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(jws.payload()).unwrap(), claims);
        assert_eq!(jws.claims().unwrap().get("jti").and_then(Value::as_str), Some("0123456789abcdef"));
    }
    // Their signer leaves s as it falls, so some of these are high-s.
    let high = (0..32).filter(|number| {
        let token = encode(&header, &serde_json::json!({ "n": number }), &encoding).unwrap();
        let jws = Jws::parse(token.as_bytes(), MAX).unwrap();
        assert!(jws.verify(KEY.public_key()));
        jws.signature().normalized(Algorithm::Es256) != *jws.signature()
    });
    assert!((1..32).contains(&high.count()));
}

#[test]
fn we_refuse_what_they_issue_with_other_algorithms() {
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).unwrap();
    let ed25519 = PrivateKey::generate(Algorithm::EdDsa, &mut |buffer| {
        buffer.fill(9);
        Ok(())
    })
    .unwrap();
    // The classic: the public key as HMAC secret.
    let secret = EncodingKey::from_secret(KEY.public_key().to_spki_der());
    let hmac = encode(&Header::new(jsonwebtoken::Algorithm::HS256), &claims, &secret).unwrap();
    let eddsa = EncodingKey::from_ed_der(&ed25519.to_pkcs8_der());
    let eddsa = encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), &claims, &eddsa).unwrap();
    for token in [hmac, eddsa] {
        assert!(matches!(Jws::parse(token.as_bytes(), MAX), Err(jws::JwsError::Refused(_))));
    }
}

#[test]
fn they_read_our_key_sets() {
    let mut jwk = KEY.public_key().to_jwk();
    jwk.insert("kid", "k1");
    jwk.insert("use", "sig");
    jwk.insert("alg", "ES256");
    let mut document = Object::new();
    document.insert("keys", vec![Value::from(jwk)]);
    let text = imagxp::json::object_to_canonical(&document);
    let theirs: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&text).unwrap();
    let decoding = DecodingKey::from_jwk(theirs.find("k1").unwrap()).unwrap();
    assert!(decode::<serde_json::Value>(issued_by_us(), &decoding, &validation()).is_ok());
    let ours = JwkSet::parse(&text).unwrap();
    assert_eq!(ours.find("k1").unwrap().key(), KEY.public_key());
}

/// Whatever we accept, they accept. Returns what we said.
fn compare(token: &str) -> bool {
    let ours = we_accept(token);
    assert!(!ours || peer_accepts(token), "accepted by us alone: {token}");
    ours
}

#[test]
fn differential_over_every_byte() {
    let token = issued_by_us();
    assert!(compare(&token));
    for at in 0..token.len() {
        for with in ["", "A", "a", "Q", "g", "w", "_", "-", "+", "/", "=", ".", " ", "\n", "%2E", "\u{e9}"] {
            let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            assert_eq!(compare(&changed), changed == token, "{changed}");
            let inserted = format!("{}{with}{}", &token[..at], &token[at..]);
            assert_eq!(compare(&inserted), inserted == token, "{inserted}");
        }
    }
}

#[test]
fn differential_over_signed_nonsense() {
    const HEADERS: [&str; 34] = [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#" { "typ" : "x" , "alg" : "ES256" , "kid" : "" } "#,
        r#"{"\u0061lg":"ES256"}"#,
        r#"{"alg":"ES\u003256"}"#,
        r#"{"alg":"ES256","x":{"y":[1,2]}}"#,
        r#"{"alg":"ES256","x5c":["a"],"cty":"JWT"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"ES256","x":1,"x":1}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"ES384"}"#,
        r#"{"alg":"es256"}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":null}"#,
        r#"{"ALG":"ES256"}"#,
        r#"{}"#,
        r#"[]"#,
        r#""#,
        r#"null"#,
        r#"{"alg":"ES256"}{}"#,
        r#"{"alg":"ES256",}"#,
        r#"{'alg':'ES256'}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","typ":null}"#,
        r#"{"alg":"ES256","jku":"https://evil.example/jwks"}"#,
        r#"{"alg":"ES256","x5u":"https://evil.example/x"}"#,
        r#"{"alg":"ES256","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"ES256","crit":["x"],"x":1}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
    ];
    const PAYLOADS: [&str; 21] = [
        CLAIMS,
        "{}",
        r#" {"iss" : "x"} "#,
        r#"{"exp":1.5e9,"nbf":-0,"x":1E+2}"#,
        r#"{"exp":"soon","aud":7,"iss":[]}"#,
        r#"{"iss":"\ud83d\ude00\u0000"}"#,
        r#"{"a":{"b":{"c":{"d":1}}}}"#,
        r#"{"a":{"b":{"c":{"d":{}}}}}"#,
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"iss":"a","\u0069ss":"b"}"#,
        r#"{"iss":"\ud800"}"#,
        r#"{"exp":9007199254740993}"#,
        r#"{"exp":1e999}"#,
        r#"{"exp":01}"#,
        r#"{"exp":NaN}"#,
        "[1]",
        r#""x""#,
        "null",
        "",
        "{}x",
        "\u{feff}{}",
    ];
    let accepted = HEADERS.iter().flat_map(|header| PAYLOADS.map(|payload| compare(&forge(header, payload))));
    // The first seven headers with the first seven payloads.
    assert_eq!(accepted.filter(|accepted| *accepted).count(), 7 * 7);
}

/// A member with a value of any type.
fn member(name: &'static str) -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("\"ES256\"".to_owned()),
        "\"[ -!#-\\[\\]-~]{0,6}\"",
        "-?[0-9]{1,17}(\\.[0-9]{1,3})?([eE]-?[0-9]{1,3})?",
        "true|false|null|\\[\\]|\\{\\}|\\[1,\"x\"\\]|\\{\"a\":\\{\"b\":1\\}\\}",
    ];
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))
}

fn document(members: &[String]) -> String {
    format!("{{{}}}", members.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn differential_over_random_documents(
        header in proptest::collection::vec(member("alg|typ|kid|jku|x5u|jwk|crit|b64|[a-z]{1,2}"), 0..4),
        // No registered claims: they type some of those, which for us is the business of whoever reads the claims.
        payload in proptest::collection::vec(member("[a-z]{1,2}"), 0..6),
        plain: bool,
    ) {
        let mut header = header;
        if plain {
            header.retain(|member| !member.starts_with("\"alg\""));
            header.push(r#""alg":"ES256""#.to_owned());
        }
        compare(&forge(&document(&header), &document(&payload)));
    }

    #[test]
    fn differential_over_edits(edits in proptest::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9._=+/-]{0,2}", 0..3usize), 1..4)) {
        let mut token = issued_by_us();
        for (at, with, cut) in edits {
            let at = at.index(token.len());
            let end = (at + cut).min(token.len());
            token.replace_range(at..end, &with);
        }
        prop_assert_eq!(compare(&token), token == issued_by_us());
    }
}
