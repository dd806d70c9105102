//! What opens the signing keys: a file that the operator names, or, for keys in a database, one that the first server has made.

use crate::error::SetupError;
use imagxp_files::atomic::{self, Existing};
use imagxp_files::key_file::Passphrase;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the passphrase is.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    file: Option<PathBuf>,
    usual: PathBuf,
}

impl Secret {
    /// `file` is `keys.passphrase_file`, empty when it is not set.
    pub(crate) fn new(data: &Path, file: &Path) -> Self {
        let file = Some(file).filter(|file| !file.as_os_str().is_empty()).map(Path::to_owned);
        Self { file, usual: data.join("keys.secret") }
    }

    /// The passphrase that is set: keys in a data folder may do without. Error: `io.failed`.
    pub(super) fn given(&self) -> Result<Option<Passphrase>, SetupError> {
        self.file.as_deref().map(read).transpose()
    }

    /// The passphrase of keys in a database, which are never there in the clear. Errors: `io.failed`, `key_file.locked` without one.
    pub(super) fn of_database(&self) -> Result<Passphrase, SetupError> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        if !self.usual.exists() {
            let message = format!(
                "the keys in the database are sealed: `{}` of the server that made them is missing here, and `keys.passphrase_file` is not set",
                self.usual.display()
            );
            return Err(SetupError::new("key_file.locked", message));
        }
        read(&self.usual)
    }

    /// The same, made of 256 random bits when there is none. Errors: `io.failed`.
    pub(super) fn made(&self) -> Result<Passphrase, SetupError> {
        if self.file.is_none() && !self.usual.exists() {
            let secret = Zeroizing::new(format!("{}\n", crate::random::secret()?));
            match atomic::write(&self.usual, secret.as_bytes(), Existing::Refuse) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let message = format!("`{}` cannot be written: {error}", self.usual.display());
                    return Err(SetupError::new("io.failed", message));
                }
            }
        }
        self.of_database()
    }
}

fn read(file: &Path) -> Result<Passphrase, SetupError> {
    let content = std::fs::read(file).map(Zeroizing::new).map_err(|error| {
        SetupError::new("io.failed", format!("`{}` cannot be read: {error}", file.display()))
    })?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Passphrase::new(line.strip_suffix(b"\r").unwrap_or(line))?)
}
