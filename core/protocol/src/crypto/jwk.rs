//! JSON Web Keys (RFC 7517, RFC 7518 §6.2, RFC 8037 §2).

use super::key::{Point, Secret, malformed};
use super::{Algorithm, PrivateKey, PublicKey, ed25519, p256};
use crate::encoding::{base64url_decode, base64url_encode};
use crate::error::{Error, Result};
use crate::json::{Object, Value};
use zeroize::Zeroizing;

/// Members that only private or symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRET_MEMBERS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// Why a JWK is not one of our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JwkError {
    /// A key of another type, curve, algorithm or use; a key set passes over it.
    Unsupported(&'static str),
    /// Not a well-formed key; a key set is refused with it.
    Malformed(&'static str),
}

impl From<JwkError> for Error {
    fn from(error: JwkError) -> Self {
        match error {
            JwkError::Unsupported(message) | JwkError::Malformed(message) => malformed(message),
        }
    }
}

impl PublicKey {
    /// Reads a public JWK: `kty` `EC` with `crv` `P-256`, or `kty` `OKP` with `crv` `Ed25519`.
    ///
    /// # Errors
    /// `key.malformed` for other types and curves, coordinates that are not 32 bytes of unpadded base64url or not on the
    /// curve, an `alg` of another algorithm, a `use` other than `sig`, `key_ops` without `verify`, and for private or
    /// symmetric members.
    pub fn from_jwk(jwk: &Object<'_>) -> Result<Self> {
        Ok(public_key(jwk)?)
    }

    /// The JWK with the required members only, those of the thumbprint.
    pub fn to_jwk(&self) -> Object<'static> {
        let mut jwk = Object::new();
        match self.point() {
            Point::P256(key) => {
                let (x, y) = p256::coordinates(key);
                jwk.insert("kty", "EC");
                jwk.insert("crv", "P-256");
                jwk.insert("x", base64url_encode(&x));
                jwk.insert("y", base64url_encode(&y));
            }
            Point::Ed25519(key) => {
                jwk.insert("kty", "OKP");
                jwk.insert("crv", "Ed25519");
                jwk.insert("x", base64url_encode(key.as_bytes()));
            }
        }
        jwk
    }
}

impl PrivateKey {
    /// Reads a private JWK. The public members must be there and belong to `d`.
    ///
    /// The text that `jwk` was parsed from holds the secret as well; erasing it is the caller's affair.
    ///
    /// # Errors
    /// `key.malformed` as for [`PublicKey::from_jwk`] (with `sign` in `key_ops`), and when `d` is missing, malformed, or not the
    /// public members' private half.
    pub fn from_jwk(jwk: &Object<'_>) -> Result<Self> {
        let public = supported_key(jwk, "sign")?;
        let d = Zeroizing::new(field(jwk, "d")?);
        let secret = match public.algorithm() {
            Algorithm::Es256 => p256::from_scalar(&d).map(Secret::P256),
            Algorithm::EdDsa => Some(Secret::Ed25519(ed25519::from_seed(&d))),
        };
        secret
            .map(Self::from_secret)
            .filter(|key| *key.public_key() == public)
            .ok_or_else(|| malformed("the JWK's private and public members do not belong together"))
    }
}

/// Reads a public JWK and says what kind of refusal a refusal is.
pub(crate) fn public_key(jwk: &Object<'_>) -> Result<PublicKey, JwkError> {
    if has_secret(jwk) {
        return Err(JwkError::Malformed("a private or symmetric JWK where a public one belongs"));
    }
    supported_key(jwk, "verify")
}

/// Whether the object has a member that only private or symmetric keys have.
pub(crate) fn has_secret(jwk: &Object<'_>) -> bool {
    SECRET_MEMBERS.iter().any(|name| jwk.contains(name)) || optional(jwk, "kty") == Ok(Some("oct"))
}

/// A member that must be a string when it is present.
pub(crate) fn optional<'a>(jwk: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, JwkError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(JwkError::Malformed("a JWK member has the wrong type")),
    }
}

fn supported_key(jwk: &Object<'_>, operation: &str) -> Result<PublicKey, JwkError> {
    let kty = optional(jwk, "kty")?.ok_or(JwkError::Malformed("the JWK has no kty"))?;
    let algorithms: &[&str] = match (kty, optional(jwk, "crv")?) {
        ("EC", Some("P-256")) => &["ES256"],
        // RFC 9864 registers the curve's name as the fully specified algorithm.
        ("OKP", Some("Ed25519")) => &["EdDSA", "Ed25519"],
        ("EC" | "OKP", None) => return Err(JwkError::Malformed("the JWK has no crv")),
        _ => return Err(JwkError::Unsupported("the JWK is not a P-256 or Ed25519 key")),
    };
    if optional(jwk, "alg")?.is_some_and(|alg| !algorithms.contains(&alg)) {
        return Err(JwkError::Unsupported("the JWK is for another algorithm"));
    }
    if optional(jwk, "use")?.is_some_and(|usage| usage != "sig") || !permits(jwk, operation)? {
        return Err(JwkError::Unsupported("the JWK is for another use"));
    }
    let point = if kty == "EC" {
        p256::from_coordinates(&field(jwk, "x")?, &field(jwk, "y")?).map(Point::P256)
    } else {
        ed25519::from_point(&field(jwk, "x")?).map(Point::Ed25519)
    };
    point.map(PublicKey::from_point).ok_or(JwkError::Malformed("the JWK is not an acceptable point"))
}

/// Whether `key_ops` (RFC 7517 §4.3) is absent or lists the operation.
fn permits(jwk: &Object<'_>, operation: &str) -> Result<bool, JwkError> {
    let wrong = JwkError::Malformed("the JWK's key_ops is not an array of strings");
    let Some(value) = jwk.get("key_ops") else { return Ok(true) };
    let names =
        value.as_array().ok_or(wrong)?.iter().map(Value::as_str).collect::<Option<Vec<_>>>().ok_or(wrong)?;
    Ok(names.contains(&operation))
}

/// A required member of exactly 32 bytes in base64url (RFC 7518 §6.2.1.2: full length, leading zeros included).
fn field(jwk: &Object<'_>, name: &str) -> Result<[u8; 32], JwkError> {
    let text = optional(jwk, name)?.ok_or(JwkError::Malformed("the JWK lacks a required member"))?;
    let wrong = JwkError::Malformed("a JWK member is not 32 bytes of base64url");
    // 43 characters are the only length that 32 bytes have; checked before decoding what could be long.
    if text.len() != 43 {
        return Err(wrong);
    }
    let bytes = Zeroizing::new(base64url_decode(text.as_bytes()).ok_or(wrong)?);
    bytes.as_slice().try_into().map_err(|_| wrong)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts of these tests are ASCII")]
mod tests {
    use super::*;
    use crate::crypto::fixtures::{P256_PKCS8, P256_PUBLIC, P256_SCALAR};
    use crate::encoding::hex_decode;
    use crate::json::{self, Limits};
    use proptest::prelude::*;

    // RFC 7515 appendix A.3.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
    // RFC 8037 appendix A.
    const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const ED_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

    fn ec(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
    }

    fn okp(more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED_X}"{more}}}"#)
    }

    fn public(text: &str) -> Result<PublicKey> {
        PublicKey::from_jwk(&json::parse_object(text.as_bytes(), &Limits::JWKS).unwrap())
    }

    fn private(text: &str) -> Result<PrivateKey> {
        PrivateKey::from_jwk(&json::parse_object(text.as_bytes(), &Limits::JWKS).unwrap())
    }

    fn kind(text: &str) -> JwkError {
        public_key(&json::parse_object(text.as_bytes(), &Limits::JWKS).unwrap()).unwrap_err()
    }

    #[test]
    fn the_rfc_keys_are_read() {
        for more in [
            "",
            r#","alg":"ES256""#,
            r#","use":"sig","kid":"1","x5c":["a"]"#,
            r#","key_ops":["sign","verify"]"#,
        ] {
            let key = public(&ec(more)).unwrap();
            assert_eq!(key.algorithm(), Algorithm::Es256);
            let required = format!(r#"{{"crv":"P-256","kty":"EC","x":"{X}","y":"{Y}"}}"#);
            assert_eq!(json::object_to_canonical(&key.to_jwk()), required.as_bytes());
        }
        for more in ["", r#","alg":"EdDSA""#, r#","alg":"Ed25519","use":"sig""#] {
            let key = public(&okp(more)).unwrap();
            assert_eq!(key.thumbprint().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
            assert_eq!(
                json::object_to_canonical(&key.to_jwk()),
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{ED_X}"}}"#).as_bytes()
            );
        }
        let key = private(&ec(&format!(r#","d":"{D}","key_ops":["sign"]"#))).unwrap();
        assert_eq!(*key.public_key(), public(&ec("")).unwrap());
        let key = private(&okp(&format!(r#","d":"{ED_D}""#))).unwrap();
        assert_eq!(*key.public_key(), public(&okp("")).unwrap());
    }

    #[test]
    fn a_jwk_is_the_same_key_as_its_pem() {
        let public = PublicKey::from_pem(P256_PUBLIC).unwrap();
        let mut jwk = public.to_jwk();
        assert_eq!(PublicKey::from_jwk(&jwk).unwrap(), public);
        jwk.insert("d", base64url_encode(&hex_decode::<32>(P256_SCALAR.as_bytes()).unwrap()));
        assert_eq!(*PrivateKey::from_jwk(&jwk).unwrap().to_pem(), P256_PKCS8);
    }

    #[test]
    fn other_keys_are_unsupported() {
        for text in [
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            r#"{"kty":"AKP"}"#.to_owned(),
            ec("").replace("P-256", "P-384"),
            ec("").replace("P-256", "secp256k1"),
            ec("").replace("P-256", "p-256"),
            okp("").replace("Ed25519", "X25519"),
            okp("").replace("OKP", "EC"),
            ec("").replace("EC", "OKP"),
            ec("").replace("EC", "ec"),
            ec(r#","alg":"ES384""#),
            ec(r#","alg":"EdDSA""#),
            ec(r#","alg":"ECDH-ES""#),
            okp(r#","alg":"ES256""#),
            ec(r#","use":"enc""#),
            ec(r#","key_ops":["deriveKey"]"#),
            ec(r#","key_ops":[]"#),
            ec(r#","key_ops":["sign"]"#),
        ] {
            assert!(matches!(kind(&text), JwkError::Unsupported(_)), "{text}");
            assert_eq!(public(&text).unwrap_err().code(), "key.malformed");
        }
    }

    #[test]
    fn broken_keys_are_malformed() {
        for text in [
            "{}".to_owned(),
            r#"{"kty":"EC"}"#.to_owned(),
            r#"{"kty":1}"#.to_owned(),
            r#"{"kty":"OKP","crv":["Ed25519"]}"#.to_owned(),
            r#"{"kty":"oct","k":"AA"}"#.to_owned(),
            r#"{"kty":"oct"}"#.to_owned(),
            ec(r#","alg":256"#),
            ec(r#","use":["sig"]"#),
            ec(r#","key_ops":"verify""#),
            ec(r#","key_ops":["verify",1]"#),
            ec(&format!(r#","d":"{D}""#)),
            ec(r#","d":null"#),
            ec(r#","k":"AA""#),
            ec("").replace(r#","y""#, r#","why""#),
            ec("").replace(X, Y), // off the curve
            ec("").replace(X, &X[..42]),
            ec("").replace(X, &format!("{X}A")),
            ec("").replace(X, &format!("{X}=")),
            ec("").replace(X, &format!("A{}+", &X[..41])),
            ec("").replace(X, &X.replace("VEU", "VEV")), // trailing bits
            ec("").replace(&format!("\"{X}\""), "7"),
            okp("").replace(ED_X, &"A".repeat(43)), // small order
            okp("").replace(ED_X, &format!("7{}38", "_".repeat(40))), // not reduced
        ] {
            assert!(matches!(kind(&text), JwkError::Malformed(_)), "{text}");
            assert_eq!(public(&text).unwrap_err().code(), "key.malformed");
        }
    }

    #[test]
    fn broken_private_keys_are_refused() {
        for text in [
            ec(""),
            okp(""),
            ec(&format!(r#","d":"{ED_D}""#)), // another key's
            okp(&format!(r#","d":"{D}""#)),
            ec(&format!(r#","d":"{}""#, "A".repeat(43))), // zero
            ec(r#","d":"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE""#), // n
            ec(&format!(r#","d":"{}""#, &D[..42])),
            ec(r#","d":1"#),
            ec(&format!(r#","d":"{D}","key_ops":["verify"]"#)),
            ec(&format!(r#","d":"{D}","use":"enc""#)),
            format!(r#"{{"kty":"EC","crv":"P-256","d":"{D}"}}"#), // RFC 7518 §6.2.2: x and y must be there
        ] {
            let error = private(&text).unwrap_err();
            assert_eq!(error.code(), "key.malformed", "{text}");
            assert!(!error.to_string().contains(&D[..8]));
        }
    }

    proptest! {
        #[test]
        fn readers_never_panic(name in "kty|crv|x|y|d|alg|use|key_ops", text: String) {
            for base in [ec(&format!(r#","d":"{D}""#)), okp(&format!(r#","d":"{ED_D}""#))] {
                let mut jwk = json::parse_object(base.as_bytes(), &Limits::JWKS).unwrap().into_owned();
                jwk.insert(name.clone(), text.clone());
                let _ = (PrivateKey::from_jwk(&jwk), PublicKey::from_jwk(&jwk));
            }
        }
    }
}
