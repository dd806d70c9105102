//! Writing a file whole or not at all.
//!
//! The content goes to a new file in the same folder first (`O_EXCL`, so nobody holds it open and no link leads elsewhere), is synced,
//! and gets its name when it is complete. Then the folder is synced, so that the name survives a power failure too.

use crate::fault;
use imagxp::{Error, ErrorKind};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Read and written by the owner only: for keys, and for what says where money went.
pub const PRIVATE: u32 = 0o600;

/// Read by everybody: for what is published anyway.
pub const PUBLIC: u32 = 0o644;

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails with [`io::ErrorKind::AlreadyExists`].
    Refuse,
    /// A regular file is replaced, never a link, a folder or a device: those fail with [`io::ErrorKind::AlreadyExists`] too.
    Replace,
    /// As `Replace`, and a link is replaced too: the link itself, never what it leads to.
    ReplaceLink,
}

/// Writes a file that only its owner can read (mode 0600); see [`write_with_mode`].
pub fn write(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    write_with_mode(path, content, existing, PRIVATE)
}

/// Writes a file with this mode (less the process's umask), complete or not at all.
///
/// After an error the name stands for what it stood for before, with one exception: when only the last step fails, syncing the
/// folder, the new file is in place but may be gone after a power failure. No temporary file is left behind.
pub fn write_with_mode(path: &Path, content: &[u8], existing: Existing, mode: u32) -> io::Result<()> {
    check(path, existing)?;
    let draft = Draft::of(path)?;
    fill(&draft.0, content, mode)?;
    match existing {
        Existing::Replace | Existing::ReplaceLink => {
            fault::point("rename")?;
            fs::rename(&draft.0, path)?;
        }
        Existing::Refuse => link(&draft.0, path, content, mode)?,
    }
    drop(draft);
    sync_folder(folder_of(path))
}

/// Whether a file could be written there now, for whoever pays before there is something to write: makes an empty draft, and removes it.
///
/// Errors: those with which [`write_with_mode`] would begin. A disk that fills up and a folder that goes away come later.
pub fn try_out(path: &Path, existing: Existing) -> io::Result<()> {
    check(path, existing)?;
    let draft = Draft::of(path)?;
    create(&draft.0, PRIVATE).map(drop)
}

/// Removes a file and syncs its folder. A file that is not there is removed already.
pub fn remove(path: &Path) -> io::Result<()> {
    fault::point("remove")?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(folder_of(path)),
    }
}

/// An `io.failed` error with the path in its message and the [`io::Error`] as source. `what` is a participle: `read`, `written`.
pub fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("`{}` cannot be {what}: {error}", path.display())).with_source(error)
}

/// The permissions of a file when others than its owner can read it; `None` also where files have no such permissions.
pub fn open_to_others(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = fs::metadata(path).ok()?;
        let mode = found.permissions().mode() & 0o777;
        (found.is_file() && mode & 0o044 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

fn check(path: &Path, existing: Existing) -> io::Result<()> {
    let taken = |message| Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_symlink() && existing == Existing::ReplaceLink => Ok(()),
        Ok(found) if !found.is_file() => taken("exists, and is not a regular file"),
        Ok(_) if existing == Existing::Refuse => taken("exists already"),
        Ok(_) => Ok(()),
    }
}

/// Gives the complete file its name unless it is taken: a link fails where the target exists, which a rename would not.
fn link(draft: &Path, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    fault::point("link")?;
    match fs::hard_link(draft, path) {
        // Some file systems know no links; there the target is made new and filled in place.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fill(path, content, mode),
        done => done,
    }
}

/// Makes a new file with this content, or none.
fn fill(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    fault::point("create")?;
    let mut file = create(path, mode)?;
    let written = fault::point("write")
        .and_then(|()| file.write_all(content))
        .and_then(|()| fault::point("sync"))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Ours since `create` succeeded; the first error is the one to report.
        discard(path);
    }
    written
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// Makes a change of names survive a power failure, where a folder can be synced at all.
fn sync_folder(folder: &Path) -> io::Result<()> {
    fault::point("sync folder")?;
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot, and a folder may be one that we can write to but not list.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn unique() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(format!("the system gives no randomness: {error}")))
}

/// A file that is removed when it has not become the target.
struct Draft(PathBuf);

impl Draft {
    /// A new name beside the target.
    fn of(path: &Path) -> io::Result<Self> {
        let file_name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        let mut hidden = OsString::from(".");
        hidden.push(file_name);
        hidden.push(format!(".{:016x}", unique()?));
        Ok(Self(folder_of(path).join(hidden)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        discard(&self.0);
    }
}

fn discard(path: &Path) {
    if !fault::is_down() {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let names = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn refuses_or_replaces() {
        let folder = folder();
        let path = folder.path().join("a");
        write(&path, b"one", Existing::Refuse).unwrap();
        let error = write(&path, b"two", Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        write(&folder.path().join("b"), b"new", Existing::Replace).unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(names(&folder), ["b"]);
    }

    #[cfg(unix)]
    #[test]
    fn modes_and_links() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
        let folder = folder();
        let path = folder.path().join("a");
        write(&path, b"one", Existing::Refuse).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.permissions().mode() & 0o777, found.nlink()), (0o600, 1));
        assert_eq!(open_to_others(&path), None);
        write_with_mode(&path, b"two", Existing::Replace, PUBLIC).unwrap();
        assert_eq!(open_to_others(&path), Some(0o644));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        for existing in [Existing::Refuse, Existing::Replace] {
            for target in [link.as_path(), folder.path()] {
                let error = write(target, b"three", existing).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            }
        }
        assert_eq!(fs::read(&path).unwrap(), b"two");
        write(&link, b"three", Existing::ReplaceLink).unwrap();
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(&folder), ["a", "link"]);
    }

    #[test]
    fn without_a_folder_nothing_is_written() {
        let folder = folder();
        let nowhere = folder.path().join("x/y");
        let error = write(&nowhere, b"", Existing::Replace).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = write(Path::new(""), b"", Existing::Replace).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(try_out(&nowhere, Existing::Replace).unwrap_err().kind(), io::ErrorKind::NotFound);
        let error = try_out(folder.path(), Existing::Replace).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn trying_leaves_everything_as_it_was() {
        let folder = folder();
        let path = folder.path().join("a");
        try_out(&path, Existing::Replace).unwrap();
        assert!(names(&folder).is_empty());
        write(&path, b"one", Existing::Refuse).unwrap();
        try_out(&path, Existing::Replace).unwrap();
        assert!(try_out(&path, Existing::Refuse).is_err());
        assert_eq!((fs::read(&path).unwrap(), names(&folder)), (b"one".to_vec(), vec!["a".to_owned()]));
    }

    /// Whatever step fails, the target is the old or the new content, whole, and nothing else is there.
    #[test]
    fn every_step_may_fail() {
        for existing in [Existing::Refuse, Existing::Replace] {
            let mut steps = 0;
            loop {
                let folder = folder();
                let path = folder.path().join("a");
                let old: &[u8] = if existing == Existing::Replace { b"old" } else { b"" };
                if existing == Existing::Replace {
                    write(&path, old, Existing::Refuse).unwrap();
                }
                let result = fault::failing_at(steps, || write(&path, b"new", existing));
                let found = fs::read(&path).unwrap_or_default();
                assert!(found == old || found == b"new", "step {steps}");
                assert!(names(&folder).iter().all(|name| name == "a"), "step {steps}");
                if result.is_ok() {
                    assert_eq!(found, b"new");
                    break;
                }
                steps += 1;
            }
            assert_eq!(steps, 5);
        }
    }

    /// After a crash a draft may lie about, under a name that is never read.
    #[test]
    fn a_crash_leaves_old_or_new() {
        for step in 0..5 {
            let folder = folder();
            let path = folder.path().join("a");
            write(&path, b"old", Existing::Refuse).unwrap();
            fault::crashing_at(step, || write(&path, b"new", Existing::Replace)).unwrap_err();
            let found = fs::read(&path).unwrap();
            assert!(found == b"old" || found == b"new", "step {step}");
            assert!(names(&folder).iter().all(|name| name == "a" || name.starts_with(".a.")));
        }
    }
}
