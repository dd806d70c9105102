//! Sessions that were ended before their time: `revoked.json` in the data folder, for every process that serves it.

use crate::error::SetupError;
use crate::folder;
use imagxp::Timestamp;
use imagxp::digest::sha256;
use imagxp::encoding::hex_encode;
use imagxp_files::atomic::{self, Existing};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Hashes of sessions, and until when each would have lived, in seconds since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revoked(BTreeMap<String, i64>);

impl Revoked {
    /// Reads the file; nothing is revoked when there is none. Error: `io.failed`, also for a file that cannot be read.
    pub(crate) fn open(data: &Path) -> Result<Self, SetupError> {
        let path = file(data);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Self)
                .map_err(|_| SetupError::new("io.failed", "`revoked.json` is not what this program writes")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                Err(SetupError::new("io.failed", format!("`{}` cannot be read: {error}", path.display())))
            }
        }
    }

    /// Revokes a session that would have lived until `ends`, and forgets those that have ended by themselves. Error: `io.failed`.
    pub(crate) fn add(
        data: &Path,
        session: &str,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<Self, SetupError> {
        let _lock = folder::lock(data)?;
        let mut revoked = Self::open(data)?;
        revoked.0.retain(|_, ends| *ends >= now.as_secs());
        revoked.0.insert(name(session), ends.as_secs());
        let path = file(data);
        let failed = |error: std::io::Error| {
            SetupError::new("io.failed", format!("`{}` cannot be written: {error}", path.display()))
        };
        let text = serde_json::to_vec(&revoked.0).map_err(|error| failed(error.into()))?;
        atomic::write(&path, &text, Existing::Replace).map_err(failed)?;
        Ok(revoked)
    }

    /// Those of a database.
    pub(crate) fn of_rows(rows: &[([u8; 32], i64)]) -> Self {
        Self(rows.iter().map(|(hash, ends)| (hex_encode(hash), *ends)).collect())
    }

    /// Whether a session was revoked.
    pub(crate) fn has(&self, session: &str) -> bool {
        self.0.contains_key(&name(session))
    }
}

fn name(session: &str) -> String {
    hex_encode(&hash(session))
}

/// Under which a session is kept.
pub(crate) fn hash(session: &str) -> [u8; 32] {
    sha256(session.as_bytes())
}

pub(crate) fn file(data: &Path) -> PathBuf {
    data.join("revoked.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_revoked_is_kept_as_long_as_it_would_have_lived() {
        let data = tempfile::tempdir().unwrap();
        let at = |seconds: i64| Timestamp::from_secs(1_800_000_000 + seconds);
        assert!(!Revoked::open(data.path()).unwrap().has("a"));
        Revoked::add(data.path(), "a", at(10), at(0)).unwrap();
        Revoked::add(data.path(), "b", at(20), at(5)).unwrap();
        let read = Revoked::open(data.path()).unwrap();
        assert!(read.has("a") && read.has("b") && !read.has("c"));
        let read = Revoked::add(data.path(), "c", at(30), at(11)).unwrap();
        assert!(!read.has("a") && read.has("b") && read.has("c"));
        std::fs::write(file(data.path()), "x").unwrap();
        assert!(Revoked::open(data.path()).is_err());
    }
}
