//! What can go wrong before the service runs. What goes wrong in a request is [`crate::problem::Problem`].

use core::fmt;

/// The service cannot be set up: a stable code and one sentence, without secrets.
#[derive(Debug)]
pub struct SetupError {
    code: &'static str,
    message: String,
}

impl SetupError {
    /// Makes an error. The message is lower case, without a full stop and without secrets.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SetupError {}

impl From<imagxp::Error> for SetupError {
    fn from(error: imagxp::Error) -> Self {
        Self::new(error.code(), error.message().to_owned())
    }
}
