//! Errors of stores: one stable code per kind, one sentence, never a secret.

use core::fmt;
use std::borrow::Cow;

/// What kind of thing went wrong; each kind has one stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address, an option or the server's own configuration is not acceptable (`storage.config`).
    Config,
    /// What is at the address does not speak TLS, or is not believed (`storage.tls`).
    Tls,
    /// The database cannot be reached, or does not answer in time (`storage.unavailable`).
    Unavailable,
    /// The tables are of another version of this program (`storage.schema`).
    Schema,
}

impl ErrorKind {
    /// The dotted code string.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Config => "storage.config",
            Self::Tls => "storage.tls",
            Self::Unavailable => "storage.unavailable",
            Self::Schema => "storage.schema",
        }
    }
}

/// An error of a store.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the functions of this crate return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable dotted code.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// One sentence.
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
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

impl From<imagxp_database::Error> for Error {
    fn from(error: imagxp_database::Error) -> Self {
        let kind = match error.kind() {
            imagxp_database::ErrorKind::Config => ErrorKind::Config,
            imagxp_database::ErrorKind::Tls => ErrorKind::Tls,
            imagxp_database::ErrorKind::Unavailable => ErrorKind::Unavailable,
        };
        Self::new(kind, error.message().to_owned()).with_source(error)
    }
}

impl From<Error> for imagxp::Error {
    /// As `io.failed`, or `usage.argument` when what was asked is at fault.
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Config => imagxp::ErrorKind::Argument,
            ErrorKind::Tls | ErrorKind::Unavailable | ErrorKind::Schema => imagxp::ErrorKind::Io,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
