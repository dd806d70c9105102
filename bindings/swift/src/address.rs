//! Which addresses a fetch may connect to.

/// Whether a fetch for a stranger may connect to this address: global unicast only, no IPv4 in IPv6 clothes.
///
/// Text that is not an address, a name for instance, is not public.
#[uniffi::export]
pub(crate) fn is_public_address(text: &str) -> bool {
    imagxp::address::is_public_text(text)
}
