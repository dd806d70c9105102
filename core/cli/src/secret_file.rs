//! Writing a private key: a new file that only its owner can read, complete or absent.

use crate::error::CliError;
use crate::input::name;
use crate::random;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a secret to a file of mode 0600.
///
/// It is written to a new file beside the target first, and gets its name when it is complete and on the disk. Without `force`
/// an existing target is left alone; with it only a regular file is replaced, never a device, a directory or a link.
pub(crate) fn write(path: &Path, secret: &[u8], force: bool) -> Result<(), CliError> {
    let refuse = |code, message: String| CliError::new(code, message).in_file(name(path));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refuse(CliError::UNWRITABLE, format!("cannot be written: {error}"))),
        Ok(found) if !found.is_file() => {
            return Err(refuse(CliError::EXISTS, "exists, and is not a regular file".into()));
        }
        Ok(_) if !force => return Err(refuse(CliError::EXISTS, "exists; use --force to replace it".into())),
        Ok(_) => {}
    }
    place(path, secret, force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => refuse(CliError::EXISTS, "exists; use --force to replace it".into()),
        _ => refuse(CliError::UNWRITABLE, format!("cannot be written: {error}")),
    })
}

fn place(path: &Path, secret: &[u8], force: bool) -> io::Result<()> {
    let file_name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unique = random::uuid().map_err(|error| io::Error::other(error.message().to_owned()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(file_name);
    hidden.push(format!(".{unique}"));
    let draft = Draft(folder.join(hidden));
    fill(&draft.0, secret)?;
    if force {
        fs::rename(&draft.0, path)?;
    } else if let Err(error) = fs::hard_link(&draft.0, path) {
        // A link fails where the target exists, which a rename would not. Some file systems know no links.
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        fill(path, secret)?;
    }
    drop(draft);
    sync_folder(folder);
    Ok(())
}

/// Makes a new file with this content, or none.
fn fill(path: &Path, secret: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    let written = file.write_all(secret).and_then(|()| file.sync_all());
    if written.is_err() {
        // Ours since `create` succeeded; the first error is the one to report.
        let _ = fs::remove_file(path);
    }
    written
}

/// `O_EXCL`: whatever is there already, a link included, is an error.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the new name survive a power failure, where a folder can be synced at all.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// A file that is removed when it has not become the target.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The permissions of a key file when others than its owner can read it.
pub(crate) fn open_to_others(path: &Path) -> Option<u32> {
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
