//! Which addresses a fetch may connect to.

use imagxp::address::is_public_text;
use wasm_bindgen::prelude::*;

/// Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes. A name is not an address.
#[wasm_bindgen(js_name = isPublicAddress)]
pub fn is_public_address(text: &str) -> bool {
    is_public_text(text)
}
