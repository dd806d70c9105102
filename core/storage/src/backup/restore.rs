//! Reading a dump into an empty database.

use super::Summary;
use super::dump::{FORMAT, VERSION, sound};
use super::file::no_companions;
use super::lines::{Read, bad, from_json};
use super::table::{TABLES, Table};
use crate::ledger::{Address, Options, open_writer};
use crate::reader::SqlReader;
use crate::sql::{Sql, writing};
use crate::value::{Value, number};
use imagxp::audit::tree::Tree;
use imagxp::encoding::hex_encode;
use imagxp_broker::{Head, audit};
use imagxp_database::{Error, ErrorKind, Result};
use serde_json::Value as Json;
use std::io::BufRead;

const CHUNK: usize = 500;

/// Restores a dump into a database that holds nothing, and checks it: every balance, every visa, every entry, and the root of the log, which
/// is made again from the rows. All of it or nothing. Where there is no SQLite file yet there may be nothing that another ledger left
/// (`-wal`, `-shm`, `-journal`). Blocks.
///
/// Errors: `storage.not_empty`, `storage.backup`, `storage.damaged`.
pub fn restore(address: &Address, input: &mut dyn BufRead, now_ms: i64) -> Result<Summary> {
    // Beside a file they are its own, and are read with it.
    if let Address::Sqlite(path) = address
        && !path.exists()
    {
        no_companions(path)?;
    }
    let mut writer = open_writer(address, &Options::default(), now_ms)?;
    let sql = writer.sql()?;
    writing(sql, |sql| {
        for table in TABLES {
            if sql.first(&format!("SELECT 1 FROM {} LIMIT 1", table.name), &[])?.is_some() {
                return Err(Error::new(
                    ErrorKind::NotEmpty,
                    "the database holds something; a backup is restored into an empty one",
                ));
            }
        }
        let mut read = Read::new(input);
        let expected = first_line(&mut read)?;
        let (mut pending, mut of): (Vec<Vec<Value>>, Option<&'static Table>) = (Vec::new(), None);
        // Of the last entry: its number and time.
        let (mut tree, mut last, mut newest) = (Tree::new(), [0; 32], (0, 0));
        while let Some(line) = read.next()? {
            let table = line.get("table").and_then(Json::as_str).and_then(Table::find);
            let (Some(table), Some(Json::Object(row))) = (table, line.get("row")) else {
                return Err(bad("a line of the backup is no row of a table that is known"));
            };
            let mut values = from_json(table, row)?;
            if table.name == "leaf"
                && let [_, Value::Bytes(hash)] = values.as_slice()
            {
                last = hash.as_slice().try_into().map_err(|_| bad("a leaf has another length"))?;
                values.push(tree.push(last).concat().into());
            }
            if matches!(table.name, "transfer" | "event") {
                let int = |name: &str| row.get(name).and_then(Json::as_i64).unwrap_or_default();
                newest = newest.max((int("seq"), int("created_at")));
            }
            if of.is_some_and(|of| of.name != table.name) || pending.len() >= CHUNK {
                flush(sql, of, &mut pending)?;
            }
            of = Some(table);
            pending.push(values);
        }
        flush(sql, of, &mut pending)?;
        let head = Head { size: tree.size(), nodes: tree.nodes().to_vec(), last, last_at: newest.1 };
        if (head.size, hex_encode(&tree.root())) != expected {
            return Err(bad("the log of the backup has another root than its first line says"));
        }
        let changed = sql.execute(
            "UPDATE head SET size = $1, nodes = $2, last = $3, last_at = $4 WHERE size = 0",
            &[
                number(head.size),
                head.nodes_to_bytes().into(),
                head.last.as_slice().into(),
                head.last_at.into(),
            ],
        )?;
        if changed != 1 {
            return Err(Error::new(ErrorKind::NotEmpty, "somebody has begun to write to the database"));
        }
        let report = audit::run(&mut SqlReader(sql))?;
        sound(&report)?;
        Ok(Summary::from(&report))
    })
}

/// Checks a dump as [`restore()`] would, in memory.
pub fn verify(input: &mut dyn BufRead, now_ms: i64) -> Result<Summary> {
    restore(&Address::Memory, input, now_ms)
}

/// The size and root that the log must have.
fn first_line(read: &mut Read<'_>) -> Result<(u64, String)> {
    let Some(line) = read.next()? else { return Err(bad("the backup is empty")) };
    if line.get("format").and_then(Json::as_str) != Some(FORMAT) {
        return Err(bad("this is no backup of a ledger"));
    }
    if line.get("version").and_then(Json::as_u64) != Some(VERSION) {
        return Err(bad("the backup is of a newer program"));
    }
    let size = line.get("size").and_then(Json::as_u64);
    let root = line.get("root").and_then(Json::as_str).map(str::to_owned);
    size.zip(root).ok_or_else(|| bad("the backup does not say what its log is"))
}

fn flush(sql: &mut dyn Sql, table: Option<&Table>, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let Some(table) = table.filter(|_| !rows.is_empty()) else { return Ok(()) };
    let (names, types) = table.restored();
    sql.insert(table.name, &names, &types, std::mem::take(rows)).map_err(|error| match error.kind() {
        ErrorKind::Failed => {
            Error::new(ErrorKind::Backup, format!("rows of `{}` break a rule of the database", table.name))
                .with_source(error)
        }
        _ => error,
    })
}
