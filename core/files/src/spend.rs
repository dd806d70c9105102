//! What an agent has spent, in a file that outlives the process (PROTOCOL §8; [`imagxp::agent::spend`]).
//!
//! Every step is written whole and synced before it returns, so a reservation is on the disk before any broker is asked. One process at a
//! time holds the file: what a dead one had under way must be told from what a living one has. A child made by a fork would inherit the
//! lock with the open file, so the books know whose they are.

use crate::atomic::{self, Existing};
use imagxp::agent::spend::{Caps, Purchase, Reserved, Settlement, Spend, SpendStore};
use imagxp::{Error, ErrorKind, Result, Timestamp};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest file that is read, in bytes: as much as the books can hold.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Books in a file, held by this process alone until they are closed or dropped.
#[derive(Debug)]
pub struct SpendFile {
    /// Absolute: the file stays the same one when the process changes its folder.
    path: PathBuf,
    held: Mutex<Held>,
    /// Who opened them.
    process: u32,
}

#[derive(Debug)]
struct Held {
    books: Spend,
    /// Its lock ends with it, however the process ends; `None` when the books are closed.
    lock: Option<File>,
}

impl SpendFile {
    /// Opens the books, or begins new ones; `caps` are today's, not the file's.
    ///
    /// What was under way when the last process ended is unknown from here on, and counts as spent. A lock file, `<name>.lock`, lies beside
    /// it. Error: `io.failed` when somebody holds the books, here or in another process, and when they cannot be read: they are never begun
    /// anew over old ones. A relative path is of the folder that the process is in now, also when it goes to another.
    ///
    /// After a fork the books are the parent's: in the child [`SpendStore::reserve`] and [`SpendStore::settle`] are `io.failed`. It opens
    /// others, under another name.
    pub fn open(path: &Path, caps: impl IntoIterator<Item = Caps>) -> Result<Self> {
        let path = &std::path::absolute(path).map_err(|error| failed(path, "cannot be found", error))?;
        let lock = lock(path)?;
        let old = read(path).map_err(|error| failed(path, "cannot be read", error))?;
        let mut books = match &old {
            None => Spend::default(),
            Some(bytes) => Spend::from_json(bytes).map_err(|error| {
                Error::new(ErrorKind::Io, format!("`{}`: {}", path.display(), error.message()))
                    .with_source(error)
            })?,
        };
        books.abandon();
        let held = Mutex::new(Held { books: books.with_caps(caps), lock: Some(lock) });
        let file = Self { path: path.clone(), held, process: std::process::id() };
        // A file that cannot be written is found out now, and not when money is about to leave.
        file.write(&file.held().books)?;
        Ok(file)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books, for a change of them. Error: `io.failed` when they are another process's, or closed.
    fn open_books(&self) -> Result<MutexGuard<'_, Held>> {
        self.check()?;
        let held = self.held();
        if held.lock.is_some() {
            return Ok(held);
        }
        Err(Error::new(ErrorKind::Io, format!("`{}` is closed", self.path.display())))
    }

    /// Before the mutex: a thread that held it at the fork never lets it go in the child.
    fn check(&self) -> Result<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let path = self.path.display();
        Err(Error::new(
            ErrorKind::Io,
            format!("`{path}` was opened by another process: after a fork each opens books of its own"),
        ))
    }

    fn write(&self, books: &Spend) -> Result<()> {
        atomic::write(&self.path, &books.to_json(), Existing::Replace)
            .map_err(|error| failed(&self.path, "cannot be written", error))
    }
}

impl SpendStore for SpendFile {
    fn reserve(&self, purchase: &Purchase, now: Timestamp) -> Result<Reserved> {
        let mut held = self.open_books()?;
        let mut next = held.books.clone();
        let reserved = next.reserve(purchase, now)?;
        self.write(&next)?;
        held.books = next;
        Ok(reserved)
    }

    fn settle(&self, id: &str, settlement: Settlement) -> Result<()> {
        let mut held = self.open_books()?;
        // What happened, happened: the next step writes it down if this one cannot.
        held.books.settle(id, settlement);
        self.write(&held.books)
    }

    /// What is under way is unknown to whoever opens the file next. In the child of a fork nothing happens.
    fn close(&self) {
        if self.check().is_ok()
            && let Some(lock) = self.held().lock.take()
        {
            let_go(lock);
        }
    }

    /// In the child of a fork: the parent's as they were then, or empty books when somebody wrote at that moment.
    fn snapshot(&self) -> Spend {
        if self.check().is_err() {
            return self.held.try_lock().map_or_else(|_| Spend::default(), |held| held.books.clone());
        }
        self.held().books.clone()
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn lock(path: &Path) -> Result<File> {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".lock");
    let lock = path.with_file_name(name);
    if fs::symlink_metadata(&lock).is_ok_and(|found| !found.is_file()) {
        return Err(Error::new(ErrorKind::Io, format!("`{}` is not a regular file", lock.display())));
    }
    hold(&lock).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            let message = format!("`{}` is open already, here or in another process", path.display());
            Error::new(ErrorKind::Io, message)
        }
        _ => failed(&lock, "cannot be locked", error),
    })
}

#[cfg(unix)]
fn hold(lock: &Path) -> io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// A child of a fork may have the file open still: by closing it alone its lock would not end.
fn let_go(lock: File) {
    #[cfg(unix)]
    let _ = rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock);
    drop(lock);
}

/// Nobody else opens the file while it is open.
#[cfg(windows)]
fn hold(lock: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const SHARING_VIOLATION: i32 = 32;
    let opened = OpenOptions::new().write(true).create(true).truncate(false).share_mode(0).open(lock);
    opened.map_err(|error| match error.raw_os_error() {
        Some(SHARING_VIOLATION) => io::ErrorKind::WouldBlock.into(),
        _ => error,
    })
}

#[cfg(not(any(unix, windows)))]
fn hold(_lock: &Path) -> io::Result<File> {
    let _ = OpenOptions::new();
    Err(io::ErrorKind::Unsupported.into())
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("`{}` {what}: {error}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;
    use imagxp::amount::Amount;
    use imagxp::policy::Money;
    use imagxp::{AgentId, Purpose};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn caps() -> Caps {
        Caps::new("USD", "1").unwrap().with_total("3").unwrap()
    }

    fn purchase(id: u32) -> Purchase {
        Purchase {
            id: format!("purchase-{id:016}"),
            agent_id: AgentId::parse("agent.example", false).unwrap(),
            issuer: "https://broker.example".into(),
            audience: format!("https://h{id}.example"),
            purpose: Purpose::Summary,
            price: Money { amount: Amount::parse("1").unwrap(), currency: "USD".into() },
        }
    }

    fn spent(file: &SpendFile) -> String {
        file.snapshot().spent("USD").to_string()
    }

    #[test]
    fn what_was_under_way_is_unknown_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spend.json");
        let file = SpendFile::open(&path, [caps()]).unwrap();
        for id in 1..=3 {
            assert_eq!(file.reserve(&purchase(id), NOW).unwrap(), Reserved::New);
        }
        file.settle(&purchase(1).id, Settlement::Spent).unwrap();
        file.settle(&purchase(2).id, Settlement::Released).unwrap();
        drop(file);
        let file = SpendFile::open(&path, [caps()]).unwrap();
        assert_eq!(spent(&file), "2");
        let again = Purchase { id: purchase(9).id, ..purchase(3) };
        assert_eq!(file.reserve(&again, NOW).unwrap(), Reserved::Again(purchase(3)));
        assert_eq!(file.reserve(&purchase(4), NOW).unwrap(), Reserved::New);
        assert_eq!(file.reserve(&purchase(5), NOW).unwrap_err().code(), "spend.limit");
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spend.json");
        let file = SpendFile::open(&path, [caps()]).unwrap();
        let error = SpendFile::open(&path, [caps()]).unwrap_err();
        assert_eq!(error.code(), "io.failed");
        assert!(error.message().contains("is open already, here or in another process"), "{error}");
        drop(file);
        SpendFile::open(&path, [caps()]).unwrap();
    }

    #[test]
    fn closed_books_are_anybodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spend.json");
        let file = SpendFile::open(&path, [caps()]).unwrap();
        file.reserve(&purchase(1), NOW).unwrap();
        file.close();
        file.close();
        let next = SpendFile::open(&path, [caps()]).unwrap();
        next.reserve(&purchase(2), NOW).unwrap();
        let written = fs::read(&path).unwrap();
        for refused in
            [file.reserve(&purchase(3), NOW).map(drop), file.settle(&purchase(1).id, Settlement::Released)]
        {
            let refused = refused.unwrap_err();
            assert!(refused.code() == "io.failed" && refused.message().contains("closed"), "{refused}");
        }
        assert_eq!((fs::read(&path).unwrap(), spent(&file), spent(&next)), (written, "1".into(), "2".into()));
        // Neither closing again nor the end of the closed one takes the lock from who has it now.
        file.close();
        drop(file);
        SpendFile::open(&path, [caps()]).unwrap_err();
    }

    /// What a forked child has is as if another process had opened it (`bindings/python/tests/test_wallet.py` forks).
    #[test]
    fn books_of_another_process_pay_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spend.json");
        let mut file = SpendFile::open(&path, [caps()]).unwrap();
        file.reserve(&purchase(1), NOW).unwrap();
        let written = fs::read(&path).unwrap();
        file.process = file.process.wrapping_add(1);
        let refused = file.reserve(&purchase(2), NOW).unwrap_err();
        assert!(refused.code() == "io.failed" && refused.message().contains("fork"), "{refused}");
        assert_eq!(file.settle(&purchase(1).id, Settlement::Spent).unwrap_err().code(), "io.failed");
        assert_eq!(fs::read(&path).unwrap(), written);
    }

    #[test]
    fn damaged_books_are_not_empty_books() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spend.json");
        for bytes in [&b""[..], b"{}", b"{\"version\":1", b"\0\0\0\0"] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(SpendFile::open(&path, [caps()]).unwrap_err().code(), "io.failed");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(SpendFile::open(folder.path(), [caps()]).unwrap_err().code(), "io.failed");
        assert_eq!(SpendFile::open(&folder.path().join("x/y"), [caps()]).unwrap_err().code(), "io.failed");
    }

    /// A disk that fails at any step refuses the payment, and what the file says afterwards is never less than what was acknowledged.
    #[test]
    fn a_failing_disk_pays_nothing() {
        for step in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("spend.json");
            let file = SpendFile::open(&path, [caps()]).unwrap();
            file.reserve(&purchase(1), NOW).unwrap();
            let refused = fault::failing_at(step, || file.reserve(&purchase(2), NOW));
            assert_eq!(refused.unwrap_err().code(), "io.failed", "step {step}");
            assert_eq!(spent(&file), "1");
            drop(file);
            let read = SpendFile::open(&path, [caps()]).unwrap();
            assert!(matches!(spent(&read).as_str(), "1" | "2"), "step {step}");
        }
    }
}
