//! Private keys in files: readable by their owner only, written whole or not at all.

use crate::boundary;
use imagxp::crypto::PrivateKey;
use imagxp_files::atomic::{self, Existing};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Far more than a PEM file with one key has, comments included.
const MAX_FILE_BYTES: u64 = 64 * 1024;

pub(crate) fn load(py: Python<'_>, path: &Path) -> PyResult<PrivateKey> {
    let text = py.detach(|| read(path)).map_err(|error| naming(error, path))?;
    boundary::call(py, || PrivateKey::from_pem(&text))
}

pub(crate) fn save(py: Python<'_>, path: &Path, key: &PrivateKey, overwrite: bool) -> PyResult<()> {
    let existing = if overwrite { Existing::ReplaceLink } else { Existing::Refuse };
    let pem = key.to_pem();
    py.detach(|| atomic::write(path, pem.as_bytes(), existing)).map_err(|error| naming(error, path))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    fs::File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// `EEXIST`, the same number everywhere.
const EXISTS: i32 = 17;

/// The `OSError` that Python's own `open` would raise, with the path in `filename`.
fn naming(error: io::Error, path: &Path) -> PyErr {
    let exists = (error.kind() == io::ErrorKind::AlreadyExists).then_some(EXISTS);
    match error.raw_os_error().or(exists) {
        Some(number) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            // OSError picks its subclass (FileNotFoundError, PermissionError, …) by the number.
            PyOSError::new_err((number, text, path.as_os_str().to_owned()))
        }
        None => error.into(),
    }
}
