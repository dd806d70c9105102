//! The file of checkpoints.

use super::folder::{CHECKPOINTS, private};
use super::{altered, io_error};
use imagxp::Result;
use imagxp::audit::{Checkpoint, SignedCheckpoint};
use imagxp::crypto::PublicKey;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// More than 100 000 checkpoints are read as they come, one at a time; this bounds one.
const END: &str = "\n\n";

/// All checkpoints of a log, unverified.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    pub(super) notes: Vec<SignedCheckpoint>,
    /// How many bytes of the file hold whole notes.
    pub(super) whole: u64,
    /// How many bytes follow them.
    pub(super) torn: u64,
    /// The first note that cannot be read, counted from 1, and why.
    pub(super) bad: Option<(u64, imagxp::Error)>,
}

impl Checkpoints {
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(CHECKPOINTS)
    }

    /// Reads the file; a file that is not there holds none.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            result => result.map_err(|error| io_error("read", &path, error))?,
        };
        let mut found = Self::default();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // Text, an empty line, the signature, an empty line.
            let Some(end) = find(rest, 0).and_then(|text| find(rest, text + END.len())) else { break };
            let (note, behind) = rest.split_at_checked(end + END.len()).unwrap_or((rest, &[]));
            let note = note.strip_suffix(b"\n").unwrap_or(note);
            match SignedCheckpoint::parse(note) {
                Ok(signed) => found.notes.push(signed),
                Err(error) => {
                    let number = u64::try_from(found.notes.len()).unwrap_or(u64::MAX).saturating_add(1);
                    found.bad = Some((number, error));
                    break;
                }
            }
            found.whole += u64::try_from(end + END.len()).unwrap_or(u64::MAX);
            rest = behind;
        }
        found.torn = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        Ok(found)
    }

    /// The last checkpoint, its signature verified; `None` when there is none. Error: `audit.altered`.
    pub(super) fn last_verified(&self, origin: &str, keys: &[PublicKey]) -> Result<Option<&Checkpoint>> {
        self.notes.last().map(|note| verified(note, origin, keys)).transpose()
    }

    /// Whether a verified checkpoint seals a log of this size with this root.
    pub(super) fn seals(&self, origin: &str, size: u64, root: &[u8; 32], keys: &[PublicKey]) -> bool {
        self.notes.iter().rev().any(|note| {
            let checkpoint = note.checkpoint();
            checkpoint.size == size && checkpoint.root == *root && verified(note, origin, keys).is_ok()
        })
    }

    /// Appends a note and syncs it. `length` is the file's; it is restored when writing fails, and returned new.
    pub(super) fn append(folder: &Path, length: u64, note: &str) -> Result<u64> {
        let path = Self::path(folder);
        let failed = |error| io_error("write", &path, error);
        let mut file = private().create(true).append(true).open(&path).map_err(failed)?;
        let text = format!("{note}\n");
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            file.set_len(length).map_err(failed)?;
            return Err(failed(error));
        }
        Ok(length.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX)))
    }
}

/// A note of this log that one of these keys signed, and nobody else: our own file holds no other signatures.
pub(super) fn verified<'n>(
    note: &'n SignedCheckpoint,
    origin: &str,
    keys: &[PublicKey],
) -> Result<&'n Checkpoint> {
    note.verify(keys)?;
    let checkpoint = note.checkpoint();
    if checkpoint.origin != origin || note.signatures() != 1 || !checkpoint.extensions.is_empty() {
        return Err(altered("the checkpoint is not one that this log wrote"));
    }
    Ok(checkpoint)
}

fn find(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(END.len()).position(|window| window == END.as_bytes())?;
    Some(from + found)
}
