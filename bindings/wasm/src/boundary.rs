//! What becomes of a panic.

use wasm_bindgen::prelude::*;

/// Panics, so that a test can prove what becomes of it: a trap, an `ImagxpError` with `internal.panic`, and a new instance.
#[wasm_bindgen(js_name = _panic)]
pub fn panic() {
    #[expect(clippy::panic, reason = "that is its purpose")]
    {
        panic!("on purpose")
    }
}
