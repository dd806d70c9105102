//! Errors of the core as the one error type of the package.

use imagxp::{Code, Error};

/// What went wrong: misuse, a broken environment, bytes that break a rule. A refused request is a `Verdict`, never an error.
///
/// `code` is stable and the same in every language (`usage.argument`, `key.malformed`, …); `message` is one sentence without secrets.
#[derive(Clone, Debug, PartialEq, uniffi::Error)]
pub(crate) enum ImagxpError {
    /// The one case: read `code` and `message`.
    Failure {
        /// The dotted code.
        code: String,
        /// One sentence: lower case, no full stop, no secret.
        message: String,
    },
}

impl ImagxpError {
    /// A `usage.argument` error of the binding's own.
    pub(crate) fn argument(message: &str) -> Self {
        Error::argument(message.to_owned()).into()
    }

    /// A panic, told.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::Failure {
            code: Code::InternalPanic.as_str().to_owned(),
            message: format!("a bug in imagxp: {what}"),
        }
    }
}

impl std::fmt::Display for ImagxpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Failure { code, message } = self;
        write!(f, "{code}: {message}")
    }
}

impl std::error::Error for ImagxpError {}

impl From<Error> for ImagxpError {
    fn from(error: Error) -> Self {
        Self::Failure { code: error.code().to_owned(), message: error.message().to_owned() }
    }
}

/// An error of a type of the caller's own, thrown by a callback. Its text is not repeated: nobody knows what is in it.
impl From<uniffi::UnexpectedUniFFICallbackError> for ImagxpError {
    fn from(_error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failure { code: crate::signer::CALLBACK.into(), message: "the callback threw an error".into() }
    }
}
