//! Which addresses a fetch may connect to.

use crate::boundary::accessor;
use crate::bytes::imagxp_slice;
use imagxp::address;

/// Whether a fetch for a stranger may connect to this address: global unicast only. The text is dotted decimal or RFC 4291, without
/// zone, brackets or port; any other text, a name for instance, is not allowed.
///
/// Check every address that a name resolves to, refuse the name when one of them is not allowed, and connect to a checked address.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_address_allowed(text: imagxp_slice<'_>) -> bool {
    accessor(false, || text.text("address").is_ok_and(address::is_public_text))
}
