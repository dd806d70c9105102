//! The clock, unless the caller names the time.

use crate::error::CliError;
use imagxp::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads a time argument; for clap.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected RFC 3339 in UTC, such as 2026-01-31T12:00:00Z".to_owned())
}

/// The time that was named, else the clock's.
pub(crate) fn now_or(named: Option<Timestamp>) -> Result<Timestamp, CliError> {
    if let Some(named) = named {
        return Ok(named);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Timestamp::from_millis)
        .ok_or_else(|| CliError::new(CliError::SYSTEM, "the clock is before 1970; set it, or use --now"))
}
