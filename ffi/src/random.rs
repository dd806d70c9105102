//! Randomness of the operating system, where the caller brings none.

use imagxp::{Error, Result};

/// Fills the buffer.
pub(crate) fn os_random(buffer: &mut [u8]) -> Result<()> {
    getrandom::fill(buffer)
        .map_err(|error| Error::argument("the system delivers no randomness").with_source(error))
}
