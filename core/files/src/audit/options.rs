//! How a log is kept.

use imagxp::crypto::PublicKey;

/// When a record counts as kept. Whatever is chosen, a checkpoint is signed only over what is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Each record is on the disk before it is acknowledged. Callers that come at the same time share one fsync.
    Each,
    /// Each record is with the operating system before it is acknowledged, which survives the end of this process but not of the machine;
    /// an fsync begins after so many records or milliseconds, whichever comes first. Writers go on meanwhile, and wait for the disk when four
    /// times as many records are unsynced.
    Interval {
        /// After so many milliseconds.
        millis: u64,
        /// After so many records.
        records: u64,
    },
    /// As `Interval`, but without an fsync until a checkpoint is written.
    Never,
}

/// What a log is called and how it is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's name and that of its key: a URL without scheme, for example `pub.example/imagxp-audit`.
    pub origin: String,
    /// When a record counts as kept.
    pub sync: Sync,
    /// A new file is begun when one has so many bytes; at least 4 KiB.
    pub file_bytes: u64,
    /// A checkpoint is written after so many entries …
    pub checkpoint_entries: u64,
    /// … or seconds, when there is something new.
    pub checkpoint_seconds: u64,
    /// Whether visitors without a signature are recorded too.
    pub unsigned: bool,
    /// Keys that signed earlier checkpoints of this log, besides the present one.
    pub earlier_keys: Vec<PublicKey>,
}

impl Options {
    /// The defaults: fsync for each record, files of 64 MiB, a checkpoint every 10 000 entries or 60 s, agents only.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            sync: Sync::Each,
            file_bytes: 64 << 20,
            checkpoint_entries: 10_000,
            checkpoint_seconds: 60,
            unsigned: false,
            earlier_keys: Vec::new(),
        }
    }
}
