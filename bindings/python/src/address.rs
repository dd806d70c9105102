//! Which addresses a fetch may connect to.

use imagxp::address::is_public_text;
use pyo3::prelude::*;

/// Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes.
///
/// Text that is not an address, a name for instance, is not public.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub(crate) fn is_public_address(text: &str) -> bool {
    is_public_text(text)
}
