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
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
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
/// A day: longer than anything is kept from the time on at which it is stored.
const LONGEST_MS: i64 = 24 * 3_600_000;
/// A week: what a clock may have been set back by while it wrote one file.
const BEFORE_MS: i64 = 7 * 24 * 3_600_000;

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
    /// Bytes of whole records: where the next one goes.
    whole: u64,
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
        let (mut old, mut unread) = (Vec::new(), None);
        for item in std::fs::read_dir(&folder).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "seen") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            let began_ms = began(&path).unwrap_or(now.as_millis());
            let ended_ms = began_ms.saturating_add(SEGMENT_MS);
            let possible = began_ms.saturating_sub(BEFORE_MS)..=ended_ms.saturating_add(LONGEST_MS);
            let (records, sound) = records(&bytes, &possible);
            let mut last_expiry_ms = i64::MIN;
            for record in records {
                last_expiry_ms = last_expiry_ms.max(record.expires_at.as_millis());
                if record.expires_at >= now {
                    memory.insert_if_absent(&record, now);
                }
            }
            if !sound {
                tracing::error!(file = %path.display(), "not all of the nonces can be read: claims from their time are refused");
                unread = unread.max(Some(ended_ms.min(now.as_millis())));
                last_expiry_ms = *possible.end();
            }
            old.push((path, last_expiry_ms));
        }
        let same_run = boot.is_some() && std::fs::read(folder.join("boot")).ok().as_deref() == boot;
        let lost = (old.is_empty() || !same_run) && data.join("ledger.db").exists();
        let since = lost.then(|| now.saturating_add_secs(WINDOW_S));
        // Claims that were dated ahead are among those that cannot be read.
        let since = since.max(unread.map(|ms| Timestamp::from_millis(ms).saturating_add_secs(2 * WINDOW_S)));
        let (file, whole) = create(&folder, now.as_millis()).map_err(failed)?;
        if !same_run {
            std::fs::write(folder.join("boot"), boot.unwrap_or_default()).map_err(failed)?;
        }
        let journal = Journal {
            folder,
            file,
            whole,
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
            let (file, whole) = create(&self.folder, now_ms)?;
            self.old.push((name(&self.folder, self.began_ms), self.last_expiry_ms));
            (self.file, self.whole, self.named) = (file, whole, false);
            (self.began_ms, self.last_expiry_ms) = (now_ms, now_ms);
            // A day more than needed, for the sake of clocks that step back.
            let ended = now_ms.saturating_sub(24 * 3_600_000);
            self.old.retain(|(path, last)| *last >= ended || std::fs::remove_file(path).is_err());
        }
        self.last_expiry_ms = self.last_expiry_ms.max(entry.expires_at.as_millis());
        let mut record = Vec::with_capacity(RECORD);
        record.extend_from_slice(&entry.key);
        record.extend_from_slice(&entry.agent);
        record.extend_from_slice(&entry.expires_at.as_millis().to_be_bytes());
        // Over what a full disk took of a record that could not be written: each one begins where the last whole one ends.
        self.file.write_all_at(&record, self.whole)?;
        self.whole = self.whole.saturating_add(RECORD as u64);
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

/// When a file began, by its name.
fn began(path: &Path) -> Option<i64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// The records of a file whose times are possible, and whether they are all. What a power cut or a full disk has left half written is no
/// record; earlier versions went on behind it, and what follows is found by its times. Zeros are what a power cut leaves of pages that
/// were not written: the next run of the machine doubts what was in them.
fn records(bytes: &[u8], possible: &RangeInclusive<i64>) -> (Vec<ReplayEntry>, bool) {
    let (mut found, mut sound) = (Vec::new(), true);
    let (mut at, mut passed) = (0_usize, 0_usize);
    while let Some(bytes) = bytes.get(at..at.saturating_add(RECORD)) {
        match read(bytes).filter(|record| possible.contains(&record.expires_at.as_millis())) {
            Some(record) => {
                found.push(record);
                (at, passed) = (at.saturating_add(RECORD), 0);
            }
            None => {
                let hole = bytes.iter().all(|byte| *byte == 0);
                (at, passed) = (at.saturating_add(1), if hole { 0 } else { passed.saturating_add(1) });
                sound &= passed < RECORD;
            }
        }
    }
    (found, sound)
}

/// A new file, or the one of a process that began in the same millisecond, and the bytes of its whole records.
fn create(folder: &Path, began_ms: i64) -> std::io::Result<(File, u64)> {
    let path = name(folder, began_ms);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    let length = file.metadata()?.len();
    Ok((file, length.saturating_sub(length % RECORD as u64)))
}

#[cfg(test)]
mod tests;
