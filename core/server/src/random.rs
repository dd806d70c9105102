//! Entropy.

use crate::error::SetupError;
use imagxp::encoding::{base64url_encode, uuid_v4};

/// `N` random bytes. Error: `system.unavailable`.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], SetupError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| SetupError::new("system.unavailable", "the operating system gives no randomness"))?;
    Ok(bytes)
}

/// A random name: UUID version 4.
pub(crate) fn uuid() -> Result<String, SetupError> {
    Ok(uuid_v4(bytes()?))
}

/// 256 random bits as text.
pub(crate) fn secret() -> Result<String, SetupError> {
    Ok(base64url_encode(&bytes::<32>()?))
}
