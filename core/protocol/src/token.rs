//! A compact JWS against a key set: the general form of what visas build on, for tools and conformance runners.

use crate::code::Code;
use crate::crypto::{Algorithm, Jws, JwsError};
use crate::json::{Object, Value};
use crate::jwks::{Jwk, JwkSet};
use crate::time::Timestamp;
use crate::visa::LEEWAY_S;

/// What a token must say; `None` leaves a member unchecked.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenExpectation<'a> {
    /// The exact `iss`.
    pub issuer: Option<&'a str>,
    /// A value that `aud` must contain.
    pub audience: Option<&'a str>,
    /// The header's `typ`, without regard to case.
    pub typ: Option<&'a str>,
}

/// The largest token that [`verify_token`] reads, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Verifies an ES256 token's signature, and then `exp` and `nbf` (leeway 5 s) and whatever is expected.
///
/// Returns the claims, or `None` when the payload is not a strict JSON object, which is refused as soon as anything is expected of it.
/// Errors: `payment.malformed`, `payment.invalid_token`, `payment.expired`, `payment.wrong_audience`.
pub fn verify_token(
    token: &[u8],
    jwks: &JwkSet,
    expected: &TokenExpectation<'_>,
    now: Timestamp,
) -> Result<Option<Object<'static>>, Code> {
    let jws = Jws::parse(token, MAX_TOKEN_BYTES).map_err(|error| match error {
        JwsError::Malformed(_) => Code::PaymentMalformed,
        JwsError::Refused(_) => Code::PaymentInvalidToken,
    })?;
    if expected.typ.is_some_and(|typ| !jws.typ().is_some_and(|actual| actual.eq_ignore_ascii_case(typ))) {
        return Err(Code::PaymentInvalidToken);
    }
    let keys = jwks.keys().iter().filter(|jwk| jwk.key().algorithm() == Algorithm::Es256);
    let signed = match jws.kid() {
        Some(kid) => keys.filter(|jwk| jwk.kid() == Some(kid)).any(|jwk| jws.verify(jwk.key())),
        None => keys.take(3).map(Jwk::key).any(|key| jws.verify(key)),
    };
    if !signed {
        return Err(Code::PaymentInvalidToken);
    }
    let Ok(claims) = jws.claims() else {
        let nothing_expected = expected.issuer.is_none() && expected.audience.is_none();
        return if nothing_expected { Ok(None) } else { Err(Code::PaymentInvalidToken) };
    };
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) if number.as_f64() >= 0.0 && number.as_f64() <= 4_200_000_000.0 => {
            Ok(Some(number.as_f64()))
        }
        Some(_) => Err(Code::PaymentInvalidToken),
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact in a double")]
    let (now, leeway) = (now.as_millis() as f64 / 1000.0, LEEWAY_S as f64);
    if time("exp")?.is_some_and(|exp| now > exp + leeway) {
        return Err(Code::PaymentExpired);
    }
    if time("nbf")?.is_some_and(|nbf| nbf > now + leeway) {
        return Err(Code::PaymentInvalidToken);
    }
    if expected.issuer.is_some_and(|issuer| claims.get("iss").and_then(Value::as_str) != Some(issuer)) {
        return Err(Code::PaymentInvalidToken);
    }
    let names = |audience: &str| match claims.get("aud") {
        Some(Value::String(aud)) => aud == audience,
        Some(Value::Array(list)) => list.iter().any(|aud| aud.as_str() == Some(audience)),
        _ => false,
    };
    if expected.audience.is_some_and(|audience| !names(audience)) {
        return Err(Code::PaymentWrongAudience);
    }
    Ok(Some(claims.into_owned()))
}
