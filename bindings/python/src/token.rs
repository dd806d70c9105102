//! Signed tokens of third parties (compact JWS, ES256 only).

use crate::json::{self, Text};
use crate::jwks::JwkSet;
use crate::time::{self, Time};
use crate::{boundary, errors};
use imagxp::token::{self, TokenExpectation};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Verifies an ES256 token's signature, then `exp` and `nbf` (leeway 5 s) and whatever is expected of it.
///
/// Returns the claims, or `None` when nothing is expected and the payload is not a JSON object. `TokenError` says why it is refused.
#[pyfunction]
#[pyo3(signature = (token, jwks, *, now = None, issuer = None, audience = None, typ = None))]
pub(crate) fn verify_token<'py>(
    py: Python<'py>,
    token: Text,
    jwks: &JwkSet,
    now: Option<Time>,
    issuer: Option<&str>,
    audience: Option<&str>,
    typ: Option<&str>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let now = time::or_now(now);
    let expected = TokenExpectation { issuer, audience, typ };
    match boundary::compute(py, || token::verify_token(&token.0, &jwks.0, &expected, now))? {
        Ok(claims) => claims.map(|claims| json::object(py, &claims)).transpose(),
        Err(code) => Err(errors::raise(py, &code.into())),
    }
}
