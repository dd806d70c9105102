//! Signed tokens of third parties (compact JWS, ES256 only).

use crate::js::{ClassInstance, JsString, Text};
use crate::json::JsonObject;
use crate::jwks::JwkSet;
use crate::options::options;
use crate::time::{self, Time};
use crate::{boundary, errors};
use imagxp::token::{self, TokenExpectation};
use napi::Result;
use napi_derive::napi;

options! {
    /// What is expected of a token.
    TokenOptions {
        /// The clock's time unless given.
        now: Option<Time>,
        /// `iss`, exactly.
        issuer: Option<JsString>,
        /// What `aud` must contain.
        audience: Option<JsString>,
        /// The header's `typ`.
        typ: Option<JsString>,
    }
}

/// Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
///
/// Returns the claims, or `null` when nothing is expected and the payload is not a JSON object. An error with the code `payment.*` says
/// why it is refused.
#[napi(ts_return_type = "JsonObject | null")]
pub fn verify_token(
    token: Text,
    jwks: ClassInstance<JwkSet>,
    options: Option<TokenOptions>,
) -> Result<Option<JsonObject>> {
    let options = options.unwrap_or(TokenOptions { now: None, issuer: None, audience: None, typ: None });
    let now = time::or_now(options.now);
    let expected = TokenExpectation {
        issuer: options.issuer.as_deref(),
        audience: options.audience.as_deref(),
        typ: options.typ.as_deref(),
    };
    match boundary::compute(|| token::verify_token(&token.0, &jwks.0, &expected, now))? {
        Ok(claims) => Ok(claims.map(|claims| JsonObject(claims.into_owned()))),
        Err(code) => Err(errors::raise(&code.into())),
    }
}
