//! Errors of reaching a server: one stable code per kind, one sentence, never an address or a password.

use core::fmt;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An address or a file of authorities cannot be used (`storage.config`).
    Config,
    /// What is at the address does not speak TLS, or is not believed (`storage.tls`).
    Tls,
    /// Nothing answers (`storage.unavailable`).
    Unavailable,
}

/// An error of reaching a server.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the functions of this crate return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable dotted code.
    pub const fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Config => "storage.config",
            ErrorKind::Tls => "storage.tls",
            ErrorKind::Unavailable => "storage.unavailable",
        }
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
