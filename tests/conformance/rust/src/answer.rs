//! Reading the members of a case. A case that lacks one is an error of the harness, and is answered as one.

use serde_json::Value;

/// What went wrong with a case.
pub(crate) enum Failure {
    /// The operation is not offered.
    Unsupported,
    /// The case itself is broken.
    Case(String),
    /// The library reported misuse.
    Library(imagxp::Error),
}

impl From<imagxp::Error> for Failure {
    fn from(error: imagxp::Error) -> Self {
        Self::Library(error)
    }
}

/// The answer to a case, without its id.
pub(crate) type Answer = Result<Value, Failure>;

/// A member that must be a string.
pub(crate) fn text<'a>(case: &'a Value, name: &str) -> Result<&'a str, Failure> {
    optional(case, name).ok_or_else(|| Failure::Case(format!("`{name}` is not a string")))
}

/// A member that may be a string.
pub(crate) fn optional<'a>(case: &'a Value, name: &str) -> Option<&'a str> {
    case.get(name).and_then(Value::as_str)
}

/// A time.
pub(crate) fn time(case: &Value, name: &str) -> Result<imagxp::Timestamp, Failure> {
    imagxp::Timestamp::parse(text(case, name)?)
        .ok_or_else(|| Failure::Case(format!("`{name}` is not a time")))
}

/// Bytes in hex.
pub(crate) fn hex(case: &Value, name: &str) -> Result<Vec<u8>, Failure> {
    let text = text(case, name)?;
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().ok_or_else(|| Failure::Case(format!("`{name}` is not hex")))
}

/// The text of a JSON member, for functions that read JSON themselves.
pub(crate) fn json(case: &Value, name: &str) -> Result<Vec<u8>, Failure> {
    case.get(name)
        .map(|value| value.to_string().into_bytes())
        .ok_or_else(|| Failure::Case(format!("`{name}` is missing")))
}
