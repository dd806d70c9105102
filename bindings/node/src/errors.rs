//! Errors of the core as `ImagxpError`, and wrong types as `TypeError`; both with a `code`.

use crate::host;
use imagxp::json::{Object, object_to_canonical};
use napi::bindgen_prelude::{FnArgs, Unknown};
use napi::{Env, JsError, Status};
use std::error::Error as _;
use std::io;

/// The error for an error of the core. When a function of the caller's threw it, what it threw becomes `cause`.
pub(crate) fn raise(error: &imagxp::Error) -> napi::Error {
    let thrown = error.source().and_then(|source| source.downcast_ref::<napi::Error>());
    let cause = thrown.and_then(|thrown| thrown.try_clone().ok()).zip(host::env());
    let cause = cause.map(|(thrown, env)| JsError::from(thrown).into_unknown(env));
    make("error", error.code(), error.message(), cause, system_code(error))
}

/// What the operating system said, as Node names it: `{"cause":{"code":"ENOENT","message":"…"}}`.
fn system_code(error: &imagxp::Error) -> Option<String> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    let code = match source.kind() {
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::AlreadyExists => "EEXIST",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::WouldBlock => "EAGAIN",
        _ => "EIO",
    };
    let mut cause = Object::new();
    cause.insert("code", code);
    cause.insert("message", source.to_string());
    let mut members = Object::new();
    members.insert("cause", cause);
    Some(String::from_utf8_lossy(&object_to_canonical(&members)).into_owned())
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

/// The value that JavaScript sees for an error that is not thrown.
pub(crate) fn value(env: Env, error: napi::Error) -> Unknown<'static> {
    JsError::from(error).into_unknown(env)
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
