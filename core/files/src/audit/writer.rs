//! The writer: many threads, one file, and an fsync that they share.
//!
//! A caller chains its entry under the lock and adds it to the batch. When each record is synced, one caller then writes the batch without
//! the lock, while the others chain theirs for the next one and wait. Nobody is told "kept" before the policy's promise holds for its entry.

use super::folder::{Lock, private, sync_folder};
use super::header::Header;
use super::io_error;
use super::options::{Options, Sync};
use super::recover::recover;
use super::state::{State, length_of};
use imagxp::audit::{AuditSink, Entry, Log, Record};
use imagxp::crypto::{PublicKey, Signer};
use imagxp::{Error, ErrorKind, Result};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many times the interval may be written before the writers wait for the background thread's fsync.
pub(super) const LAG: u64 = 4;
/// How often the background thread looks, at most.
const TICK: Duration = Duration::from_millis(500);
const LEAST_FILE: u64 = 4096;
/// No wait is for ever: whoever is not woken looks again.
const PATIENCE: Duration = Duration::from_secs(1);

/// An audit log that is open for writing. Shared between threads as `Arc<AuditLog>`; dropping it closes it.
pub struct AuditLog {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    pub(super) signer: Arc<dyn Signer>,
    process: u32,
    lock: Lock,
    pub(super) torn: Vec<PathBuf>,
    state: Mutex<State>,
    woken: Condvar,
    /// Calls the background thread.
    bell: SyncSender<()>,
}

impl AuditLog {
    /// Opens a log, or begins one; the folder is made when it is missing. `signer` signs the checkpoints.
    ///
    /// After a crash the torn end of the last record is cut off and kept beside the file (see [`AuditLog::torn`]); nothing that was
    /// acknowledged is lost. Errors: `audit.altered` when the damage is no torn end, `io.failed` also when somebody else writes this log,
    /// `usage.argument`.
    pub fn open(folder: &Path, signer: Arc<dyn Signer>, options: Options) -> Result<Self> {
        // The files to come lie beside those that are there, also when the process goes to another folder.
        let folder = &std::path::absolute(folder).map_err(|error| io_error("find", folder, error))?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| io_error("create", folder, error))?;
        let lock = Lock::take(folder)?;
        let mut keys: Vec<PublicKey> = vec![signer.public_key().clone()];
        keys.extend_from_slice(&options.earlier_keys);
        // Refuses a name that no checkpoint could have.
        Log::new().checkpoint(&options.origin).sign(&*signer)?;
        let found = recover(folder, &options.origin, &keys)?;
        let (path, file, bytes) = match found.file {
            Some((path, bytes)) => {
                let file =
                    private().append(true).open(&path).map_err(|error| io_error("open", &path, error))?;
                // What a crash left unsynced is acknowledged by going on from it.
                file.sync_data().map_err(|error| io_error("sync", &path, error))?;
                (path, file, bytes)
            }
            None => begin_file(folder, &options.origin, &found.log)?,
        };
        let now = Instant::now();
        let state = State {
            kept: found.log.clone(),
            log: found.log,
            manifests: found.manifests,
            fresh: Vec::new(),
            batch: Vec::new(),
            spare: Vec::new(),
            file: Arc::new(file),
            path,
            bytes,
            failures: 0,
            last_error: String::new(),
            busy: false,
            broken: None,
            closed: false,
            unsynced: 0,
            synced_at: now,
            sealed: found.sealed,
            sealed_at: now,
            checkpoint_bytes: found.checkpoint_bytes,
        };
        let (bell, calls) = sync_channel(1);
        let inner = Arc::new(Inner {
            bell,
            folder: folder.clone(),
            options,
            signer,
            process: std::process::id(),
            lock,
            torn: found.torn,
            state: Mutex::new(state),
            woken: Condvar::new(),
        });
        // What a crash left before the first checkpoint: a log of which nothing is sealed proves nothing.
        let mut state = inner.lock();
        if state.sealed == 0 {
            inner.seal(&mut state)?;
        }
        drop(state);
        inner.keep_time(calls);
        Ok(Self { inner })
    }

    /// Appends an entry of any kind but a verdict, which is [recorded](AuditSink::record): `body` is an RFC 8785 object whose `type` says what it is.
    /// Returns its number once it is kept.
    ///
    /// Errors: `io.failed`, and then the entry is not in the log; `usage.argument` for an entry that is too large, or that nobody could read again
    /// ([`Entry::parse`]).
    pub fn append(&self, body: &[u8]) -> Result<u64> {
        match Entry::parse(body) {
            Ok(Entry::Verdict(_)) => Err(Error::argument("a verdict is recorded and not appended")),
            Ok(_) => self.inner.append(body, None),
            Err(error) => Err(Error::argument(error.message().to_owned()).with_source(error)),
        }
    }

    /// How many entries are kept.
    pub fn size(&self) -> u64 {
        self.inner.lock().kept.size()
    }

    /// The files into which opening the log moved torn ends.
    pub fn torn(&self) -> &[PathBuf] {
        &self.inner.torn
    }

    /// Syncs what is written, and signs a checkpoint when there is something new. Errors: `io.failed`, `usage.signer`.
    pub fn seal(&self) -> Result<()> {
        let mut state = self.inner.quiet()?;
        self.inner.seal(&mut state)
    }

    /// Seals the log and ends it; further records are refused. Closing twice is fine. Errors: as [`AuditLog::seal`].
    pub fn close(&self) -> Result<()> {
        self.inner.close()
    }
}

impl AuditSink for AuditLog {
    fn record(&self, record: &Record<'_>) -> Result<()> {
        self.inner.append(&record.to_json(), Some(record)).map(|_| ())
    }

    fn ready(&self) -> Result<()> {
        self.inner.check(&self.inner.lock())
    }

    fn wants_unsigned(&self) -> bool {
        self.inner.options.unsigned
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        // Nobody is left to be told; the next one who opens the log finds out.
        let _ = self.inner.close();
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("folder", &self.inner.folder)
            .field("origin", &self.inner.options.origin)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Between changes that belong together nothing panics, so a poisoned state is still whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.woken.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn check(&self, state: &State) -> Result<()> {
        if self.process != std::process::id() {
            return Err(failed("the audit log was opened by another process: open it after the fork"));
        }
        match &state.broken {
            _ if state.closed => Err(failed("the audit log is closed")),
            Some(why) => Err(failed(why.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn ring(&self) {
        // A bell that rings already is enough.
        let _ = self.bell.try_send(());
    }

    /// The state while nobody writes.
    pub(super) fn quiet(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        self.check(&state)?;
        while state.busy {
            state = self.wait(state);
            self.check(&state)?;
        }
        Ok(state)
    }

    fn append(&self, body: &[u8], record: Option<&Record<'_>>) -> Result<u64> {
        let mut state = self.lock();
        self.check(&state)?;
        while state.length() >= self.options.file_bytes.max(LEAST_FILE) {
            if state.busy {
                state = self.wait(state);
                self.check(&state)?;
            } else if state.batch.is_empty() {
                self.rotate(&mut state)?;
            } else {
                state = self.write(state);
                self.check(&state)?;
            }
        }
        let failures = state.failures;
        let number = state.chain(body, record)?;
        loop {
            if state.failures != failures {
                return Err(failed(state.last_error.clone()));
            }
            if state.kept.size() > number {
                return Ok(number);
            }
            state = if state.busy { self.wait(state) } else { self.write(state) };
        }
    }

    /// Writes the batch; afterwards it is kept, or gone.
    fn write<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let spare = core::mem::take(&mut state.spare);
        let mut batch = core::mem::replace(&mut state.batch, spare);
        let fresh = core::mem::take(&mut state.fresh);
        let target = state.log.clone();
        let file = Arc::clone(&state.file);
        let unsynced = state.unsynced + (target.size() - state.kept.size());
        let sync = match self.options.sync {
            Sync::Each => true,
            // The background thread is behind: wait for the disk.
            Sync::Interval { records, .. } => unsynced >= records.saturating_mul(LAG),
            Sync::Never => false,
        };
        let put = || {
            let written = (&*file).write_all(&batch);
            let synced = if written.is_ok() && sync { file.sync_data() } else { Ok(()) };
            (written, synced)
        };
        // An fsync is worth letting the others chain meanwhile; a write alone is shorter than waking them.
        let ((written, synced), mut state) = if self.options.sync == Sync::Each {
            state.busy = true;
            drop(state);
            let done = put();
            let mut state = self.lock();
            state.busy = false;
            (done, state)
        } else {
            (put(), state)
        };
        match (written, synced) {
            (Ok(()), Ok(())) => {
                let first = state.kept.size() == 0;
                state.bytes = state.bytes.saturating_add(length_of(&batch));
                state.kept = target;
                state.unsynced = if sync { 0 } else { unsynced };
                if sync {
                    state.synced_at = Instant::now();
                }
                batch.clear();
                state.spare = batch;
                self.attend(&mut state, first);
            }
            // After a failed fsync nobody knows what is on the disk, and a second one would hide it.
            (Ok(()), Err(error)) => state.give_up(format!("the audit log could not be synced: {error}")),
            (Err(error), _) => {
                let why = format!("the audit log could not be written: {error}");
                match file.set_len(state.bytes) {
                    Ok(()) => state.take_back(&fresh, why),
                    Err(_) => state.give_up(why),
                }
            }
        }
        if self.options.sync == Sync::Each || state.failures > 0 {
            self.woken.notify_all();
        }
        state
    }

    /// Ends this file with a checkpoint and begins the next.
    fn rotate(&self, state: &mut State) -> Result<()> {
        self.seal(state)?;
        let (path, file, bytes) = begin_file(&self.folder, &self.options.origin, &state.kept)?;
        state.file = Arc::new(file);
        state.path = path;
        state.bytes = bytes;
        state.manifests.clear();
        Ok(())
    }

    fn close(&self) -> Result<()> {
        if self.process != std::process::id() {
            return Ok(());
        }
        let mut state = self.lock();
        while state.busy || (!state.batch.is_empty() && state.broken.is_none()) {
            state = if state.busy { self.wait(state) } else { self.write(state) };
        }
        if state.closed {
            return Ok(());
        }
        let sealed = if state.broken.is_none() { self.seal(&mut state) } else { Ok(()) };
        state.closed = true;
        self.lock.release();
        self.woken.notify_all();
        sealed
    }

    /// A thread that syncs and seals while others write, and what nobody comes by to sync and seal. It ends with the log.
    fn keep_time(self: &Arc<Self>, calls: Receiver<()>) {
        let tick = match self.options.sync {
            Sync::Interval { millis, .. } => TICK.min(Duration::from_millis(millis.max(1))),
            _ => TICK,
        };
        let weak = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("imagxp-audit".into()).spawn(move || {
            while calls.recv_timeout(tick) != Err(RecvTimeoutError::Disconnected) {
                match weak.upgrade() {
                    Some(inner) if inner.tend() => {}
                    _ => return,
                }
            }
        });
        // Without a thread the writers wait for the disk themselves.
        drop(thread);
    }
}

/// Makes the file that begins with the log's next entry.
fn begin_file(folder: &Path, origin: &str, log: &Log) -> Result<(PathBuf, File, u64)> {
    let path = folder.join(super::folder::file_name(log.size()));
    let line = Header::line(origin, log);
    let begin = || {
        let mut file = private().create_new(true).append(true).open(&path)?;
        file.write_all(&line).and_then(|()| file.sync_all()).map(|()| file)
    };
    match begin() {
        Ok(file) => {
            sync_folder(folder)?;
            Ok((path, file, length_of(&line)))
        }
        Err(error) => {
            if error.kind() != std::io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&path);
            }
            Err(io_error("begin", &path, error))
        }
    }
}

pub(super) fn failed(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Io, why.into())
}
