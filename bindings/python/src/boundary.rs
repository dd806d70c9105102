//! The one way from Python into the core: interpreter released, panics caught, errors converted.

use crate::errors;
use core::any::Any;
use imagxp::Code;
use pyo3::marker::Ungil;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls the core without holding the interpreter lock.
///
/// The core's caches stand behind mutexes, and its replay store may be Python code: whoever waited for such a mutex while holding
/// the interpreter could wait for ever. A panic becomes `InternalError` with the code `internal.panic`, which `except Exception`
/// catches, unlike pyo3's own `PanicException`.
pub(crate) fn call<T, F>(py: Python<'_>, act: F) -> PyResult<T>
where
    T: Ungil + Send,
    F: Ungil + Send + FnOnce() -> imagxp::Result<T>,
{
    // The core leaves its shared state whole at every step, so looking at it after a panic is sound.
    match py.detach(|| catch_unwind(AssertUnwindSafe(act))) {
        Ok(result) => result.map_err(|error| errors::raise(py, &error)),
        Err(payload) => Err(panicked(py, &*payload)),
    }
}

/// Like [`call`], for what cannot fail.
pub(crate) fn compute<T, F>(py: Python<'_>, act: F) -> PyResult<T>
where
    T: Ungil + Send,
    F: Ungil + Send + FnOnce() -> T,
{
    call(py, || Ok(act()))
}

fn panicked(py: Python<'_>, payload: &(dyn Any + Send)) -> PyErr {
    // Panic messages of the standard library hold indices and lengths, never contents.
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = format!("a bug in imagxp: {}", text.unwrap_or("unknown"));
    errors::with_code(py, Code::InternalPanic.as_str(), &message)
}

/// Panics, so that a test can prove what becomes of it.
#[pyfunction]
pub(crate) fn _panic(py: Python<'_>) -> PyResult<()> {
    compute(py, || {
        #[expect(clippy::panic, reason = "that is its purpose")]
        {
            panic!("on purpose")
        }
    })
}
