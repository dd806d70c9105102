//! Errors of the core as the exception classes of `imagxp.errors`.

use imagxp::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use std::error::Error as _;

/// The exception for an error of the core. When Python code of the caller caused it, that exception becomes `__cause__`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let exception = with_code(py, error.code(), error.message());
    if let Some(cause) = error.source().and_then(|source| source.downcast_ref::<PyErr>()) {
        exception.set_cause(py, Some(cause.clone_ref(py)));
    }
    exception
}

/// The exception with a code and one sentence; its class follows from the code.
pub(crate) fn with_code(py: Python<'_>, code: &str, message: &str) -> PyErr {
    static FROM_CODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = FROM_CODE
        .get_or_try_init(py, || Ok(py.import("imagxp.errors")?.getattr("from_code")?.unbind()))
        .and_then(|from_code| from_code.bind(py).call1((code, message)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// A `usage.argument` error of the binding's own.
pub(crate) fn argument(py: Python<'_>, message: &str) -> PyErr {
    raise(py, &Error::argument(message.to_owned()))
}

/// Reports an exception that cannot be raised where it happened (in a replay store, in a rule of the publisher) to the logger
/// `imagxp`, with its traceback.
pub(crate) fn log(py: Python<'_>, message: &str, error: &PyErr) {
    let report = || -> PyResult<()> {
        let logger = py.import("logging")?.getattr("getLogger")?.call1(("imagxp",))?;
        let options = pyo3::types::PyDict::new(py);
        options.set_item("exc_info", error.value(py))?;
        logger.getattr("error")?.call((PyString::new(py, "%s"), message), Some(&options))?;
        Ok(())
    };
    if let Err(unreportable) = report() {
        unreportable.write_unraisable(py, None);
    }
}
