//! Where a ledger is, and how it behaves.

use super::clock::Clock;
use crate::migration::Migrate;
use crate::sqlite::Durability;
use core::fmt;
use imagxp_broker::Rules;
use imagxp_database::{Error, ErrorKind, PostgresAddress, Result, SslMode};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the rows are.
#[derive(Clone)]
pub enum Address {
    /// In this process, until it ends: for tests and demonstrations.
    Memory,
    /// In a SQLite file.
    Sqlite(PathBuf),
    /// On a PostgreSQL server, 12 or newer.
    Postgres(Box<PostgresAddress>),
}

impl Address {
    /// Reads an address: that of [`PostgresAddress`], `sqlite:PATH`, `memory:`, or the path of a file. Error: `storage.config`, which never
    /// repeats a password.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, None, None)
    }

    /// The same, with what [`PostgresAddress::parse`] takes besides. Error: `storage.config`, also when it is given for another database.
    pub fn parse_with(text: &str, mode: Option<SslMode>, authorities: Option<&Path>) -> Result<Self> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains("dbname=") {
            return Ok(PostgresAddress::parse(text, mode, authorities)?.into());
        }
        if mode.is_some() || authorities.is_some() {
            return Err(Error::new(ErrorKind::Config, "TLS is for PostgreSQL, and this is another database"));
        }
        match text.strip_prefix("sqlite:").unwrap_or(text) {
            "memory:" => Ok(Self::Memory),
            "" => Err(Error::new(ErrorKind::Config, "the path of the database is empty")),
            path => Ok(Self::Sqlite(path.into())),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl From<PostgresAddress> for Address {
    fn from(address: PostgresAddress) -> Self {
        Self::Postgres(Box::new(address))
    }
}

/// How a ledger behaves.
#[derive(Clone)]
pub struct Options {
    /// Assets and fees.
    pub rules: Rules,
    /// The most requests that wait, 4 096 by default; beyond that they are refused with `store.busy`.
    pub queue: usize,
    /// The most requests of one transaction, 256 by default.
    pub batch: usize,
    /// The most connections that read, 8 by default.
    pub readers: usize,
    /// Which clock counts.
    pub clock: Clock,
    /// Whether a commit waits for the disk (SQLite).
    pub durability: Durability,
    /// What becomes of tables that are missing, or of an older program.
    pub migrate: Migrate,
    /// Is told of errors of the database, for a log. What their requests are told is `store.busy` or `store.unknown`.
    #[expect(clippy::type_complexity, reason = "an alias would only hide what is to be passed")]
    pub report: Option<Arc<dyn Fn(&Error) + Send + Sync>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            queue: 4096,
            batch: 256,
            readers: 8,
            clock: Clock::Given,
            durability: Durability::Full,
            migrate: Migrate::Always,
            report: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("queue", &self.queue)
            .field("batch", &self.batch)
            .field("readers", &self.readers)
            .field("clock", &self.clock)
            .field("durability", &self.durability)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}
