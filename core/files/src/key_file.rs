//! Private keys in files: sealed with a passphrase, or in the clear (PEM, JWK, DER), and always whole (see [`crate::atomic`]).
//!
//! A sealed key file is one block of text, so that it can be told from other keys and moved about:
//!
//! ```text
//! -----BEGIN IMAGXP ENCRYPTED PRIVATE KEY-----
//! base64 in lines of 64 characters
//! -----END IMAGXP ENCRYPTED PRIVATE KEY-----
//! ```
//!
//! Inside are, in this order (integers big-endian):
//!
//! | bytes | what |
//! | --- | --- |
//! | 7 | `IMAGXPK` |
//! | 1 | version, 1: argon2id (RFC 9106, version 0x13) and XChaCha20-Poly1305 |
//! | 1 | the key's algorithm: 1 ES256, 2 EdDSA |
//! | 1 | argon2id: lanes |
//! | 4 | argon2id: memory in KiB |
//! | 4 | argon2id: passes |
//! | 16 | argon2id: salt |
//! | 24 | XChaCha20-Poly1305: nonce |
//! | rest | the key as PKCS#8 DER, encrypted, and the 16-byte tag |
//!
//! The 58 bytes before the ciphertext are its associated data: none of them can be changed without the passphrase. There is one text
//! for one content, line ends included. A file with cheaper parameters than [`Bounds::DEFAULT`] allows is not opened, because who
//! wrote it made the passphrase easy to guess; nor one with dearer ones, which would eat memory and time.

mod form;
mod seal;

pub use form::{is_sealed, read, read_public};
pub use seal::{Bounds, Cost, open, open_within, seal, seal_with};

use crate::atomic::{self, Existing, failed};
use imagxp::crypto::PrivateKey;
use imagxp::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The longest passphrase in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Far more than a PEM file with one key has, comments included.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// A passphrase: bytes as they were typed (UTF-8, not normalised), erased when it is dropped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes a passphrase over. `usage.argument` when it is empty or longer than [`MAX_PASSPHRASE_BYTES`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.is_empty() || bytes.len() > MAX_PASSPHRASE_BYTES {
            return Err(Error::argument(format!("a passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes")));
        }
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// Who else may have access to a key file that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody: a file that its group or others may read or write is refused, as ssh does.
    OwnerOnly,
    /// Anybody: the caller knows why, for example a secret that a container mounts.
    Anybody,
}

/// Reads the private key in a file.
///
/// With a passphrase the file must be sealed; a file that is not, or that is damaged, is `key_file.locked` like a wrong passphrase.
/// Without one it must be in the clear: PEM (PKCS#8, SEC 1), JWK or PKCS#8 DER. `io.failed` when it cannot be read, and when others
/// have access although `access` forbids it.
pub fn load(path: &Path, passphrase: Option<&Passphrase>, access: Access) -> Result<PrivateKey> {
    let content = content(path, access)?;
    match passphrase {
        Some(passphrase) => open(&content, passphrase),
        None => read(&content, || Err(locked_without_passphrase())),
    }
}

/// Writes a private key to a file of mode 0600, whole or not at all: sealed with the passphrase, or as PKCS#8 PEM without one.
///
/// `io.failed` when it cannot be written, with the [`io::Error`] as source.
pub fn save(
    path: &Path,
    key: &PrivateKey,
    passphrase: Option<&Passphrase>,
    existing: Existing,
) -> Result<()> {
    let text = match passphrase {
        Some(passphrase) => seal(key, passphrase)?,
        None => key.to_pem(),
    };
    atomic::write(path, text.as_bytes(), existing).map_err(|error| failed(path, "written", error))
}

/// The content of a key file, at most 64 KiB, erased when it is dropped.
pub fn content(path: &Path, access: Access) -> Result<Zeroizing<Vec<u8>>> {
    let unreadable = |error| failed(path, "read", error);
    let file = File::open(path).map_err(unreadable)?;
    if access == Access::OwnerOnly
        && let Some(mode) = exposed(&file).map_err(unreadable)?
    {
        let message = format!("`{}` is open to others (mode {mode:04o}); use chmod 600", path.display());
        let source = io::Error::new(io::ErrorKind::PermissionDenied, message.clone());
        return Err(Error::new(ErrorKind::Io, message).with_source(source));
    }
    // Room for everything at once: a vector that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 64));
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() > MAX_FILE_BYTES {
        return Err(failed(path, "read", io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 KiB")));
    }
    Ok(content)
}

/// The error for a sealed key and no passphrase.
pub(crate) fn locked_without_passphrase() -> Error {
    Error::new(ErrorKind::KeyFile, "the key file is encrypted; a passphrase is needed")
}

/// The permissions when others than the owner can read or write. The open file is asked, not the name.
fn exposed(file: &File) -> io::Result<Option<u32>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let found = file.metadata()?;
        let mode = found.permissions().mode() & 0o777;
        Ok((found.is_file() && mode & 0o066 != 0).then_some(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp::crypto::Algorithm;

    fn key() -> PrivateKey {
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(3);
            Ok(())
        };
        PrivateKey::generate(Algorithm::Es256, fill).unwrap()
    }

    #[test]
    fn saved_and_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let (clear, sealed) = (folder.path().join("clear"), folder.path().join("sealed"));
        let (right, wrong) = (Passphrase::new("right").unwrap(), Passphrase::new("wrong").unwrap());
        save(&clear, &key(), None, Existing::Refuse).unwrap();
        save(&sealed, &key(), Some(&right), Existing::Refuse).unwrap();
        assert_eq!(load(&clear, None, Access::OwnerOnly).unwrap().public_key(), key().public_key());
        assert_eq!(load(&sealed, Some(&right), Access::OwnerOnly).unwrap().public_key(), key().public_key());
        let message = |path, passphrase| load(path, passphrase, Access::OwnerOnly).unwrap_err().to_string();
        assert_eq!(
            message(&sealed, Some(&wrong)),
            message(&clear, Some(&right)),
            "a key in the clear has no passphrase"
        );
        assert_eq!(
            message(&sealed, None),
            "key_file.locked: the key file is encrypted; a passphrase is needed"
        );
        let error = save(&sealed, &key(), None, Existing::Refuse).unwrap_err();
        assert_eq!(error.code(), "io.failed");
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(load(&folder.path().join("none"), None, Access::Anybody).unwrap_err().code(), "io.failed");
        std::fs::write(&clear, " ".repeat(65_537)).unwrap();
        assert!(message(&clear, None).contains("larger than 64 KiB"));
    }

    #[cfg(unix)]
    #[test]
    fn others_have_no_access() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        save(&path, &key(), None, Existing::Refuse).unwrap();
        for (mode, fine) in
            [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o644, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let loaded = load(&path, None, Access::OwnerOnly);
            assert_eq!(loaded.is_ok(), fine, "{mode:o}");
            if let Err(error) = loaded {
                assert!(
                    error
                        .to_string()
                        .contains(&format!("is open to others (mode {mode:04o}); use chmod 600"))
                );
            }
            assert!(load(&path, None, Access::Anybody).is_ok());
        }
    }

    #[test]
    fn passphrases() {
        assert!(Passphrase::new("").is_err() && Passphrase::new(vec![b'x'; 1025]).is_err());
        assert_eq!(format!("{:?}", Passphrase::new("secret").unwrap()), "Passphrase(redacted)");
    }
}
