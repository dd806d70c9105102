//! Migrations: forward only, each applied once, and checked whenever a database is opened.

use crate::sql::{Sql, writing};
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

/// Brings the tables up to the last migration. `fingerprint` describes the tables, functions and triggers as they are.
///
/// Error: `storage.schema` when they are of a newer program, of another one, or were altered by hand.
pub(crate) fn migrate(
    sql: &mut dyn Sql,
    migrations: &[Migration],
    exists: &str,
    lock: &str,
    create: &str,
    fingerprint: impl Fn(&mut dyn Sql) -> Result<String>,
    now_ms: i64,
) -> Result<()> {
    writing(sql, |sql| {
        // Always: of two programs that start together, one brings the tables up to date and the other finds them so.
        sql.script(lock)?;
        if sql.first(exists, &[])?.is_none() {
            sql.script(create)?;
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
        if applied.len() > migrations.len() {
            return Err(schema(format!(
                "the database is of a newer program: it has {} migrations, this program knows {}",
                applied.len(),
                migrations.len()
            )));
        }
        for ((version, checksum, _), migration) in applied.iter().zip(migrations) {
            if *checksum != migration.checksum() {
                return Err(schema(format!(
                    "migration {version} of the database is not the one of this program"
                )));
            }
        }
        if let Some((_, _, expected)) = applied.last()
            && !same(expected, &fingerprint(sql)?)
        {
            return Err(schema(
                "the tables, triggers or functions were altered since they were made".to_owned(),
            ));
        }
        for migration in migrations.iter().skip(applied.len()) {
            sql.script(migration.sql)?;
            if let Some(fill) = migration.fill {
                fill(sql)?;
            }
            let checksum = migration.checksum();
            let now = fingerprint(sql)?;
            sql.execute(
                "INSERT INTO migration (version, checksum, fingerprint, applied_at) VALUES ($1, $2, $3, $4)",
                &[Value::Int(migration.version), checksum.as_slice().into(), now.into(), now_ms.into()],
            )?;
        }
        Ok(())
    })
}

/// Whether two fingerprints are alike. Where they have words, the last is compared only when both are of one release of the server.
fn same(one: &str, other: &str) -> bool {
    let (mut ones, mut others) = (one.split(' '), other.split(' '));
    ones.next() == others.next() && (ones.next() != others.next() || one == other)
}

fn schema(message: String) -> Error {
    Error::new(ErrorKind::Schema, message)
}
