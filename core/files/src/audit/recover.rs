//! Opening a log that is there already: after an orderly end, or after a crash.

use super::altered;
use super::checkpoints::Checkpoints;
use super::folder::{cut_tail, files, move_aside};
use super::header::Header;
use super::lines::{Lines, Next};
use imagxp::audit::{Entry, Frame, Log};
use imagxp::crypto::PublicKey;
use imagxp::{ErrorKind, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where a log stands.
pub(super) struct Recovered {
    /// The file to append to, and its length; `None`: begin a new one.
    pub(super) file: Option<(PathBuf, u64)>,
    pub(super) log: Log,
    /// The manifests that the file holds.
    pub(super) manifests: HashSet<[u8; 32]>,
    /// The size that the last checkpoint seals.
    pub(super) sealed: u64,
    pub(super) checkpoint_bytes: u64,
    /// What was cut off.
    pub(super) torn: Vec<PathBuf>,
}

/// Reads the last file, cuts a torn end off, and refuses what is not a torn end.
///
/// Errors: `audit.altered`, `audit.malformed`, `io.failed`.
pub(super) fn recover(folder: &Path, origin: &str, keys: &[PublicKey]) -> Result<Recovered> {
    let mut torn = Vec::new();
    let checkpoints = Checkpoints::read(folder)?;
    if let Some((number, error)) = checkpoints.bad {
        return Err(altered(format!("checkpoint {number} cannot be read: {}", error.message())));
    }
    if checkpoints.torn > 0 {
        torn.push(cut_tail(&Checkpoints::path(folder), checkpoints.whole)?);
    }
    let last = checkpoints.last_verified(origin, keys)?;
    let sealed = last.map_or(0, |checkpoint| checkpoint.size);
    let mut recovered = Recovered {
        file: None,
        log: Log::new(),
        manifests: HashSet::new(),
        sealed,
        checkpoint_bytes: checkpoints.whole,
        torn,
    };
    let mut files = files(folder)?;
    while let Some((first, path)) = files.pop() {
        let mut lines = Lines::open(&path)?;
        let header = match lines.next()? {
            Next::Whole(line) => Some(Header::parse(line)?),
            Next::End | Next::Torn => None,
        };
        let Some(header) = header else {
            if lines.line_feed_follows()? {
                return Err(altered(format!("{} has no header", shown(&path))));
            }
            // A crash while the file was being made: nothing is in it yet.
            recovered.torn.push(move_aside(&path)?);
            continue;
        };
        if header.origin != origin {
            return Err(imagxp::Error::argument(format!("the log is that of `{}`", header.origin)));
        }
        let sealed_here = first == 0 || checkpoints.seals(origin, first, &header.log.tree().root(), keys);
        if header.log.size() != first || !sealed_here {
            return Err(altered(format!("no checkpoint vouches for the beginning of {}", shown(&path))));
        }
        recovered.log = header.log;
        recovered.read_entries(&path, lines, last.map(|checkpoint| (checkpoint.size, checkpoint.root)))?;
        break;
    }
    if recovered.log.size() < sealed {
        return Err(altered(format!(
            "the last checkpoint seals {sealed} entries, and {} are left",
            recovered.log.size()
        )));
    }
    Ok(recovered)
}

impl Recovered {
    fn read_entries(&mut self, path: &Path, mut lines: Lines, seal: Option<(u64, [u8; 32])>) -> Result<()> {
        let mut number = 1_u64;
        loop {
            if let Some((size, root)) = seal
                && size == self.log.size()
                && root != self.log.tree().root()
            {
                return Err(altered(format!(
                    "{}: the log is not the one of its last checkpoint",
                    shown(path)
                )));
            }
            number += 1;
            let begin = lines.offset();
            let is_torn = match lines.next()? {
                Next::End => break,
                Next::Whole(line) => match self.log.follow(line) {
                    Ok(frame) => {
                        self.note_manifest(&frame);
                        false
                    }
                    // Blocks that never reached the disk read as zeros; no entry contains one.
                    Err(_) if line.contains(&0) && self.log.size() >= self.sealed => true,
                    Err(error) => {
                        let message = format!("{}: line {number}: {}", shown(path), error.message());
                        return Err(imagxp::Error::new(ErrorKind::AuditAltered, message));
                    }
                },
                Next::Torn => {
                    if self.log.size() < self.sealed || lines.line_feed_follows()? {
                        return Err(altered(format!("{}: line {number} has no end", shown(path))));
                    }
                    true
                }
            };
            if is_torn {
                drop(lines);
                self.torn.push(cut_tail(path, begin)?);
                self.file = Some((path.to_owned(), begin));
                return Ok(());
            }
        }
        self.file = Some((path.to_owned(), lines.offset()));
        Ok(())
    }

    fn note_manifest(&mut self, frame: &Frame<'_>) {
        if frame.body.ends_with(br#","type":"manifest"}"#)
            && let Ok(Entry::Manifest { sha256, .. }) = Entry::parse(frame.body)
        {
            self.manifests.insert(sha256);
        }
    }
}

fn shown(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
