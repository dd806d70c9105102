//! Strict JSON.

use crate::boundary;
use crate::error::ImagxpError;
use imagxp::json::{self, Limits, Object};

/// The RFC 8785 form of a strict I-JSON text (at most 16 MiB, 64 levels). Throws a `json.…` code.
#[uniffi::export]
pub(crate) fn canonicalize(json: &[u8]) -> Result<Vec<u8>, ImagxpError> {
    boundary::call(|| Ok(json::canonicalize(json, &Limits::INTERCHANGE)?))
}

/// A JSON Web Key for functions of the core that take one.
pub(crate) fn jwk(text: &[u8]) -> imagxp::Result<Object<'_>> {
    Ok(json::parse_object(text, &Limits::JWKS)?)
}

/// An object as text: RFC 8785 form.
pub(crate) fn text(object: &Object<'_>) -> Vec<u8> {
    json::object_to_canonical(object)
}
