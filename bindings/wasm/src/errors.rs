//! Errors of the core as `ImagxpError`.

use imagxp::{Error, ErrorKind};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "../dist/errors.js")]
extern "C" {
    type ImagxpError;

    #[wasm_bindgen(constructor)]
    fn new(code: &str, message: &str) -> ImagxpError;
}

/// What is thrown.
pub(crate) type Thrown = JsValue;

/// The error for one of the core.
pub(crate) fn raise(error: Error) -> Thrown {
    ImagxpError::new(error.code(), error.message()).into()
}

/// A `usage.argument` error of the binding's own.
pub(crate) fn argument(message: &str) -> Thrown {
    raise(Error::new(ErrorKind::Argument, message.to_owned()))
}
