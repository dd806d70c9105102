//! The one way from JavaScript into the core: panics caught, errors converted.

use crate::errors;
use core::any::Any;
use imagxp::Code;
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls the core. A panic becomes an `ImagxpError` with the code `internal.panic`, and the process goes on.
pub(crate) fn call<T>(act: impl FnOnce() -> imagxp::Result<T>) -> napi::Result<T> {
    caught(act)?.map_err(|error| errors::raise(&error))
}

/// Like [`call`], for what cannot fail.
pub(crate) fn compute<T>(act: impl FnOnce() -> T) -> napi::Result<T> {
    caught(act)
}

/// What was caught, to be told on a thread that can.
pub(crate) struct Panicked(String);

impl Panicked {
    pub(crate) fn raise(&self) -> napi::Error {
        errors::with_code(Code::InternalPanic.as_str(), &self.0)
    }
}

/// Catches panics, on whatever thread.
pub(crate) fn catch<T>(act: impl FnOnce() -> T) -> Result<T, Panicked> {
    // The core leaves its shared state whole at every step, so looking at it after a panic is sound.
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| Panicked(describe(&*payload)))
}

fn caught<T>(act: impl FnOnce() -> T) -> napi::Result<T> {
    catch(act).map_err(|panicked| panicked.raise())
}

fn describe(payload: &(dyn Any + Send)) -> String {
    // Panic messages of the standard library hold indices and lengths, never contents.
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("a bug in imagxp: {}", text.unwrap_or("unknown"))
}

/// Panics, so that a test can prove what becomes of it.
#[napi(js_name = "_panic", skip_typescript)]
pub fn panic_on_purpose() -> napi::Result<()> {
    compute(|| {
        #[expect(clippy::panic, reason = "that is its purpose")]
        {
            panic!("on purpose")
        }
    })
}
