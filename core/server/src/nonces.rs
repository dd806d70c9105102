//! The nonces that this process has seen, kept over its end: what was answered once is answered once after a restart too.
//!
//! Each insertion is a record in a file of the data folder before it counts, so that a killed process loses none. A data folder without
//! such files, and with a ledger, knows nothing of what came before: claims from then are refused (PROTOCOL §5, replay store contract).
//! Nor does one on a machine that has started anew since: a record waits for no disk, and a power cut may have taken the last ones. Of a
//! claim that is dated ahead, which such a machine would take for a new one, the record does wait.

use crate::config::{Config, invalid};
use crate::error::SetupError;
use crate::ledger::{self, given};
use imagxp::Timestamp;
use imagxp::publisher::KEEP_S;
use imagxp::replay::{Insert, MemoryReplayStore, ReplayEntry, ReplayStore, Seen};
use imagxp_replay_stores::{Options, SharedReplayStore};
use imagxp_storage::{Address, PostgresAddress, RedisAddress};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Seconds: a claim's window (PROTOCOL §5).
const WINDOW_S: i64 = 300;
/// Milliseconds by which a claim may be dated ahead without its record waiting for the disk: no machine starts anew within that time, so
/// that such a claim is older than the machine's next run.
const AHEAD_MS: i64 = 500;
/// Key, agent, time.
const RECORD: usize = 16 + 16 + 8;
/// What the kernel drew when it started: as long as it is the same, what was written is there, whatever became of the process.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// A file takes insertions for so long; it is deleted when all of it has expired.
const SEGMENT_MS: i64 = 600_000;

/// Where several processes share the nonces that they have seen.
#[derive(Clone, Debug)]
pub(crate) enum Shared {
    Redis(Box<RedisAddress>),
    Postgres(Box<PostgresAddress>),
}

impl Shared {
    /// What the configuration says; nothing when one process keeps them in its data folder. Errors: `storage.config`, `config.invalid`.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, SetupError> {
        let (url, file) = (config.replay.url.as_str(), given(&config.replay.ca_file));
        if url.is_empty() {
            if file.is_some() {
                return Err(invalid("replay.ca_file", "is for TLS to `replay.url`, and there is none"));
            }
            return Ok(match ledger::address(config)? {
                Address::Postgres(address) => Some(Self::Postgres(address)),
                _ => None,
            });
        }
        let address = if url.starts_with("redis") {
            RedisAddress::parse(url, file).map(|address| Self::Redis(Box::new(address)))
        } else {
            PostgresAddress::parse(url, None, file).map(|address| Self::Postgres(Box::new(address)))
        };
        address.map(Some).map_err(ledger::storage)
    }

    /// A store there, which is asked once whether it is fit. Blocks. Errors: the store's.
    pub(crate) fn open(self) -> imagxp_replay_stores::Result<SharedReplayStore> {
        let options = Options::default();
        let store = match self {
            Self::Redis(address) => SharedReplayStore::at_redis(*address, options),
            Self::Postgres(address) => SharedReplayStore::at_postgres(*address, options),
        }?;
        store.check()?;
        Ok(store)
    }
}

/// A replay store for one process on a data folder.
#[derive(Debug)]
pub(crate) struct KeptNonces {
    memory: MemoryReplayStore,
    /// Claims that ended before were answered by a process that kept nothing.
    since: Option<Timestamp>,
    journal: Mutex<Journal>,
    /// Held as long as the process lives.
    _lock: File,
}

#[derive(Debug)]
struct Journal {
    folder: PathBuf,
    file: File,
    began_ms: i64,
    last_expiry_ms: i64,
    /// Whether the file's name is on the disk.
    named: bool,
    /// Files that are no longer written to, and when the last of each expires.
    old: Vec<(PathBuf, i64)>,
}

impl KeptNonces {
    /// Takes the folder `nonces` of the data folder, and reads what earlier processes have seen.
    ///
    /// Errors: `replay.shared` (another process has it: several processes need `replay.url`), `io.failed`.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<Self, SetupError> {
        Self::open_in(data, now, std::fs::read(BOOT).ok().as_deref())
    }

    /// As [`Self::open`], in a run of the machine that has this name; nothing where runs have none.
    fn open_in(data: &Path, now: Timestamp, boot: Option<&[u8]>) -> Result<Self, SetupError> {
        let folder = data.join("nonces");
        let failed =
            |error: std::io::Error| SetupError::new("io.failed", format!("`{}`: {error}", folder.display()));
        crate::folder::create(&folder)?;
        let Some(lock) = crate::folder::lock_file(&folder.join("lock"), false).map_err(failed)? else {
            return Err(SetupError::new(
                "replay.shared",
                format!(
                    "another process serves the data folder `{}`; several processes need PostgreSQL, and `replay.url` or nonces there",
                    data.display()
                ),
            ));
        };
        let memory = MemoryReplayStore::default();
        let mut old = Vec::new();
        for item in std::fs::read_dir(&folder).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "seen") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            let mut last_expiry_ms = i64::MIN;
            // What a power cut has left half written is no record.
            for record in bytes.chunks_exact(RECORD).filter_map(read) {
                last_expiry_ms = last_expiry_ms.max(record.expires_at.as_millis());
                if record.expires_at >= now {
                    memory.insert_if_absent(&record, now);
                }
            }
            old.push((path, last_expiry_ms));
        }
        let same_run = boot.is_some() && std::fs::read(folder.join("boot")).ok().as_deref() == boot;
        let lost = (old.is_empty() || !same_run) && data.join("ledger.db").exists();
        let since = lost.then(|| now.saturating_add_secs(WINDOW_S));
        let file = create(&folder, now.as_millis()).map_err(failed)?;
        if !same_run {
            std::fs::write(folder.join("boot"), boot.unwrap_or_default()).map_err(failed)?;
        }
        let journal = Journal {
            folder,
            file,
            began_ms: now.as_millis(),
            last_expiry_ms: now.as_millis(),
            named: false,
            old,
        };
        Ok(Self { memory, since, journal: Mutex::new(journal), _lock: lock })
    }
}

impl ReplayStore for KeptNonces {
    fn insert_if_absent(&self, entry: &ReplayEntry, now: Timestamp) -> Insert {
        // One lock around both: what is in the memory is in the file before anybody is answered.
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match self.memory.insert_if_absent(entry, now) {
            Insert::Fresh => match journal.write(entry, now) {
                Ok(()) => Insert::Fresh,
                Err(error) => {
                    tracing::error!(%error, "a nonce cannot be kept");
                    Insert::Error
                }
            },
            other => other,
        }
    }

    fn seen(&self, key: &[u8; 16], now: Timestamp) -> Seen {
        self.memory.seen(key, now)
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.memory.horizon().max(self.since)
    }

    fn forgotten(&self, expires_at: Timestamp) -> bool {
        self.since.is_some_and(|since| expires_at < since) || self.memory.forgotten(expires_at)
    }
}

impl Journal {
    fn write(&mut self, entry: &ReplayEntry, now: Timestamp) -> std::io::Result<()> {
        let now_ms = now.as_millis();
        if now_ms.saturating_sub(self.began_ms) > SEGMENT_MS {
            let file = create(&self.folder, now_ms)?;
            self.old.push((name(&self.folder, self.began_ms), self.last_expiry_ms));
            (self.file, self.began_ms, self.last_expiry_ms, self.named) = (file, now_ms, now_ms, false);
            // A day more than needed, for the sake of clocks that step back.
            let ended = now_ms.saturating_sub(24 * 3_600_000);
            self.old.retain(|(path, last)| *last >= ended || std::fs::remove_file(path).is_err());
        }
        self.last_expiry_ms = self.last_expiry_ms.max(entry.expires_at.as_millis());
        let mut record = Vec::with_capacity(RECORD);
        record.extend_from_slice(&entry.key);
        record.extend_from_slice(&entry.agent);
        record.extend_from_slice(&entry.expires_at.as_millis().to_be_bytes());
        self.file.write_all(&record)?;
        if entry.expires_at >= outlives(now) { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.file.sync_data()?;
        if !self.named {
            File::open(&self.folder)?.sync_all()?;
            self.named = true;
        }
        Ok(())
    }
}

/// From when on a nonce that is stored now may belong to a claim that is taken for a new one after a power cut.
fn outlives(now: Timestamp) -> Timestamp {
    now.saturating_add_millis((WINDOW_S + KEEP_S) * 1000 + AHEAD_MS)
}

fn read(record: &[u8]) -> Option<ReplayEntry> {
    let (key, rest) = record.split_first_chunk::<16>()?;
    let (agent, rest) = rest.split_first_chunk::<16>()?;
    let expires_at = Timestamp::from_millis(i64::from_be_bytes(*rest.first_chunk::<8>()?));
    Some(ReplayEntry { key: *key, agent: *agent, expires_at })
}

fn name(folder: &Path, began_ms: i64) -> PathBuf {
    folder.join(format!("{began_ms}.seen"))
}

/// A new file, or the one of a process that began in the same millisecond.
fn create(folder: &Path, began_ms: i64) -> std::io::Result<File> {
    let path = name(folder, began_ms);
    match OpenOptions::new().create_new(true).append(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => OpenOptions::new().append(true).open(&path),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u8, expires_at: Timestamp) -> ReplayEntry {
        ReplayEntry { key: [number; 16], agent: [1; 16], expires_at }
    }

    #[test]
    fn what_a_power_cut_may_have_taken_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let open = |boot| KeptNonces::open_in(data.path(), now, boot).unwrap();
        let doubts = |store: KeptNonces| store.forgotten(now.saturating_add_secs(WINDOW_S - 1));
        assert!(!doubts(open(Some(b"first"))), "there was nothing before");
        std::fs::write(data.path().join("ledger.db"), "").unwrap();
        assert!(!doubts(open(Some(b"first"))), "the process ended, the machine did not");
        assert!(doubts(open(Some(b"second"))));
        assert!(!doubts(open(Some(b"second"))));
        assert!(doubts(open(None)), "nobody knows");
        assert!(doubts(open(None)));
        assert!(doubts(open(Some(b"third"))));
    }

    #[test]
    fn what_would_be_taken_for_new_after_a_power_cut_waits_for_the_disk() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let store = KeptNonces::open_in(data.path(), now, Some(b"first")).unwrap();
        let dated = |ahead_ms: i64| now.saturating_add_millis(ahead_ms + (WINDOW_S + KEEP_S) * 1000);
        let synced = |store: &KeptNonces| store.journal.lock().unwrap().named;
        assert_eq!(store.insert_if_absent(&entry(1, dated(0)), now), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(2, dated(AHEAD_MS - 1)), now), Insert::Fresh);
        assert!(!synced(&store));
        assert_eq!(store.insert_if_absent(&entry(3, dated(AHEAD_MS)), now), Insert::Fresh);
        assert!(synced(&store));
        // What waits for no disk is refused by the next run of the machine.
        drop(store);
        std::fs::write(data.path().join("ledger.db"), "").unwrap();
        let started = now.saturating_add_millis(AHEAD_MS);
        let next = KeptNonces::open_in(data.path(), started, Some(b"second")).unwrap();
        let ends = |ahead_ms: i64| now.saturating_add_millis(ahead_ms + WINDOW_S * 1000);
        assert!(next.forgotten(ends(AHEAD_MS - 1)) && !next.forgotten(ends(AHEAD_MS)));
    }

    #[test]
    fn what_was_seen_is_seen_after_the_end_too() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_secs(1_800_000_000);
        let later = now.saturating_add_secs(365);
        std::fs::write(data.path().join("ledger.db"), "").unwrap();
        let store = KeptNonces::open(data.path(), now).unwrap();
        assert_eq!(KeptNonces::open(data.path(), now).unwrap_err().code(), "replay.shared");
        assert_eq!(store.insert_if_absent(&entry(1, later), now), Insert::Fresh);
        assert_eq!(store.insert_if_absent(&entry(1, later), now), Insert::Seen);
        // Nobody knows what came before the first process.
        assert!(store.forgotten(now.saturating_add_secs(WINDOW_S - 1)));
        assert!(!store.forgotten(now.saturating_add_secs(WINDOW_S)));
        drop(store);
        // A record that a power cut has cut off.
        let journal = std::fs::read_dir(data.path().join("nonces")).unwrap();
        let path = journal.map(|item| item.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
        OpenOptions::new().append(true).open(path).unwrap().write_all(&[7; 11]).unwrap();
        let again = KeptNonces::open(data.path(), now.saturating_add_secs(60)).unwrap();
        assert!(!again.forgotten(now.saturating_add_secs(WINDOW_S - 1)), "it is known what came before");
        assert_eq!(again.insert_if_absent(&entry(1, later), now), Insert::Seen);
        assert_eq!(again.insert_if_absent(&entry(2, later), now), Insert::Fresh);
        // Files are changed and, when all of them has expired, deleted.
        for day in 1..4_u8 {
            let then = now.saturating_add_secs(i64::from(day) * 86_400 + 3600);
            let made = again.insert_if_absent(&entry(day + 10, then.saturating_add_secs(365)), then);
            assert_eq!(made, Insert::Fresh);
        }
        let files = std::fs::read_dir(data.path().join("nonces")).unwrap().count();
        assert!(files <= 4, "{files}");
    }
}
