//! What the writers of a log share under its lock: the chain, the batch that is being filled, and how far the disk is.

use imagxp::Result;
use imagxp::audit::{Log, Record};
use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub(super) struct State {
    /// With every entry that has been chained.
    pub(super) log: Log,
    /// With every entry that has been acknowledged.
    pub(super) kept: Log,
    /// The manifests in this file, and those among them that are in the batch only.
    pub(super) manifests: HashSet<[u8; 32]>,
    pub(super) fresh: Vec<[u8; 32]>,
    pub(super) batch: Vec<u8>,
    pub(super) spare: Vec<u8>,
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Counts the batches that failed: who waits for one of them learns it by this.
    pub(super) failures: u64,
    pub(super) last_error: String,
    /// Whether somebody writes a batch now.
    pub(super) busy: bool,
    /// What makes the log unusable until it is opened again.
    pub(super) broken: Option<String>,
    pub(super) closed: bool,
    pub(super) unsynced: u64,
    pub(super) synced_at: Instant,
    pub(super) sealed: u64,
    pub(super) sealed_at: Instant,
    pub(super) checkpoint_bytes: u64,
}

impl State {
    pub(super) fn length(&self) -> u64 {
        self.bytes.saturating_add(length_of(&self.batch))
    }

    /// Chains the entry, and before it the manifest that it names when this file does not hold it yet.
    pub(super) fn chain(&mut self, body: &[u8], record: Option<&Record<'_>>) -> Result<u64> {
        if let Some(manifest) = record.and_then(|record| record.manifest)
            && !self.manifests.contains(&manifest.sha256)
        {
            self.log.append(&manifest.to_json(), &mut self.batch)?;
            self.batch.push(b'\n');
            self.manifests.insert(manifest.sha256);
            self.fresh.push(manifest.sha256);
        }
        let number = self.log.append(body, &mut self.batch)?.number;
        self.batch.push(b'\n');
        Ok(number)
    }

    /// Nothing of the batch, nor of what has been chained after it, is in the log.
    pub(super) fn take_back(&mut self, fresh: &[[u8; 32]], why: String) {
        for hash in fresh.iter().chain(&self.fresh) {
            self.manifests.remove(hash);
        }
        self.fresh.clear();
        self.batch.clear();
        self.log = self.kept.clone();
        self.failures += 1;
        self.last_error = why;
    }

    pub(super) fn give_up(&mut self, why: String) {
        self.failures += 1;
        self.last_error.clone_from(&why);
        self.broken = Some(why);
    }
}

pub(super) fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
