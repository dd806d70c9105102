//! The audit log in files (PROTOCOL §12): append-only, chained, sealed by signed checkpoints.
//!
//! A log is a folder:
//!
//! - `0000000000000000.jsonl`, named by the number of its first entry: one header line, then one entry a line. Header and entries are RFC
//!   8785 JSON; the header carries what is needed to go on from it, so that opening a log reads its last file only.
//! - `checkpoints`: signed notes, each followed by an empty line. A checkpoint is written when a file is full, at intervals, and at the end.
//! - `lock`: held by the one process that writes.
//! - `*.torn`: what a crash left of a record that nobody was promised, cut off when the log was opened again.
//!
//! [`AuditLog`] writes, [`verify()`] finds out what was altered, [`prove()`] makes evidence, [`scan()`] reads.

mod checkpoints;
mod folder;
mod header;
mod lines;
mod options;
mod prove;
mod recover;
mod scan;
mod seal;
mod state;
mod verify;
mod writer;

pub use options::{Options, Sync};
pub use prove::{Selector, prove};
pub use scan::{Stored, scan};
pub use verify::{Expectation, Finding, Report, verify};
pub use writer::AuditLog;

use imagxp::{Error, ErrorKind};
use std::io;
use std::path::Path;

/// An error of the operating system, with what was tried and on what.
fn io_error(action: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {action} `{}`: {error}", path.display())).with_source(error)
}

fn altered(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::AuditAltered, message.into())
}
