//! Errors of misuse and of broken environments. A refused request is a [`crate::Verdict`], never an error.

use crate::code::Code;
use core::fmt;
use std::borrow::Cow;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What kind of thing went wrong; each kind has one stable code string and number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$meta])* #[doc = concat!(" (`", $text, "`)")] $name,)*
            /// The bytes broke a rule of the protocol; the code says which.
            Protocol(Code),
        }

        impl ErrorKind {
            /// Every kind that is not a code of the protocol, in the order of its numbers.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The dotted code string.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Protocol(code) => code.as_str() }
            }

            /// The C ABI status number: 1..99 for these kinds, a [`Code::number`] otherwise.
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* Self::Protocol(code) => code.number() }
            }
        }
    };
}

kinds! {
    /// An argument is out of range or of the wrong form.
    Argument = 1, "usage.argument";
    /// A policy document is not acceptable.
    Policy = 2, "usage.policy";
    /// A signer (KMS, HSM, Secure Enclave) failed or answered nonsense.
    Signer = 3, "usage.signer";
    /// A file, a socket or another part of the environment does not do its work.
    Io = 4, "io.failed";

    /// An encrypted key file does not open: the passphrase is wrong, or the file is damaged. Which of the two is not told.
    KeyFile = 10, "key_file.locked";
    /// A step of a key rotation would come too early, too late or twice.
    Rotation = 11, "rotation.order";

    /// The offer of a 402 answer cannot be read, or names nothing that can be bought.
    Offer = 20, "offer.malformed";
    /// A payment would pass a cap of the agent's own.
    SpendLimit = 21, "spend.limit";
    /// The offer names no broker that the agent trusts.
    SpendBroker = 22, "spend.broker_denied";
    /// A payment was begun and its end is not known; it is not begun again.
    SpendUnknown = 23, "spend.unknown";
    /// The site's robots.txt disallows this path, or cannot be read now.
    Robots = 24, "robots.denied";
    /// A redirect leads to another origin, or there were too many.
    Redirect = 25, "redirect.denied";

    /// A provenance receipt cannot be read.
    ProvenanceMalformed = 30, "provenance.malformed";
    /// An answer that should carry a provenance receipt has none.
    ProvenanceMissing = 31, "provenance.missing";
    /// A provenance receipt speaks of other content, another URL or another time.
    ProvenanceMismatch = 32, "provenance.mismatch";

    /// An audit record, checkpoint, proof or bundle cannot be read.
    AuditMalformed = 40, "audit.malformed";
    /// An audit log is not what was written: something was altered, reordered or removed.
    AuditAltered = 41, "audit.altered";
    /// An inclusion or consistency proof does not hold.
    AuditProof = 42, "audit.proof_invalid";

    /// A statement of a site's wishes (RSL, `Content-Usage`, `Content-Signal`, a link) cannot be read.
    Discovery = 50, "discovery.malformed";
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
    #[cold]
    #[inline(never)]
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
