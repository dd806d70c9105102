//! The operating system's entropy.

use crate::error::CliError;
use imagxp::encoding::hex_encode;

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
    Ok(uuid_from(bytes))
}

fn uuid_from(bytes: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = hex_encode(&bits.to_be_bytes());
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant() {
        assert_eq!(uuid_from([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_from([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_ne!(uuid().unwrap(), uuid().unwrap());
    }
}
