//! Private keys in files: readable by their owner only, written whole or not at all.

use crate::{boundary, key};
use imagxp::crypto::PrivateKey;
use imagxp::encoding::hex_encode;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Far more than a PEM file with one key has, comments included.
const MAX_FILE_BYTES: u64 = 64 * 1024;

pub(crate) fn load(py: Python<'_>, path: &Path) -> PyResult<PrivateKey> {
    let text = py.detach(|| read(path)).map_err(|error| naming(error, path))?;
    boundary::call(py, || PrivateKey::from_pem(&text))
}

pub(crate) fn save(py: Python<'_>, path: &Path, key: &PrivateKey, overwrite: bool) -> PyResult<()> {
    let suffix = boundary::call(py, || {
        let mut bytes = [0; 8];
        key::entropy(&mut bytes)?;
        Ok(hex_encode(&bytes))
    })?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}.tmp"));
    let temporary = path.with_file_name(name);
    let written = py.detach(|| {
        let result = write(&temporary, &key.to_pem()).and_then(|()| publish(&temporary, path, overwrite));
        if result.is_err() || !overwrite {
            // With `overwrite` the rename has moved it; otherwise it is a second name of the new file.
            let _ = fs::remove_file(&temporary);
        }
        result
    });
    written.map_err(|error| naming(error, path))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    fs::File::open(path)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // A new file, so that nobody holds it open and no link leads elsewhere.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn publish(temporary: &Path, path: &Path, overwrite: bool) -> io::Result<()> {
    // Renaming replaces; linking fails when there is a file, without a gap between looking and writing.
    if overwrite { fs::rename(temporary, path) } else { fs::hard_link(temporary, path) }
}

/// The `OSError` that Python's own `open` would raise, with the path in `filename`.
fn naming(error: io::Error, path: &Path) -> PyErr {
    let path = path.as_os_str().to_owned();
    match error.raw_os_error() {
        Some(number) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            // OSError picks its subclass (FileNotFoundError, PermissionError, …) by the number.
            PyOSError::new_err((number, text, path))
        }
        None => error.into(),
    }
}
