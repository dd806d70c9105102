//! Times: Foundation's `Date` in Swift, whole milliseconds here; the clock when there is none.

use imagxp::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

uniffi::custom_type!(Timestamp, i64, {
    remote,
    lower: |time| time.as_millis(),
    try_lift: |millis| Ok(Timestamp::from_millis(millis)),
});

/// The given time, or the clock's: the binding is the outermost layer, where a clock may be read.
pub(crate) fn or_now(time: Option<Timestamp>) -> Timestamp {
    time.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
    })
}

/// Reads the protocol's form of RFC 3339: `YYYY-MM-DDTHH:MM:SS[.mmm]Z`, years 2000 to 2100. Nil for anything else.
#[uniffi::export]
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

/// Writes a time as the protocol does: RFC 3339 in UTC with milliseconds.
#[uniffi::export]
pub(crate) fn format_timestamp(time: Timestamp) -> String {
    time.to_string()
}
