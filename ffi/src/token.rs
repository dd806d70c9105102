//! Tokens: a compact JWS against a key set.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::jwks::JwkSet;
use imagxp::token::{TokenExpectation, verify_token};
use imagxp::{Timestamp, json};

/// Verifies an ES256 token against a JSON Web Key Set and writes its claims as JSON (`null` when the payload is no JSON object). `issuer`,
/// `audience` and `typ` are compared unless they are empty; `exp` and `nbf` are always judged by `now_ms`.
///
/// Errors: `key.malformed` for the key set; `payment.malformed`, `payment.invalid_token`, `payment.expired`, `payment.wrong_audience`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_token_verify(
    token: imagxp_slice<'_>,
    jwks: imagxp_slice<'_>,
    issuer: imagxp_slice<'_>,
    audience: imagxp_slice<'_>,
    typ: imagxp_slice<'_>,
    now_ms: i64,
    claims: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(claims, || {
            let expected = TokenExpectation {
                issuer: issuer.optional("issuer")?,
                audience: audience.optional("audience")?,
                typ: typ.optional("typ")?,
            };
            let set = JwkSet::parse(jwks.bytes()?)?;
            let claims = verify_token(token.bytes()?, &set, &expected, Timestamp::from_millis(now_ms))?;
            Ok(claims.map_or_else(|| b"null".to_vec(), |claims| json::object_to_canonical(&claims)))
        })
    })
}
