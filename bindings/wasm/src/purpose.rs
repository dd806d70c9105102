//! Why an agent reads.

use crate::errors::{self, Thrown};
use imagxp::Purpose;
use wasm_bindgen::prelude::*;

/// Reads the wire name of a purpose.
pub(crate) fn parse(name: &str) -> Result<Purpose, Thrown> {
    Purpose::from_name(name).ok_or_else(|| {
        errors::argument(&format!("`{name}` is not a purpose; use one of {}", purposes().join(", ")))
    })
}

/// The wire name of every purpose.
#[wasm_bindgen]
pub fn purposes() -> Vec<String> {
    Purpose::ALL.iter().map(|purpose| purpose.as_str().to_owned()).collect()
}
