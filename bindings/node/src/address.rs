//! Which addresses a fetch may connect to.

use crate::js::JsString;
use imagxp::address::is_public_text;
use napi_derive::napi;

/// Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes.
///
/// Text that is not an address, a name for instance, is not public.
#[napi]
pub fn is_public_address(text: JsString) -> bool {
    is_public_text(&text)
}
