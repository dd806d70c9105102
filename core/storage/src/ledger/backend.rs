//! Which database it is.

use super::options::{Address, Options};
use crate::postgres::Postgres;
use crate::sql::Sql;
use crate::sqlite::Sqlite;
use imagxp_broker::{Changes, Done, Ids, Request, Rules, apply};
use imagxp_database::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// The connection that writes.
pub(crate) enum Writer {
    Sqlite(Box<Sqlite>),
    Postgres(Box<Postgres>),
}

/// Makes connections that read.
pub(crate) type Connect = Box<dyn Fn() -> Result<Box<dyn Sql + Send>> + Send + Sync>;

/// Opens the database, brings its tables up to date as far as the options let it, and says how readers connect.
pub(crate) fn open(address: &Address, options: &Options, now_ms: i64) -> Result<(Writer, Connect)> {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    Ok(match address.clone() {
        Address::Memory => {
            let name = format!("imagxp-{}", NAMES.fetch_add(1, Ordering::Relaxed));
            let writer = Sqlite::memory(&name, now_ms)?;
            (Writer::Sqlite(Box::new(writer)), Box::new(move || Ok(Box::new(Sqlite::memory_reader(&name)?))))
        }
        Address::Sqlite(path) => {
            let writer = Sqlite::open(&path, options.durability, options.migrate, now_ms)?;
            (Writer::Sqlite(Box::new(writer)), Box::new(move || Ok(Box::new(Sqlite::reader(&path)?))))
        }
        Address::Postgres(address) => {
            let writer = Postgres::open(&address, options.migrate, now_ms)?;
            (Writer::Postgres(Box::new(writer)), Box::new(move || Ok(Box::new(Postgres::reader(&address)?))))
        }
    })
}

/// Opens the database for writing, and brings its tables up to date as far as the options let it.
pub(crate) fn open_writer(address: &Address, options: &Options, now_ms: i64) -> Result<Writer> {
    open(address, options, now_ms).map(|(writer, _)| writer)
}

impl Writer {
    pub(crate) fn apply(&mut self, rules: &Rules, requests: &[Request], ids: &mut dyn Ids) -> Result<Done> {
        match self {
            Self::Sqlite(store) => apply(&mut **store, rules, requests, ids),
            Self::Postgres(store) => apply(&mut **store, rules, requests, ids),
        }
    }

    /// From here on [`Writer::write_ahead`] finds out who else has written.
    pub(crate) fn note_version(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.note_version(),
            Self::Postgres(_) => Err(not_ahead()),
        }
    }

    /// Writes what was decided ahead. Error: `storage.conflict` when anybody else has written since [`Writer::note_version`].
    pub(crate) fn write_ahead(&mut self, changes: &Changes) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.write_ahead(changes),
            Self::Postgres(_) => Err(not_ahead()),
        }
    }

    /// Whether SQLite's log has grown so long that readers have to make way for it to begin anew.
    pub(crate) fn is_log_long(&self) -> bool {
        match self {
            Self::Sqlite(store) => store.is_log_long(),
            Self::Postgres(_) => false,
        }
    }

    /// Begins SQLite's log anew.
    pub(crate) fn restart_log(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(store) => store.restart_log(),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// The connection, made anew when it was lost.
    pub(crate) fn sql(&mut self) -> Result<&mut dyn Sql> {
        match self {
            Self::Sqlite(store) => Ok(&mut **store),
            Self::Postgres(store) => {
                store.revive()?;
                Ok(&mut **store)
            }
        }
    }
}

/// Other servers write to PostgreSQL too: what is decided there is decided under the lock of the log's head.
fn not_ahead() -> Error {
    Error::new(ErrorKind::Conflict, "nothing is decided ahead with this database")
}
