//! Migrations: forward only, each applied once, and checked whenever a database is opened.

use crate::sql::{Sql, reading, writing};
use crate::value::Value;
use imagxp_database::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

/// One step of a schema. What was released is never edited: its checksum is in every database.
pub(crate) struct Migration {
    /// From 1 on, without gaps.
    pub(crate) version: i64,
    pub(crate) sql: &'static str,
    /// What no statement can do, afterwards.
    pub(crate) fill: Option<fn(&mut dyn Sql) -> Result<()>>,
}

impl Migration {
    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

/// What opening a ledger does with tables that are not those of this program. Those of a newer program, of another one, and those that were
/// altered by hand are refused in any case (`storage.schema`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// Makes missing tables, and brings older ones up to date. No older program can use them from then on.
    #[default]
    Always,
    /// Makes the tables of an empty database, and refuses older ones.
    WhenEmpty,
    /// Refuses missing tables and older ones: a program that runs may use them.
    Never,
}

/// The tables of a kind of database.
pub(crate) struct Tables<'a, F> {
    pub(crate) migrations: &'a [Migration],
    /// Finds a row when there is a table of migrations.
    pub(crate) exists: &'a str,
    /// Keeps others from migrating at the same time.
    pub(crate) lock: &'a str,
    /// Makes the table of migrations.
    pub(crate) create: &'a str,
    /// Describes the tables, functions and triggers as they are.
    pub(crate) fingerprint: F,
}

impl<F: Fn(&mut dyn Sql) -> Result<String>> Tables<'_, F> {
    /// Brings the tables up to the last migration, as far as `migrate` lets it.
    ///
    /// Error: `storage.schema` when they are of a newer program, of another one, were altered by hand, or may not be changed.
    pub(crate) fn open(&self, sql: &mut dyn Sql, migrate: Migrate, now_ms: i64) -> Result<()> {
        let known = self.migrations.len();
        if migrate != Migrate::Always {
            let found = reading(sql, |sql| self.found(sql))?;
            match (found, migrate) {
                (None, Migrate::WhenEmpty) => {}
                (None, _) => {
                    return Err(schema(
                        "there is no ledger yet: the service makes it when it starts".to_owned(),
                    ));
                }
                (Some(applied), _) if applied < known => {
                    return Err(schema(format!(
                        "the database is of an older program: it has {applied} migrations of {known}, and the service brings it up to date when it starts"
                    )));
                }
                (Some(_), _) => return Ok(()),
            }
        }
        writing(sql, |sql| {
            // Always: of two programs that start together, one brings the tables up to date and the other finds them so.
            sql.script(self.lock)?;
            let applied = match self.found(sql)? {
                Some(applied) => applied,
                None => {
                    sql.script(self.create)?;
                    0
                }
            };
            self.migrations.iter().skip(applied).try_for_each(|migration| self.apply(sql, migration, now_ms))
        })
    }

    /// How many migrations there are, each of them this program's; `None` in a database without tables. Error: `storage.schema`.
    fn found(&self, sql: &mut dyn Sql) -> Result<Option<usize>> {
        if sql.first(self.exists, &[])?.is_none() {
            return Ok(None);
        }
        let mut applied = Vec::new();
        for mut row in
            sql.query("SELECT version, checksum, fingerprint FROM migration ORDER BY version", &[])?
        {
            applied.push((row.int()?, row.hash()?, row.text()?));
        }
        if let Some(((version, _, _), _)) =
            applied.iter().zip(1_i64..).find(|((version, _, _), expected)| version != expected)
        {
            return Err(schema(format!("migration {version} stands where another belongs")));
        }
        if applied.len() > self.migrations.len() {
            return Err(schema(format!(
                "the database is of a newer program: it has {} migrations, this program knows {}",
                applied.len(),
                self.migrations.len()
            )));
        }
        for ((version, checksum, _), migration) in applied.iter().zip(self.migrations) {
            if *checksum != migration.checksum() {
                return Err(schema(format!(
                    "migration {version} of the database is not the one of this program"
                )));
            }
        }
        if let Some((_, _, expected)) = applied.last()
            && !same(expected, &(self.fingerprint)(sql)?)
        {
            return Err(schema(
                "the tables, triggers or functions were altered since they were made".to_owned(),
            ));
        }
        Ok(Some(applied.len()))
    }

    fn apply(&self, sql: &mut dyn Sql, migration: &Migration, now_ms: i64) -> Result<()> {
        sql.script(migration.sql)?;
        if let Some(fill) = migration.fill {
            fill(sql)?;
        }
        let checksum = migration.checksum();
        let now = (self.fingerprint)(sql)?;
        sql.execute(
            "INSERT INTO migration (version, checksum, fingerprint, applied_at) VALUES ($1, $2, $3, $4)",
            &[Value::Int(migration.version), checksum.as_slice().into(), now.into(), now_ms.into()],
        )?;
        Ok(())
    }
}

/// Whether two fingerprints are alike. Where they have words, the last is compared only when both are of one release of the server.
fn same(one: &str, other: &str) -> bool {
    let (mut ones, mut others) = (one.split(' '), other.split(' '));
    ones.next() == others.next() && (ones.next() != others.next() || one == other)
}

fn schema(message: String) -> Error {
    Error::new(ErrorKind::Schema, message)
}
