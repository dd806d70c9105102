//! The audit log: records, their hash chain and Merkle tree, checkpoints and proofs (PROTOCOL §12). Files are kept by `imagxp-files`.
//!
//! - [`Log`] is general: it chains entries of any kind and grows the RFC 6962 [`tree`] over them. Verdicts and transfers are both entries.
//! - [`Checkpoint`] is the log's state, signed: a [C2SP signed note](https://c2sp.org/signed-note) with a
//!   [tlog-checkpoint](https://c2sp.org/tlog-checkpoint) body.
//! - [`proof`] makes and verifies inclusion and consistency proofs, streaming and with O(log n) memory.
//! - [`Record`] is what a publisher hands its [`AuditSink`] at step 13 of PROTOCOL §5; [`Entry`] is what comes back out of a log.
//! - [`Evidence`] is one record with all that a third party needs to check it without the log.

mod bundle;
mod checkpoint;
mod entry;
mod log;
pub mod proof;
mod record;
pub mod tree;

pub use bundle::{Evidence, MAX_EVIDENCE_BYTES, Proven, verify_entry};
pub use checkpoint::{Checkpoint, MAX_NOTE_BYTES, SignedCheckpoint, key_id};
pub use entry::{Entry, StoredVerdict};
pub use log::{Appended, Frame, Log, MAX_ENTRY_BYTES};
pub use record::{AuditSink, ManifestSnapshot, Record};

use crate::error::{Error, ErrorKind};
use std::borrow::Cow;

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::AuditMalformed, message)
}

fn altered(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::AuditAltered, message)
}

fn unproven(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::AuditProof, message)
}
