//! A connection to SQLite: settings, functions, errors.

use super::fingerprint;
use super::functions;
use super::migrations::MIGRATIONS;
use super::newest;
use super::value::read;
use crate::migration::{Migrate, Migration, Tables};
use crate::rows;
use crate::sql::Sql;
use crate::value::{Row, Value, number};
use imagxp_broker::{AccountId, Id, OnceKey};
use imagxp_database::{Error, ErrorKind, Result};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `IMXP`: what `file` and `PRAGMA application_id` tell.
const APPLICATION: i64 = 0x494d_5850;
/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// How long the log waits for readers.
const READERS: Duration = Duration::from_millis(200);
/// How long the log becomes before readers have to wait for it, in bytes.
const LONG_LOG: u64 = 32 << 20;

/// How much of the database each connection keeps in memory, in KiB: the one that writes and the one that decides meet every table; what others
/// read is in the system's cache.
const CACHE_KIB: u32 = 65_536;
const READERS_CACHE_KIB: u32 = 8_192;

/// How much a commit waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A commit is on the disk when it is acknowledged.
    #[default]
    Full,
    /// A power cut loses the last commits: for tests that must be able to see that, and for nothing else.
    Normal,
}

/// An open database.
pub(crate) struct Sqlite {
    connection: Connection,
    /// The write-ahead log beside the file.
    log: Option<PathBuf>,
    /// What `data_version` was when a batch was last begun to be decided.
    pub(super) version: i64,
}

impl Sqlite {
    /// Opens a database for writing; makes it when it is missing, and brings its tables up to date, as far as it may.
    pub(crate) fn open(path: &Path, durability: Durability, migrate: Migrate, now_ms: i64) -> Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        if migrate != Migrate::Never {
            restrict(path)?;
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let mut sqlite = Self::connect(path, flags)?;
        if migrate == Migrate::Never && sqlite.pragma("application_id")? != APPLICATION {
            return Err(Error::new(ErrorKind::Schema, "the file is no ledger"));
        }
        sqlite.writable(durability)?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        sqlite.log = Some(log.into());
        sqlite.migrate(MIGRATIONS, migrate, now_ms)?;
        Ok(sqlite)
    }

    /// As a program opened it that knew so many migrations.
    #[cfg(test)]
    pub(crate) fn open_before(path: &Path, migrations: usize) -> Result<Self> {
        let mut sqlite =
            Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        sqlite.writable(Durability::Full)?;
        sqlite.migrate(&MIGRATIONS[..migrations], Migrate::Always, 0)?;
        Ok(sqlite)
    }

    /// Opens a database in memory, which ends with its last connection.
    pub(crate) fn memory(name: &str, now_ms: i64) -> Result<Self> {
        let mut sqlite = Self::connect(
            &in_memory(name),
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        sqlite.migrate(MIGRATIONS, Migrate::Always, now_ms)?;
        Ok(sqlite)
    }

    /// Another connection to a database in memory, for reading.
    pub(crate) fn memory_reader(name: &str) -> Result<Self> {
        Self::reader(&in_memory(name))
    }

    /// Opens a database that is there, for reading.
    pub(crate) fn reader(path: &Path) -> Result<Self> {
        // Not read-only: a reader of a WAL may have to make its index. It is told to write nothing.
        let mut sqlite = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        sqlite.script(&format!("PRAGMA query_only = ON; PRAGMA cache_size = -{READERS_CACHE_KIB}"))?;
        Ok(sqlite)
    }

    /// Opens a database that is there, for deciding what is to be written.
    pub(crate) fn decider(path: &Path) -> Result<Self> {
        let mut sqlite = Self::reader(path)?;
        sqlite.script(&format!("PRAGMA cache_size = -{CACHE_KIB}"))?;
        Ok(sqlite)
    }

    /// Opens a copy that nobody else uses, and makes it a file of its own, without a log beside it.
    pub(crate) fn standalone(path: &Path) -> Result<Self> {
        let mut sqlite = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if sqlite.pragma("application_id")? != APPLICATION {
            return Err(Error::new(ErrorKind::Backup, "the file is no ledger"));
        }
        sqlite.query("PRAGMA journal_mode = DELETE", &[])?;
        Ok(sqlite)
    }

    /// Makes the tables those of this program. Errors: `storage.schema`, `storage.damaged`.
    pub(crate) fn bring_up_to_date(&mut self, now_ms: i64) -> Result<()> {
        self.migrate(MIGRATIONS, Migrate::Always, now_ms)
    }

    /// Copies the database, as it stands now, to a new file.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<()> {
        restrict(path)?;
        let mut copy =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        let backup = Backup::new(&self.connection, &mut copy).map_err(failed)?;
        // In one step: writers go on beside it, and no change begins it anew.
        match backup.step(-1).map_err(failed)? {
            StepResult::Done => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, "the database is in use")),
        }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self> {
        let flags = flags
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("`{}` cannot be opened", path.display()))
                .with_source(error)
        })?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(128);
        functions::add(&connection).map_err(failed)?;
        let mut sqlite = Self { connection, log: None, version: 0 };
        sqlite.script(&format!(
            "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA recursive_triggers = ON"
        ))?;
        Ok(sqlite)
    }

    fn writable(&mut self, durability: Durability) -> Result<()> {
        let application = self.pragma("application_id")?;
        if application != 0 && application != APPLICATION {
            return Err(Error::new(ErrorKind::Schema, "the file is a database of another program"));
        }
        if application == 0 {
            if self.first("SELECT 1 FROM sqlite_schema LIMIT 1", &[])?.is_some() {
                return Err(Error::new(ErrorKind::Schema, "the file is a database of another program"));
            }
            self.script(&format!("PRAGMA application_id = {APPLICATION}"))?;
        }
        let mode = self.query("PRAGMA journal_mode = WAL", &[])?;
        if mode.into_iter().next().map(|mut row| row.text()).transpose()?.as_deref() != Some("wal") {
            return Err(Error::new(
                ErrorKind::Config,
                "the folder's file system does not allow a write-ahead log",
            ));
        }
        let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
        self.script(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 2000"
        ))
    }

    fn migrate(&mut self, migrations: &[Migration], migrate: Migrate, now_ms: i64) -> Result<()> {
        let tables = Tables {
            migrations,
            exists: "SELECT 1 FROM sqlite_schema WHERE name = 'migration'",
            // The transaction holds the only write lock already.
            lock: "",
            create: "CREATE TABLE migration (version INTEGER PRIMARY KEY, checksum BLOB NOT NULL, fingerprint TEXT NOT NULL, \
                     applied_at INTEGER NOT NULL) STRICT",
            fingerprint: fingerprint::of,
        };
        tables.open(self, migrate, now_ms)
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the log is longer than checkpoints beside readers should let it become.
    pub(crate) fn is_log_long(&self) -> bool {
        let log = self.log.as_ref().and_then(|log| std::fs::metadata(log).ok());
        log.is_some_and(|log| log.len() > LONG_LOG)
    }

    /// Writes the log to the database, lets it begin anew and cuts it. Error: `storage.conflict` when a reader does not end in time.
    pub(crate) fn restart_log(&mut self) -> Result<()> {
        self.connection.busy_timeout(READERS).map_err(failed)?;
        let row = self.first("PRAGMA wal_checkpoint(TRUNCATE)", &[]);
        self.connection.busy_timeout(BUSY).map_err(failed)?;
        match row?.map(|mut row| row.int()).transpose()? {
            Some(0) => Ok(()),
            _ => {
                Err(Error::new(ErrorKind::Conflict, "a reader keeps the write-ahead log from beginning anew"))
            }
        }
    }

    pub(crate) fn pragma(&mut self, name: &str) -> Result<i64> {
        self.query(&format!("PRAGMA {name}"), &[])?.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    /// Runs a statement that is kept prepared, with values of any kind that the driver takes.
    pub(crate) fn run(&mut self, sql: &str, parameters: &[Value]) -> Result<usize> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.execute(rusqlite::params_from_iter(parameters)).map_err(failed)
    }
}

impl Sqlite {
    fn each_named(&mut self, sql: &str, names: impl Iterator<Item = Vec<Value>>) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for parameters in names {
            found.extend(self.query(sql, &parameters)?);
        }
        Ok(found)
    }
}

impl Sql for Sqlite {
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                values.push(read(row.get_ref(column).map_err(failed)?)?);
            }
            found.push(Row::new(values));
        }
        Ok(found)
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        Ok(self.run(sql, parameters)? as u64)
    }

    fn insert(&mut self, table: &str, columns: &str, types: &[&str], rows: Vec<Vec<Value>>) -> Result<()> {
        let places: Vec<String> = (1..=types.len()).map(|place| format!("${place}")).collect();
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({})", places.join(", "));
        for row in rows {
            self.run(&sql, &row)?;
        }
        Ok(())
    }

    fn script(&mut self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(failed)
    }

    fn begin_read(&mut self) -> Result<()> {
        self.run("BEGIN DEFERRED", &[]).map(drop)
    }

    fn begin_write(&mut self) -> Result<()> {
        self.run("BEGIN IMMEDIATE", &[]).map(drop)
    }

    fn commit(&mut self) -> Result<()> {
        self.run("COMMIT", &[]).map(drop)
    }

    fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn clock(&mut self, given_ms: i64) -> Result<i64> {
        Ok(given_ms)
    }

    fn of_account(&self) -> &'static [&'static str] {
        newest::OF_ACCOUNT
    }

    fn posted_of_account(&self) -> &'static [&'static str] {
        newest::POSTED_OF_ACCOUNT
    }

    fn of_owner(&self) -> &'static [&'static str] {
        newest::OF_OWNER
    }

    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM account WHERE id = $1", rows::ACCOUNT);
        self.each_named(&sql, ids.iter().map(|id| vec![Value::from(*id)]))
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM leaf WHERE seq = $1", rows::LEAF);
        self.each_named(&sql, numbers.iter().map(|seq| vec![number(*seq)]))
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM visa WHERE jti = $1", rows::VISA);
        self.each_named(&sql, names.iter().map(|name| vec![Value::from(*name)]))
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM once WHERE scope = $1 AND name = $2", rows::ONCE);
        self.each_named(
            &sql,
            names.iter().map(|key| vec![key.scope.as_str().into(), key.name.as_str().into()]),
        )
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<Row>> {
        self.each_named(
            "SELECT id, seq FROM transfer WHERE id = $1",
            ids.iter().map(|id| vec![Value::from(*id)]),
        )
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn rollback(&mut self) {
        // A statement that failed for want of space may have ended the transaction by itself.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// A new database is its owner's alone: it holds who pays whom.
fn restrict(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Unavailable, format!("`{}` cannot be made", path.display()))
            .with_source(error)),
    }
}

fn in_memory(name: &str) -> PathBuf {
    format!("file:/{name}?vfs=memdb").into()
}

pub(crate) fn failed(error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(ffi::ErrorCode::DatabaseBusy | ffi::ErrorCode::DatabaseLocked) => ErrorKind::Conflict,
        Some(ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase) => ErrorKind::Damaged,
        Some(
            ffi::ErrorCode::CannotOpen
            | ffi::ErrorCode::PermissionDenied
            | ffi::ErrorCode::ReadOnly
            | ffi::ErrorCode::DiskFull
            | ffi::ErrorCode::SystemIoFailure,
        ) => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    };
    let message = match kind {
        ErrorKind::Conflict => "another process writes to the database",
        ErrorKind::Damaged => "the database file is damaged",
        ErrorKind::Unavailable => "the database file cannot be used",
        _ => "the database did not take a statement",
    };
    Error::new(kind, message).with_source(error)
}
