//! Signed tokens of third parties (compact JWS, ES256 only).

use crate::errors::{Thrown, raise};
use crate::json::{self, bytes};
use crate::jwks::JwkSet;
use crate::options::Options;
use imagxp::token::{self, TokenExpectation};
use wasm_bindgen::prelude::*;

/// Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
///
/// Returns the claims, or `null` when nothing is expected and the payload is not a JSON object. The error's code (`payment.*`) says why
/// it is refused.
#[wasm_bindgen(js_name = verifyToken, unchecked_return_type = "Record<string, unknown> | null")]
pub fn verify_token(
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] token: JsValue,
    jwks: &JwkSet,
    #[wasm_bindgen(unchecked_optional_param_type = "TokenOptions")] options: JsValue,
) -> Result<JsValue, Thrown> {
    let options = Options::new(options, &["now", "issuer", "audience", "typ"])?;
    let (issuer, audience, typ) = (options.text("issuer")?, options.text("audience")?, options.text("typ")?);
    let expected =
        TokenExpectation { issuer: issuer.as_deref(), audience: audience.as_deref(), typ: typ.as_deref() };
    let claims = token::verify_token(&bytes(&token)?, &jwks.0, &expected, options.now()?);
    match claims.map_err(|code| raise(code.into()))? {
        Some(claims) => json::object(&claims),
        None => Ok(JsValue::NULL),
    }
}
