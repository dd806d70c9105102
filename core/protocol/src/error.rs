//! Errors of misuse and of broken environments. A refused request is a [`crate::Verdict`], never an error.

use crate::code::Code;
use core::fmt;
use std::borrow::Cow;

/// What kind of thing went wrong; each kind has one stable code string and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is out of range or of the wrong form.
    Argument,
    /// A policy document is not acceptable.
    Policy,
    /// A signer (KMS, HSM, Secure Enclave) failed or answered nonsense.
    Signer,
    /// The bytes broke a rule of the protocol; the code says which.
    Protocol(Code),
}

impl ErrorKind {
    /// The dotted code string.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Argument => "usage.argument",
            Self::Policy => "usage.policy",
            Self::Signer => "usage.signer",
            Self::Protocol(code) => code.as_str(),
        }
    }

    /// The C ABI status number: 1..99 for these kinds, a [`Code::number`] otherwise.
    pub const fn number(self) -> u32 {
        match self {
            Self::Argument => 1,
            Self::Policy => 2,
            Self::Signer => 3,
            Self::Protocol(code) => code.number(),
        }
    }
}

/// An error with a stable code and one sentence; it never holds a secret.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of everything in this crate that can fail by misuse.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// Makes an error. The message is lower case, without a full stop and without secrets.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Makes an [`ErrorKind::Argument`] error.
    pub fn argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Argument, message)
    }

    /// Makes an [`ErrorKind::Protocol`] error with a message of its own.
    pub fn protocol(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Protocol(code), message)
    }

    /// Attaches the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable dotted code.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// One sentence that says what happened.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(ErrorKind::Protocol(code), code.message())
    }
}
