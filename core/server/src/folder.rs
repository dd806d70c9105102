//! The data folder: its owner's alone, and changed by one command at a time.

use crate::error::SetupError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

/// Makes a folder and those above it, mode 0700, unless they are there. Error: `io.failed`.
pub(crate) fn create(folder: &Path) -> Result<(), SetupError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        SetupError::new("io.failed", format!("`{}` cannot be made: {error}", folder.display()))
    })
}

/// Opens a file and locks it; its content says nothing. `None` when somebody else has it and `waits` is false.
pub(crate) fn lock_file(path: &Path, waits: bool) -> std::io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let how = if waits { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    loop {
        match flock(&file, how) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until no other command changes the data folder; until what is returned is dropped, none does. Error: `io.failed`.
pub(crate) fn lock(data: &Path) -> Result<Option<File>, SetupError> {
    create(data)?;
    let path = data.join("lock");
    lock_file(&path, true).map_err(|error| {
        SetupError::new("io.failed", format!("`{}` cannot be locked: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let held = lock(&data).unwrap();
        assert!(lock_file(&data.join("lock"), false).unwrap().is_none());
        drop(held);
        drop(lock(&data).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
