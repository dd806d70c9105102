//! Errors of the core as `ImagxpError`, and wrong types as `TypeError`; both with a `code`.

use crate::host;
use napi::bindgen_prelude::{FnArgs, Unknown};
use napi::{JsError, Status};
use std::error::Error as _;

/// The error for an error of the core. When a function of the caller's threw it, what it threw becomes `cause`.
pub(crate) fn raise(error: &imagxp::Error) -> napi::Error {
    let thrown = error.source().and_then(|source| source.downcast_ref::<napi::Error>());
    let cause = thrown.and_then(|thrown| thrown.try_clone().ok()).zip(host::env());
    let cause = cause.map(|(thrown, env)| JsError::from(thrown).into_unknown(env));
    make("error", error.code(), error.message(), cause, None)
}

/// The error with a code and one sentence.
pub(crate) fn with_code(code: &str, message: &str) -> napi::Error {
    make("error", code, message, None, None)
}

/// An error of a class with further members, which are given as a JSON object.
pub(crate) fn with_members(kind: &'static str, code: &str, message: &str, members: String) -> napi::Error {
    make(kind, code, message, None, Some(members))
}

/// A `usage.argument` error of the binding's own.
pub(crate) fn argument(message: &str) -> napi::Error {
    raise(&imagxp::Error::argument(message.to_owned()))
}

/// A value of the wrong type: a `TypeError` with the code `usage.argument`.
pub(crate) fn wrong_type(message: &str) -> napi::Error {
    make("type", "usage.argument", message, None, None)
}

fn make(
    kind: &'static str,
    code: &str,
    message: &str,
    cause: Option<Unknown<'static>>,
    members: Option<String>,
) -> napi::Error {
    let arguments = FnArgs::from((kind, code.to_owned(), message.to_owned(), cause, members));
    match host::error_object(arguments) {
        Some(object) => napi::Error::from(object),
        None => napi::Error::new(Status::GenericFailure, format!("{code}: {message}")),
    }
}
