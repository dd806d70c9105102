//! Private keys in files: in the clear or encrypted, readable by their owner only, written whole or not at all.

use crate::{boundary, errors};
use imagxp::crypto::PrivateKey;
use imagxp::{Error, ErrorKind};
use imagxp_files::atomic::Existing;
use imagxp_files::key_file::{self, Access};
use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A passphrase as Python passes it: `str` or `bytes`. Our copy is erased; Python's own lives as long as Python keeps it.
#[derive(Clone)]
pub(crate) struct Passphrase(pub(crate) Arc<key_file::Passphrase>);

impl<'py> FromPyObject<'_, 'py> for Passphrase {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let passphrase = if let Ok(text) = object.cast::<PyString>() {
            key_file::Passphrase::new(text.to_str()?)
        } else if let Ok(bytes) = object.cast::<PyBytes>() {
            key_file::Passphrase::new(bytes.as_bytes())
        } else {
            return Err(PyTypeError::new_err("a passphrase is str or bytes"));
        };
        passphrase
            .map(|passphrase| Self(Arc::new(passphrase)))
            .map_err(|error| errors::raise(object.py(), &error))
    }
}

pub(crate) fn load(
    py: Python<'_>,
    path: &Path,
    passphrase: Option<&Passphrase>,
    allow_readable: bool,
) -> PyResult<PrivateKey> {
    let access = if allow_readable { Access::Anybody } else { Access::OwnerOnly };
    let passphrase = passphrase.map(|passphrase| &*passphrase.0);
    call(py, path, || key_file::load(path, passphrase, access))
}

pub(crate) fn save(
    py: Python<'_>,
    path: &Path,
    key: &PrivateKey,
    passphrase: Option<&Passphrase>,
    overwrite: bool,
) -> PyResult<()> {
    let existing = if overwrite { Existing::ReplaceLink } else { Existing::Refuse };
    let passphrase = passphrase.map(|passphrase| &*passphrase.0);
    call(py, path, || key_file::save(path, key, passphrase, existing))
}

/// Calls what touches files: their errors become the `OSError` that Python's own `open` would raise.
pub(crate) fn call<T: Send>(
    py: Python<'_>,
    path: &Path,
    act: impl Send + FnOnce() -> imagxp::Result<T>,
) -> PyResult<T> {
    // The inner result passes the boundary untouched, so that its source is still there.
    boundary::compute(py, act)?.map_err(|error| raise(py, path, &error))
}

fn raise(py: Python<'_>, path: &Path, error: &Error) -> PyErr {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) if error.kind() == ErrorKind::Io => naming(source, path),
        None if error.kind() == ErrorKind::Io => PyOSError::new_err(error.message().to_owned()),
        _ => errors::raise(py, error),
    }
}

/// `EEXIST`, the same number everywhere.
const EXISTS: i32 = 17;

/// The `OSError` that Python's own `open` would raise, with the path in `filename`.
fn naming(error: &io::Error, path: &Path) -> PyErr {
    let exists = (error.kind() == io::ErrorKind::AlreadyExists).then_some(EXISTS);
    let text = error.to_string();
    match error.raw_os_error().or(exists) {
        Some(number) => {
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            // OSError picks its subclass (FileNotFoundError, PermissionError, …) by the number.
            PyOSError::new_err((number, text, path.as_os_str().to_owned()))
        }
        // PermissionError, TimeoutError, … by the kind.
        None => io::Error::new(error.kind(), text).into(),
    }
}
