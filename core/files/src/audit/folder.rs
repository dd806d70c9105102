//! The files of a log and their names.

use super::io_error;
use imagxp::{Error, ErrorKind, Result};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

pub(super) const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = "lock";
const EXTENSION: &str = "jsonl";

/// The name of the file that begins with this entry.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:016}.{EXTENSION}")
}

/// The files of a log in their order, by the number of the first entry.
pub(super) fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let unreadable = |error| io_error("read the folder", folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| {
            let digits = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
            (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| digits.parse().ok())?
        });
        if let Some(number) = number {
            files.push((number, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Makes names in the folder survive a power failure.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("sync the folder", folder, error))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Options to open files that only their owner may read: URLs that people asked for are nobody else's business.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The right to write, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[cfg_attr(not(unix), expect(dead_code, reason = "held, not read"))] File);

impl Lock {
    /// Takes the lock. Error: `io.failed` when another process, or another log object of this one, holds it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let file = private()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| io_error("open", &path, error))?;
        #[cfg(unix)]
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Error::new(
                ErrorKind::Io,
                format!("the audit log `{}` is being written already", folder.display()),
            )
        })?;
        Ok(Self(file))
    }

    /// Gives it back before the drop, which a background thread may delay.
    pub(super) fn release(&self) {
        #[cfg(unix)]
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Moves what is behind `keep` bytes of a file into a new file beside it.
pub(super) fn cut_tail(path: &Path, keep: u64) -> Result<PathBuf> {
    use std::io::{Read as _, Seek as _, SeekFrom, copy};
    let failed = |error| io_error("cut the torn end of", path, error);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let aside = aside(path);
    let mut kept = private()
        .create_new(true)
        .write(true)
        .open(&aside)
        .map_err(|error| io_error("create", &aside, error))?;
    file.seek(SeekFrom::Start(keep)).map_err(failed)?;
    copy(&mut file.by_ref().take(u64::MAX), &mut kept).map_err(failed)?;
    kept.sync_all().map_err(failed)?;
    file.set_len(keep).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(aside)
}

/// Moves a whole file out of the way.
pub(super) fn move_aside(path: &Path) -> Result<PathBuf> {
    let aside = aside(path);
    fs::rename(path, &aside).map_err(|error| io_error("rename", path, error))?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(aside)
}

/// `NAME.<k>.torn` with the first free `k`.
fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (0_u64..)
        .map(|number| path.with_file_name(format!("{name}.{number}.torn")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("torn"))
}
