//! Syncing and sealing: what makes entries survive the machine, and what makes them provable.

use super::checkpoints::Checkpoints;
use super::options::Sync;
use super::state::State;
use super::writer::{Inner, LAG, failed};
use imagxp::Result;
use imagxp::audit::Log;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Inner {
    /// Syncs the file and signs a checkpoint, when there is something new. Nobody may be writing.
    pub(super) fn seal(&self, state: &mut State) -> Result<()> {
        if state.kept.size() == state.sealed {
            return Ok(());
        }
        // A checkpoint over what a power failure could take would be a lie.
        self.sync(state)?;
        let kept = state.kept.clone();
        self.sign(state, &kept)
    }

    /// Signs a checkpoint over entries that have been synced.
    fn sign(&self, state: &mut State, log: &Log) -> Result<()> {
        let note = log.checkpoint(&self.options.origin).sign(&*self.signer)?;
        state.checkpoint_bytes = Checkpoints::append(&self.folder, state.checkpoint_bytes, &note)?;
        if state.sealed == 0 {
            super::folder::sync_folder(&self.folder)?;
        }
        state.sealed = log.size();
        state.sealed_at = Instant::now();
        Ok(())
    }

    /// After a write: leaves what is due to the background thread, and does it here when that is far behind. The first entries are sealed at once:
    /// a log of which nothing is sealed could be any log.
    pub(super) fn attend(&self, state: &mut State, first: bool) {
        let most = self.options.checkpoint_entries.max(1);
        let unsealed = state.kept.size().saturating_sub(state.sealed);
        let own = self.options.sync == Sync::Each;
        if first || unsealed >= most.saturating_mul(if own { 1 } else { LAG }) {
            // A failure is not the records' fault: they are kept, and it is tried again.
            let _ = self.seal(state);
        } else if self.is_due(state) {
            self.ring();
        }
    }

    fn is_due(&self, state: &State) -> bool {
        let unsealed = state.kept.size().saturating_sub(state.sealed);
        unsealed >= self.options.checkpoint_entries.max(1) || self.sync_is_due(state)
    }

    fn sync_is_due(&self, state: &State) -> bool {
        match self.options.sync {
            Sync::Interval { millis, records } => {
                state.unsynced > 0
                    && (state.unsynced >= records
                        || state.synced_at.elapsed() >= Duration::from_millis(millis))
            }
            Sync::Each | Sync::Never => false,
        }
    }

    /// The background thread's work: syncs without the lock, so that others write meanwhile, and seals what it has synced. `false`: the log
    /// has ended.
    pub(super) fn tend(&self) -> bool {
        let (file, target, seal) = {
            let state = self.lock();
            if state.closed || state.broken.is_some() {
                return false;
            }
            let unsealed = state.kept.size().saturating_sub(state.sealed);
            let waited = state.sealed_at.elapsed() >= Duration::from_secs(self.options.checkpoint_seconds);
            let seal = unsealed >= self.options.checkpoint_entries.max(1) || (unsealed > 0 && waited);
            if !seal && !self.sync_is_due(&state) {
                return true;
            }
            (Arc::clone(&state.file), state.kept.clone(), seal)
        };
        let synced = file.sync_data();
        let mut state = self.lock();
        if let Err(error) = synced {
            state.give_up(format!("the audit log could not be synced: {error}"));
            return false;
        }
        // Who began another file meanwhile has synced and sealed this one.
        if state.closed || !Arc::ptr_eq(&file, &state.file) {
            return true;
        }
        state.unsynced = state.unsynced.min(state.kept.size().saturating_sub(target.size()));
        state.synced_at = Instant::now();
        if seal && state.sealed < target.size() {
            let _ = self.sign(&mut state, &target);
        }
        true
    }

    fn sync(&self, state: &mut State) -> Result<()> {
        if let Err(error) = state.file.sync_data() {
            let why = format!("the audit log could not be synced: {error}");
            state.give_up(why.clone());
            return Err(failed(why));
        }
        state.unsynced = 0;
        state.synced_at = Instant::now();
        Ok(())
    }
}
