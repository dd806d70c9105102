//! The last checkpoint, kept outside of the ledger's database: `checkpoint.txt` in the data folder. A log that goes back (an old backup put
//! in place, a fail-over to a copy that lagged) does not contain it, and is not written to until an operator has looked.

use crate::app::App;
use crate::clock;
use crate::error::SetupError;
use crate::folder;
use crate::keys::Due;
use crate::listen::stopped;
use crate::log::origin;
use crate::problem::Problem;
use imagxp::audit::tree::Tree;
use imagxp::audit::{Checkpoint, SignedCheckpoint};
use imagxp_broker::{Beginning, Head, Outcome, Reader as _, Refusal, RefusalCode};
use imagxp_files::atomic::{self, Existing};
use imagxp_storage::{Ledger, Reading};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often the log is compared with what was seen of it.
const EVERY: Duration = Duration::from_secs(1);
/// Between two checkpoints that nobody has asked for, in rounds.
const KEEP_EVERY: u32 = 60;
/// Leaves in one read.
const PAGE: usize = 4096;

/// The last checkpoint that was published and is not kept yet.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Option<String>>);

impl Published {
    /// Notes what has been published.
    pub(crate) fn put(&self, note: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(note.to_owned());
    }

    /// Puts back what was taken and cannot be kept yet, unless there is a newer one.
    fn put_back(&self, note: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(note);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("checkpoint.txt")
}

fn failed(path: &Path, error: &dyn core::fmt::Display) -> SetupError {
    SetupError::new("io.failed", format!("`{}`: {error}", path.display()))
}

/// The checkpoint that a file holds; its signature is not looked at, for whoever may write the file may read the keys. Error: `io.failed`.
pub fn read(path: &Path) -> Result<Checkpoint, SetupError> {
    Ok(read_signed(path)?.checkpoint().clone())
}

/// The same with its signatures, for whoever has the key set of that time. Error: `io.failed`.
pub fn read_signed(path: &Path) -> Result<SignedCheckpoint, SetupError> {
    let note = std::fs::read(path).map_err(|error| failed(path, &error))?;
    SignedCheckpoint::parse(&note).map_err(|error| failed(path, &error))
}

/// The checkpoint of a data folder, when there is one. Error: `io.failed`.
pub fn of_folder(data: &Path) -> Result<Option<Checkpoint>, SetupError> {
    let path = file(data);
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}

/// Sets the kept checkpoint aside, under a name that says when. Error: `io.failed`.
fn set_aside(data: &Path, size: u64) -> Result<(), SetupError> {
    let _lock = folder::lock(data)?;
    let path = file(data);
    if !path.exists() {
        return Ok(());
    }
    let aside = data.join(format!("checkpoint-set-aside-{size}-{}.txt", clock::now().as_secs()));
    std::fs::rename(&path, &aside).map_err(|error| failed(&path, &error))
}

/// Keeps a checkpoint unless a larger one is kept. Returns the size of the one that is kept now.
fn keep(data: &Path, note: &str) -> Result<u64, SetupError> {
    let _lock = folder::lock(data)?;
    let path = file(data);
    let new = SignedCheckpoint::parse(note.as_bytes()).map_err(|error| failed(&path, &error))?;
    let size = new.checkpoint().size;
    if let Some(kept) = of_folder(data)?.filter(|kept| kept.size >= size) {
        return Ok(kept.size);
    }
    atomic::write(&path, note.as_bytes(), Existing::Replace).map_err(|error| failed(&path, &error))?;
    Ok(size)
}

/// Whether the log begins with what a checkpoint says. Error: the database's.
pub fn contains(reading: &mut Reading, checkpoint: &Checkpoint) -> imagxp_storage::Result<bool> {
    let mut tree = Tree::new();
    grow(reading, &mut tree, checkpoint.size)?;
    Ok(tree.size() == checkpoint.size && tree.root() == checkpoint.root)
}

/// Adds leaves of the log up to this size, as far as there are any.
fn grow(reading: &mut Reading, tree: &mut Tree, size: u64) -> imagxp_storage::Result<()> {
    while tree.size() < size {
        let left = usize::try_from(size.saturating_sub(tree.size())).unwrap_or(usize::MAX);
        let leaves = reading.leaves(tree.size(), left.min(PAGE))?;
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves {
            tree.push(leaf.hash);
        }
    }
    Ok(())
}

/// At the start: refuses writes to a log that is shorter than the kept checkpoint. Whether it contains it is found out beside the work.
pub(crate) fn judge(ledger: &Ledger, data: &Path) -> Result<(), SetupError> {
    let kept = of_folder(data)?;
    let size = ledger.read().and_then(|mut reading| reading.head()).map_err(crate::ledger::storage)?.size;
    let continues = kept.is_none_or(|kept| kept.size <= size);
    metrics::gauge!("imagxp_log_continues").set(if continues { 1.0 } else { 0.0 });
    if !continues {
        refuse(ledger);
    }
    Ok(())
}

/// For a command, which does not stay: refuses writes to a log that does not contain the kept checkpoint.
pub(crate) fn judge_entries(ledger: &Ledger, data: &Path) -> Result<(), SetupError> {
    let Some(kept) = of_folder(data)? else { return Ok(()) };
    if !ledger.read().and_then(|mut reading| contains(&mut reading, &kept)).map_err(crate::ledger::storage)? {
        refuse(ledger);
    }
    Ok(())
}

fn refuse(ledger: &Ledger) {
    tracing::error!(
        "the log has gone back: it does not contain the checkpoint that is kept; writes are refused"
    );
    metrics::gauge!("imagxp_log_continues").set(0.0);
    metrics::gauge!("imagxp_ledger_writable").set(0.0);
    ledger.refuse_writes(RefusalCode::LogRewound.into());
}

/// What a process has seen of the log.
#[derive(Default)]
pub(crate) struct Seen {
    /// Of the file, until the log was found to contain it.
    kept: Option<Checkpoint>,
    tree: Tree,
    size: u64,
    /// The size of the checkpoint that is kept, as far as this process knows.
    written: u64,
}

impl Seen {
    /// What the data folder says. A file that cannot be read was told of at the start.
    pub(crate) fn of(data: &Path) -> Self {
        Self { kept: of_folder(data).ok().flatten(), ..Self::default() }
    }

    /// Writes to a log that has gone back are taken again when the operator's command is accepted: what was seen before is forgotten, and
    /// the kept checkpoint set aside. The command says what the log does not contain. Blocks.
    ///
    /// Errors: the refusal of the command, `internal.failed` when the checkpoint cannot be set aside.
    pub(crate) fn accept(
        &mut self,
        ledger: &Ledger,
        data: &Path,
        submit: impl FnOnce(Option<Beginning>) -> Result<Outcome, Refusal>,
    ) -> Result<Outcome, Problem> {
        let rewound = ledger.refusal().is_some_and(|refusal| refusal.code() == RefusalCode::LogRewound);
        let kept = of_folder(data).map_err(Problem::internal)?;
        let missing = kept.map_or_else(
            || Beginning { size: self.tree.size(), root: self.tree.root() },
            |kept| Beginning { size: kept.size, root: kept.root },
        );
        let outcome = submit(rewound.then_some(missing))?;
        if outcome.repeated {
            return Ok(outcome);
        }
        *self = Self::default();
        set_aside(data, missing.size).map_err(Problem::internal)?;
        metrics::gauge!("imagxp_log_continues").set(1.0);
        metrics::gauge!("imagxp_ledger_writable").set(if ledger.refusal().is_none() { 1.0 } else { 0.0 });
        Ok(outcome)
    }

    /// Keeps a checkpoint: the log goes on from the last one that is kept, however long it was by then.
    fn keep(&mut self, data: &Path, note: &str) -> Result<(), SetupError> {
        self.written = keep(data, note)?;
        Ok(())
    }

    /// Whether the log has gone on since the last checkpoint that is kept.
    const fn is_behind(&self, head: &Head) -> bool {
        head.size > self.written
    }

    /// Whether the log still begins with all that was seen of it; `whole` looks at the entries, else their number alone.
    fn look(&mut self, reading: &mut Reading, whole: bool) -> imagxp_storage::Result<(bool, Head)> {
        reading.consistent(|reading| {
            let head = reading.head()?;
            let kept = self.kept.as_ref().map_or(0, |kept| kept.size);
            if head.size < self.size.max(kept) {
                return Ok((false, head));
            }
            self.size = head.size;
            if !whole {
                return Ok((true, head));
            }
            if let Some(kept) = &self.kept {
                if !contains(reading, kept)? {
                    return Ok((false, head));
                }
                self.kept = None;
            }
            grow(reading, &mut self.tree, head.size)?;
            let same = head.log().is_ok_and(|log| log.tree().root() == self.tree.root());
            Ok((same, head))
        })
    }
}

/// Compares the log with what was seen of it, every second by its size, every minute by its entries; and keeps its checkpoints.
pub(crate) async fn follow(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let data = app.config.data.clone();
    let mut round = 0_u32;
    loop {
        let whole = round.is_multiple_of(KEEP_EVERY);
        let published = app.published.take();
        let (seen, ledger) = (Arc::clone(&app.seen), app.bank.ledger.clone());
        let looked = app.bank.read_first(move |reading| {
            // Until it is refused nobody accepts it.
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let (continues, head) = seen.look(reading, whole)?;
            if !continues && ledger.refusal().is_none() {
                refuse(&ledger);
            }
            let due = whole && seen.is_behind(&head);
            Ok(continues.then_some((head, due)))
        });
        match looked.await {
            Ok(Some((head, due))) => {
                let note = match (published, due) {
                    (Some(note), false) => Some(note),
                    (_, true) => sign(&app, &head),
                    (None, false) => None,
                };
                if let Some(note) = note {
                    let kept = app.seen.lock().unwrap_or_else(PoisonError::into_inner).keep(&data, &note);
                    if let Err(error) = kept {
                        tracing::error!(%error, "the checkpoint cannot be kept");
                    }
                }
            }
            Ok(None) => {}
            Err(_) => {
                tracing::warn!("the log cannot be compared now");
                published.into_iter().for_each(|note| app.published.put_back(note));
            }
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn sign(app: &App, head: &Head) -> Option<String> {
    let signer = Due(app.live().keys.signer(clock::now())?);
    head.checkpoint(&origin(app)).ok()?.sign(&signer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp::crypto::{Algorithm, PrivateKey};

    /// The log had gone on when what was published was kept, and then nothing more came.
    #[test]
    fn what_came_after_a_published_checkpoint_is_kept_too() {
        let data = tempfile::tempdir().unwrap();
        let fill = &mut |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok(())
        };
        let key = PrivateKey::generate(Algorithm::Es256, fill).unwrap();
        let note = |size: u64| {
            let origin = "broker.example/imagxp-ledger".to_owned();
            Checkpoint { origin, size, root: [7; 32], extensions: Vec::new() }.sign(&key).unwrap()
        };
        let head = |size: u64| Head { size, ..Head::default() };
        let mut seen = Seen::of(data.path());
        assert!(seen.is_behind(&head(1)) && !seen.is_behind(&head(0)));
        seen.keep(data.path(), &note(3)).unwrap();
        assert!(seen.is_behind(&head(4)) && !seen.is_behind(&head(3)));
        // Another process on this folder has kept more.
        keep(data.path(), &note(5)).unwrap();
        seen.keep(data.path(), &note(4)).unwrap();
        assert!(seen.is_behind(&head(6)) && !seen.is_behind(&head(5)));
        assert_eq!(of_folder(data.path()).unwrap().unwrap().size, 5);
    }
}
