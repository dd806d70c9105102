//! The folder of a rotation: names in it, its lock, and errors that say which file.

use crate::atomic::{self, Existing, failed};
use imagxp::Result;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const LOCK: &str = "rotation.lock";

/// Its path is absolute: it stays the same folder when the process goes to another.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// Held until dropped; the system lets it go when the process ends.
pub(super) struct Lock(#[allow(dead_code, reason = "held, never looked at")] File);

impl Folder {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let folder = Self::open(path)?;
        match builder.create(&folder.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path, "made", error)),
            _ => Ok(folder),
        }
    }

    pub(super) fn open(path: &Path) -> Result<Self> {
        std::path::absolute(path).map(Self).map_err(|error| failed(path, "found", error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.file(name).symlink_metadata().is_ok()
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let listed = || -> io::Result<Vec<String>> {
            fs::read_dir(&self.0)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        listed().map_err(|error| failed(&self.0, "read", error))
    }

    pub(super) fn read(&self, name: &str, most: usize) -> Result<Vec<u8>> {
        let path = self.file(name);
        let read = || -> io::Result<Vec<u8>> {
            let mut content = Vec::new();
            File::open(&path)?.take(most as u64 + 1).read_to_end(&mut content)?;
            if content.len() > most {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
            }
            Ok(content)
        };
        read().map_err(|error| failed(&path, "read", error))
    }

    /// Writes a file for its owner.
    pub(super) fn write(&self, name: &str, content: &[u8], existing: Existing) -> Result<()> {
        let path = self.file(name);
        atomic::write(&path, content, existing).map_err(|error| failed(&path, "written", error))
    }

    /// Writes a file that everybody may read.
    pub(super) fn publish(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.file(name);
        atomic::write_with_mode(&path, content, Existing::Replace, atomic::PUBLIC)
            .map_err(|error| failed(&path, "written", error))
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name);
        atomic::remove(&path).map_err(|error| failed(&path, "removed", error))
    }

    /// Waits for nobody: `io.failed` when another process takes a step now.
    pub(super) fn lock(&self) -> Result<Lock> {
        let path = self.file(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, atomic::PRIVATE);
        let file = options.open(&path).map_err(|error| failed(&path, "written", error))?;
        #[cfg(unix)]
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let error = match error {
                rustix::io::Errno::WOULDBLOCK => {
                    io::Error::new(io::ErrorKind::WouldBlock, "another process takes a step now")
                }
                other => other.into(),
            };
            failed(&path, "locked", error)
        })?;
        Ok(Lock(file))
    }
}
