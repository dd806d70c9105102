//! How long an answer may be kept.

use wasm_bindgen::prelude::*;

/// What a `Cache-Control` says, its lines joined by commas: the seconds of `max-age`, the least of them when there are several; 0 for what must not be
/// stored; `undefined` when nothing is said. For `ts/fetch.ts`.
#[wasm_bindgen(js_name = maxAge)]
pub fn max_age(cache_control: &str) -> Option<u32> {
    imagxp::cache_control::max_age(core::iter::once(cache_control))
}
