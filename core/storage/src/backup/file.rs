//! A SQLite ledger as one file.

use super::Summary;
use super::dump::sound;
use crate::ledger::{Address, Ledger};
use crate::reader::SqlReader;
use crate::sql::{Sql, reading};
use crate::sqlite::Sqlite;
use imagxp_broker::audit;
use imagxp_database::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

impl Ledger {
    /// Copies a SQLite ledger, as it stands at one moment, to a file that is not there, while the ledger works on; then checks the copy: its
    /// pages, its references and everything that [`Ledger::audit_full`] checks. A copy that does not pass is removed. Blocks.
    ///
    /// Errors: `storage.config` for another database, `storage.not_empty`, `storage.backup`, `storage.damaged`.
    pub fn backup_file(&self, path: &Path) -> Result<Summary> {
        let Address::Sqlite(source) = self.address() else {
            return Err(Error::new(
                ErrorKind::Config,
                "only a ledger in a sqlite file is copied to a file; dump this one",
            ));
        };
        copy(source, path, None)
    }
}

/// Copies a backup that [`Ledger::backup_file`] made to where a ledger is to be, brings the copy up to date when an older program has written
/// it, and checks it. Neither the ledger may be there nor what SQLite left of another one beside it (`-wal`, `-shm`, `-journal`). Blocks.
///
/// Errors: `storage.not_empty`, `storage.backup`, `storage.damaged`; `storage.schema` when it is of a newer program, or was altered by hand.
pub fn restore_file(backup: &Path, path: &Path, now_ms: i64) -> Result<Summary> {
    if !backup.is_file() {
        return Err(Error::new(ErrorKind::Backup, format!("`{}` is no file", backup.display())));
    }
    copy(backup, path, Some(now_ms))
}

/// What SQLite keeps beside a file: it would be read into whatever has the file's name next.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Refuses what a ledger that did not end in order, or that still runs, has left beside its file. Error: `storage.not_empty`.
pub(super) fn no_companions(path: &Path) -> Result<()> {
    COMPANIONS.iter().try_for_each(|suffix| absent(&with_suffix(path, suffix)))
}

fn absent(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotEmpty, format!("`{}` is there; nothing is overwritten", path.display())))
}

/// `migrate_ms`: the time, when the copy is brought up to date.
fn copy(source: &Path, path: &Path, migrate_ms: Option<i64>) -> Result<Summary> {
    absent(path)?;
    no_companions(path)?;
    // Under another name until it has been checked: what has the right name is whole.
    let partial = with_suffix(path, ".partial");
    let remove = || {
        let _ = std::fs::remove_file(&partial);
        for suffix in COMPANIONS {
            let _ = std::fs::remove_file(with_suffix(&partial, suffix));
        }
    };
    remove();
    let result = Sqlite::reader(source)
        .and_then(|from| from.copy_to(&partial))
        .and_then(|()| check(&partial, migrate_ms));
    let result = result.and_then(|summary| {
        let synced = std::fs::File::open(&partial).and_then(|file| file.sync_all());
        synced.and_then(|()| std::fs::rename(&partial, path)).map_err(|error| {
            Error::new(ErrorKind::Backup, format!("`{}` cannot be written", path.display()))
                .with_source(error)
        })?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(summary)
    });
    if result.is_err() {
        remove();
    }
    result
}

fn check(path: &Path, migrate_ms: Option<i64>) -> Result<Summary> {
    let mut copy = Sqlite::standalone(path)?;
    let found = copy.first("PRAGMA integrity_check", &[])?.map(|mut row| row.text()).transpose()?;
    if found.as_deref() != Some("ok") || copy.first("PRAGMA foreign_key_check", &[])?.is_some() {
        return Err(Error::new(ErrorKind::Damaged, "the copy's pages or references are damaged"));
    }
    // The audit reads the tables of this program.
    if let Some(now_ms) = migrate_ms {
        copy.bring_up_to_date(now_ms)?;
    }
    let report = reading(&mut copy, |sql| audit::run(&mut SqlReader(sql)))?;
    sound(&report)?;
    Ok(Summary::from(&report))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
