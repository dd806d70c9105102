//! Signed tokens of third parties (compact JWS, ES256 only).

use crate::error::ImagxpError;
use crate::jwks::JwkSet;
use crate::{boundary, json, time};
use imagxp::Timestamp;
use imagxp::token::{self, TokenExpectation};
use std::sync::Arc;

/// Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
///
/// Returns the claims as JSON, or nil when nothing is expected and the payload is not a JSON object. Throws a `payment.…` code.
#[uniffi::export(default(now = None, issuer = None, audience = None, typ = None))]
pub(crate) fn verify_token(
    token: &str,
    jwks: Arc<JwkSet>,
    now: Option<Timestamp>,
    issuer: Option<String>,
    audience: Option<String>,
    typ: Option<String>,
) -> Result<Option<Vec<u8>>, ImagxpError> {
    let now = time::or_now(now);
    let expected =
        TokenExpectation { issuer: issuer.as_deref(), audience: audience.as_deref(), typ: typ.as_deref() };
    boundary::call(|| {
        let claims = token::verify_token(token.as_bytes(), &jwks.0, &expected, now)?;
        Ok(claims.map(|claims| json::text(&claims)))
    })
}
