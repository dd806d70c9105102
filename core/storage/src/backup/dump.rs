//! Writing a dump.

use super::Summary;
use super::lines::{Lines, to_json};
use super::table::{TABLES, Table};
use crate::ledger::{Ledger, Reading};
use crate::sql::Sql;
use crate::value::{Row, Value, limit};
use imagxp::encoding::hex_encode;
use imagxp_broker::audit;
use imagxp_database::{Error, ErrorKind, Result};
use std::io::Write;

const PAGE: usize = 2000;
/// What the first line says.
pub(super) const FORMAT: &str = "imagxp-ledger";
pub(super) const VERSION: u64 = 1;

impl Ledger {
    /// Writes everything but leases as JSON Lines, as it stands at one moment, while the ledger works on. What is written has been checked:
    /// a ledger that does not add up is not dumped. Blocks.
    ///
    /// Errors: `storage.damaged` with the first finding, `storage.backup` when it cannot be written.
    pub fn dump(&self, out: &mut dyn Write, now_ms: i64) -> Result<Summary> {
        self.read()?.consistent(|reading| {
            let report = audit::run(reading)?;
            sound(&report)?;
            write(reading, &report, out, now_ms)?;
            Ok(Summary::from(&report))
        })
    }
}

/// Error: `storage.damaged`, with the first thing that is wrong.
pub(super) fn sound(report: &audit::Report) -> Result<()> {
    match report.findings.first() {
        _ if report.is_sound() => Ok(()),
        Some(finding) => {
            Err(Error::new(ErrorKind::Damaged, format!("the ledger does not add up: {}", finding.message)))
        }
        None => Err(Error::new(ErrorKind::Damaged, "the ledger does not add up")),
    }
}

fn write(reading: &mut Reading, report: &audit::Report, out: &mut dyn Write, now_ms: i64) -> Result<()> {
    let mut lines = Lines::new(out);
    let log = report
        .head
        .log()
        .map_err(|_| Error::new(ErrorKind::Damaged, "the head of the log contradicts itself"))?;
    lines.write(&serde_json::json!({
        "format": FORMAT,
        "version": VERSION,
        "created_at": now_ms,
        "size": report.head.size,
        "root": hex_encode(&log.tree().root()),
    }))?;
    for table in TABLES {
        let mut after: Option<Vec<Value>> = None;
        loop {
            let rows = page(reading.sql()?, table, after.as_deref())?;
            let count = rows.len();
            for mut row in rows {
                let values: Vec<Value> = table.columns.iter().map(|_| row.next()).collect::<Result<_>>()?;
                after = Some(values.iter().take(table.key).cloned().collect());
                lines.write(&to_json(table, values)?)?;
            }
            if count < PAGE {
                break;
            }
        }
    }
    lines.finish()
}

/// The next rows in the order of the key.
fn page(sql: &mut dyn Sql, table: &Table, after: Option<&[Value]>) -> Result<Vec<Row>> {
    let key: Vec<&str> = table.columns.iter().take(table.key).map(|(name, _)| *name).collect();
    let key = key.join(", ");
    let (mut parameters, condition) = match after {
        None => (Vec::new(), String::new()),
        Some(after) => {
            let places: Vec<String> = (1..=after.len()).map(|place| format!("${place}")).collect();
            (after.to_vec(), format!("WHERE ({key}) > ({})", places.join(", ")))
        }
    };
    parameters.push(limit(PAGE));
    let (columns, name, last) = (table.names(), table.name, parameters.len());
    // The order in which the pages are read is that of the comparison, whatever the database thinks of letters.
    sql.query(&format!("SELECT {columns} FROM {name} {condition} ORDER BY {key} LIMIT ${last}"), &parameters)
}

/// Whether a key's column can be compared at all.
#[cfg(test)]
mod tests {
    use super::super::table::Column;
    use super::*;

    #[test]
    fn keys_are_of_types_that_sort_alike() {
        for table in TABLES {
            assert!(table.key > 0 && table.key <= table.columns.len());
            assert!(
                table.columns[..table.key].iter().all(|(_, column)| *column != Column::Units),
                "{}",
                table.name
            );
        }
    }
}
