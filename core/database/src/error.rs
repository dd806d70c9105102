//! Errors of databases and of reaching them: one stable code per kind, one sentence, never an address or a secret. One type for all crates
//! that work with a database.

use core::fmt;
use std::borrow::Cow;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// What kind of thing went wrong; each kind has one stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$meta])* #[doc = concat!(" (`", $text, "`)")] $name,)*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The dotted code string.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The address, a path, an option or the server's own configuration is not acceptable.
    Config = "storage.config";
    /// The database cannot be reached, or does not answer in time.
    Unavailable = "storage.unavailable";
    /// What is at the address does not speak TLS, or is not believed.
    Tls = "storage.tls";
    /// More waits than the queue holds; nothing was done. Ask again later.
    Busy = "store.busy";
    /// The connection was lost while the transaction ended: nobody knows whether it was done.
    Unknown = "store.unknown";
    /// Two transactions were in each other's way; nothing was done. The same again may succeed.
    Conflict = "storage.conflict";
    /// The database refused a statement, or the disk did not take it; nothing was done.
    Failed = "storage.failed";
    /// The tables are of a newer program, or were altered.
    Schema = "storage.schema";
    /// What is stored breaks a rule that always holds.
    Damaged = "storage.damaged";
    /// A restore was asked for into a database that holds something.
    NotEmpty = "storage.not_empty";
    /// A backup cannot be read, or is not what was written.
    Backup = "storage.backup";
}

/// An error of a database.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What the functions of this crate return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// An error of this kind, with one sentence.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// With what it came from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An error of a commit: unless the database has said that it was not done, nobody knows.
    #[must_use]
    pub fn of_commit(mut self) -> Self {
        if !matches!(self.kind, ErrorKind::Conflict | ErrorKind::Failed) {
            self.kind = ErrorKind::Unknown;
        }
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

impl From<Error> for imagxp::Error {
    /// As `io.failed`, or `usage.argument` when what was asked is at fault.
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Config => imagxp::ErrorKind::Argument,
            _ => imagxp::ErrorKind::Io,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
