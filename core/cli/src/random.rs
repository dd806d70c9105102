//! The operating system's entropy.

use crate::error::CliError;
use imagxp::encoding::uuid_v4;

/// Fills a buffer with randomness; for [`imagxp::crypto::PrivateKey::generate`].
pub(crate) fn fill(buffer: &mut [u8]) -> imagxp::Result<()> {
    getrandom::fill(buffer).map_err(|error| imagxp::Error::argument(format!("no randomness: {error}")))
}

/// A random UUID (RFC 9562, version 4) for nonces and token names.
pub(crate) fn uuid() -> Result<String, CliError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        CliError::new(CliError::SYSTEM, format!("the system gives no randomness: {error}"))
    })?;
    Ok(uuid_v4(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(uuid().unwrap(), uuid().unwrap());
    }
}
