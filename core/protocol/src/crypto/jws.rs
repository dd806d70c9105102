//! Compact JWS (RFC 7515 §3.1), ES256 only (PROTOCOL §8).
//!
//! ```text
//! base64url(header) . base64url(payload) . base64url(r ‖ s)
//! ```

// Why jsonwebtoken is not the verifier: it reads claims through serde, so a member of the wrong type counts as absent and the
// last of two duplicate members wins; it needs a claims struct for each kind of token; and it links RSA and HMAC back ends
// into a library that must stay below 1 MB. It is the independent peer in tests/jws_interop.rs instead: each side
// verifies what the other issued, and nothing that we accept is refused by it.

use super::{Algorithm, HotKeys, Prepared, PublicKey, Signature, Signer};
use crate::encoding::{base64url_decode, base64url_encode};
use crate::error::{Error, Result};
use crate::json::{self, Limits, Object};
use core::fmt;

/// Header members that change how a token is to be read or where its key comes from (RFC 7515 §4.1, RFC 7797).
const REFUSED_MEMBERS: [&str; 5] = ["jku", "x5u", "jwk", "crit", "b64"];

/// A parsed token; its signature has not been checked until [`Jws::verify`] says so.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    signing_input: &'a [u8],
    header: Object<'static>,
    payload: Vec<u8>,
    signature: Signature,
}

/// Why a token is not acceptable. The sentences are fixed and hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not a compact JWS: too large, not three base64url parts, or a header or payload that is not a strict JSON object.
    Malformed(&'static str),
    /// A compact JWS of a kind that this protocol refuses: another algorithm, a header that must not be there.
    Refused(&'static str),
}

impl JwsError {
    /// One sentence that says what is wrong.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed(message) | Self::Refused(message) => message,
        }
    }
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for JwsError {}

impl<'a> Jws<'a> {
    /// Reads a token of at most `max_bytes` bytes: three parts of strict, unpadded base64url.
    ///
    /// # Errors
    /// [`JwsError::Malformed`]: too large, not three such parts, header not a strict JSON object ([`Limits::JWT`]).
    /// [`JwsError::Refused`]: `alg` other than exactly `ES256`, a header member `jku`, `x5u`, `jwk`, `crit` or `b64`, `kid` or `typ`
    /// that is not a string, a signature that is not 64 bytes.
    pub fn parse(token: &'a [u8], max_bytes: usize) -> Result<Self, JwsError> {
        if token.len() > max_bytes {
            return Err(JwsError::Malformed("the token is too large"));
        }
        let not_base64 = JwsError::Malformed("a part of the token is not base64url");
        let (signing_input, header, payload, signature) = split(token)?;
        let header = base64url_decode(header).ok_or(not_base64)?;
        let header = json::parse_object(&header, &Limits::JWT)
            .map_err(|_| JwsError::Malformed("the token's header is not a strict JSON object"))?
            .into_owned();
        check_header(&header)?;
        let payload = base64url_decode(payload).ok_or(not_base64)?;
        let signature = base64url_decode(signature)
            .ok_or(not_base64)?
            .try_into()
            .map_err(|_| JwsError::Refused("the token's signature is not 64 bytes"))?;
        Ok(Self { signing_input, header, payload, signature: Signature::from_bytes(signature) })
    }

    /// The protected header.
    pub fn header(&self) -> &Object<'static> {
        &self.header
    }

    /// The payload, decoded.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as claims.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] when it is not a strict JSON object within [`Limits::JWT`].
    pub fn claims(&self) -> Result<Object<'_>, JwsError> {
        json::parse_object(&self.payload, &Limits::JWT)
            .map_err(|_| JwsError::Malformed("the token's claims are not a strict JSON object"))
    }

    /// The header's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The header's `typ`, as it was written.
    pub fn typ(&self) -> Option<&str> {
        self.header.get("typ")?.as_str()
    }

    /// Whether `key` signed this token; `false` for a key that is not P-256.
    pub fn verify(&self, key: &PublicKey) -> bool {
        key.algorithm() == Algorithm::Es256 && key.verify(self.signing_input, &self.signature)
    }

    /// [`Jws::verify`], faster for a key that has a table.
    pub fn verify_hot(&self, hot: &HotKeys, key: &PublicKey) -> bool {
        key.algorithm() == Algorithm::Es256 && hot.verify(key, self.signing_input, &self.signature)
    }

    /// The bytes that are signed: header and payload as they were sent, with the dot between them.
    pub fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The signature, `r ‖ s`.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Issues a token: the header is `{"alg":"ES256"}` and the members of `header_extra` (`typ`, `kid`), in canonical form.
///
/// # Errors
/// `usage.argument` when the signer is not ES256 or `header_extra` holds what [`Jws::parse`] refuses; whatever the signer
/// returns.
pub fn sign(header_extra: &Object<'_>, payload: &[u8], signer: &dyn Signer) -> Result<String> {
    prepare(header_extra, payload, signer.public_key())?.sign_with(signer)
}

/// What [`sign`] would sign, for a key that answers later. Error: `usage.argument`, as there.
pub fn prepare(header_extra: &Object<'_>, payload: &[u8], key: &PublicKey) -> Result<Prepared<String>> {
    let algorithm = key.algorithm();
    if algorithm != Algorithm::Es256 {
        return Err(Error::argument("tokens are signed with a P-256 key"));
    }
    let mut header = header_extra.clone();
    if header.contains("alg") {
        return Err(Error::argument("the token's algorithm is not for the caller to choose"));
    }
    header.insert("alg", algorithm.as_str());
    check_header(&header).map_err(|error| Error::argument(error.message()))?;
    let mut token = base64url_encode(&json::object_to_canonical(&header));
    token.push('.');
    token.push_str(&base64url_encode(payload));
    Ok(Prepared::new(token.clone().into_bytes(), key.clone(), move |signature| {
        token.push('.');
        token.push_str(&base64url_encode(signature.as_bytes()));
        Ok(token)
    }))
}

type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8], &'a [u8]);

/// Splits `header.payload.signature` into signing input, header, payload, signature.
fn split(token: &[u8]) -> Result<Parts<'_>, JwsError> {
    let not_three = JwsError::Malformed("the token does not have three parts");
    let mut parts = token.split(|byte| *byte == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(not_three);
    };
    let signed = header.len() + 1 + payload.len();
    Ok((token.get(..signed).ok_or(not_three)?, header, payload, signature))
}

fn check_header(header: &Object<'_>) -> Result<(), JwsError> {
    if header.get("alg").and_then(|alg| alg.as_str()) != Some("ES256") {
        return Err(JwsError::Refused("the token's algorithm is not ES256"));
    }
    if REFUSED_MEMBERS.iter().any(|name| header.contains(name)) {
        return Err(JwsError::Refused("the token's header has a member that is not allowed"));
    }
    let is_text = |name| header.get(name).is_none_or(|value| value.as_str().is_some());
    if !is_text("kid") || !is_text("typ") {
        return Err(JwsError::Refused("the token's kid or typ is not a string"));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
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
        let input =
            format!("{}.{}", base64url_encode(header.as_bytes()), base64url_encode(payload.as_bytes()));
        format!("{input}.{}", base64url_encode(key().sign(input.as_bytes()).as_bytes()))
    }

    fn error(token: &str) -> JwsError {
        Jws::parse(token.as_bytes(), MAX).unwrap_err()
    }

    #[test]
    fn what_is_signed_verifies() {
        let token = sign(&extra(), br#"{"iss":"b"}"#, &key()).unwrap();
        assert!(
            token.starts_with(&base64url_encode(br#"{"alg":"ES256","kid":"k1","typ":"imagxp-visa+jwt"}"#))
        );
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
        tokens
            .extend([0, 63, 65, 70].map(|length| format!("{input}.{}", base64url_encode(&vec![1; length]))));
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
}
