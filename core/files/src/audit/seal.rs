//! Syncing and sealing: what makes entries survive the machine, and what makes them provable.

use super::checkpoints::Checkpoints;
use super::options::Sync;
use super::writer::{Inner, State, failed};
use imagxp::Result;
use std::time::{Duration, Instant};

impl Inner {
    /// Syncs the file and signs a checkpoint, when there is something new. Nobody may be writing.
    pub(super) fn seal(&self, state: &mut State) -> Result<()> {
        if state.kept.size() == state.sealed {
            return Ok(());
        }
        // A checkpoint over what a power failure could take would be a lie.
        self.sync(state)?;
        let note = state.kept.checkpoint(&self.options.origin).sign(&*self.signer)?;
        state.checkpoint_bytes = Checkpoints::append(&self.folder, state.checkpoint_bytes, &note)?;
        if state.sealed == 0 {
            super::folder::sync_folder(&self.folder)?;
        }
        state.sealed = state.kept.size();
        state.sealed_at = Instant::now();
        Ok(())
    }

    /// Seals when enough has come together. A failure is not the records' fault: they are kept, and it is tried again.
    pub(super) fn seal_when_due(&self, state: &mut State) {
        let unsealed = state.kept.size().saturating_sub(state.sealed);
        let waited = state.sealed_at.elapsed() >= Duration::from_secs(self.options.checkpoint_seconds);
        if unsealed >= self.options.checkpoint_entries.max(1) || (unsealed > 0 && waited) {
            let _ = self.seal(state);
        }
    }

    pub(super) fn sync_when_due(&self, state: &mut State) {
        if let Sync::Interval { millis, .. } = self.options.sync
            && state.unsynced > 0
            && state.synced_at.elapsed() >= Duration::from_millis(millis)
        {
            // A failure is remembered in the state, and the next record is refused with it.
            let _ = self.sync(state);
        }
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
