//! Why a document was refused.

use crate::code::Code;
use crate::error::Error;
use core::fmt;

/// Why and where a JSON document was refused. It quotes nothing of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    code: Code,
    offset: usize,
    reason: &'static str,
}

impl ParseError {
    pub(super) const fn new(code: Code, offset: usize, reason: &'static str) -> Self {
        Self { code, offset, reason }
    }

    /// The refusal code: one of the `json.*` codes, or `header.too_large` (PROTOCOL §13).
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Where it was noticed: bytes from the beginning of the document.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What exactly was wrong: lower case, no full stop, safe to show.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::protocol(error.code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_the_error_of_the_crate() {
        let refused = ParseError::new(Code::JsonMalformed, 7, "expected a value");
        let error = Error::from(refused);
        assert_eq!(error.code(), "json.malformed");
        assert_eq!(error.message(), "expected a value at byte 7");
        assert_eq!((refused.code(), refused.offset()), (Code::JsonMalformed, 7));
    }
}
