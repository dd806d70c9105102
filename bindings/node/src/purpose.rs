//! Why an agent reads.

use crate::errors;
use imagxp::Purpose;
use napi::Result;
use napi_derive::napi;

/// Reads the wire name of a purpose.
pub(crate) fn parse(name: &str) -> Result<Purpose> {
    Purpose::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
        errors::argument(&format!("`{name}` is not a purpose; use one of {}", names.join(", ")))
    })
}

/// The wire name of every purpose. `index.cjs` makes the constant `PURPOSES` of it.
#[napi(js_name = "_purposes", skip_typescript)]
pub fn purposes() -> Vec<&'static str> {
    Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect()
}
