//! Lines of a dump, and the hash over them.

use super::table::{Column, Table};
use crate::value::{Row, Value};
use imagxp::encoding::{hex_decode, hex_encode};
use imagxp_database::{Error, ErrorKind, Result};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use std::io::{BufRead, Write};

/// The longest line that is read, in bytes: an idempotency record may hold a whole answer.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// Writes lines, and hashes what it has written.
pub(super) struct Lines<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
    count: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, hash: Sha256::new(), count: 0 }
    }

    pub(super) fn write(&mut self, json: &Json) -> Result<()> {
        let mut line = json.to_string();
        line.push('\n');
        self.hash.update(&line);
        self.count += 1;
        self.out.write_all(line.as_bytes()).map_err(unwritten)
    }

    pub(super) fn finish(self) -> Result<()> {
        let sha256 = hex_encode(&<[u8; 32]>::from(self.hash.finalize()));
        let line = serde_json::json!({ "end": { "lines": self.count, "sha256": sha256 } });
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(unwritten)
    }
}

fn unwritten(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Backup, "the backup cannot be written").with_source(error)
}

/// Reads lines, up to the last one, whose hash must be theirs.
pub(super) struct Read<'a> {
    input: &'a mut dyn BufRead,
    hash: Sha256,
    count: u64,
}

impl<'a> Read<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, hash: Sha256::new(), count: 0 }
    }

    /// The next line; `None` after the last one has been checked. Error: `storage.backup`.
    pub(super) fn next(&mut self) -> Result<Option<Map<String, Json>>> {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut *self.input, MAX_LINE);
        limited
            .read_until(b'\n', &mut line)
            .map_err(|error| Error::new(ErrorKind::Backup, "the backup cannot be read").with_source(error))?;
        if line.last() != Some(&b'\n') {
            return Err(bad("the backup ends in the middle of a line"));
        }
        let Ok(Json::Object(object)) = serde_json::from_slice(&line) else {
            return Err(bad(format!("line {} of the backup is no JSON object", self.count + 1)));
        };
        if let Some(end) = object.get("end") {
            let sha256 = hex_encode(&<[u8; 32]>::from(self.hash.clone().finalize()));
            let whole = end.get("lines").and_then(Json::as_u64) == Some(self.count)
                && end.get("sha256").and_then(Json::as_str) == Some(&sha256);
            return if whole {
                Ok(None)
            } else {
                Err(bad("the backup is not what was written: its hash is another"))
            };
        }
        self.hash.update(&line);
        self.count += 1;
        Ok(Some(object))
    }
}

pub(super) fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Backup, message)
}

/// A row as a JSON object; columns without a value are left out.
pub(super) fn to_json(table: &Table, values: Vec<Value>) -> Result<Json> {
    let mut object = Map::new();
    for ((name, column), value) in table.columns.iter().zip(values) {
        let json = match (column, value) {
            (_, Value::Null) => continue,
            (Column::Int, Value::Int(value)) => value.into(),
            (Column::Text, Value::Text(value)) => value.into(),
            (Column::Bytes, Value::Bytes(value)) => {
                value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
            }
            (Column::Units, value) => Row::new(vec![value]).amount()?.to_string().into(),
            _ => return Err(crate::value::damaged("a column is of another type")),
        };
        object.insert((*name).to_owned(), json);
    }
    Ok(serde_json::json!({ "table": table.name, "row": object }))
}

/// The values of a row. Error: `storage.backup`.
pub(super) fn from_json(table: &Table, row: &Map<String, Json>) -> Result<Vec<Value>> {
    if row.keys().any(|name| !table.columns.iter().any(|(column, _)| column == name)) {
        return Err(bad(format!("a row of `{}` has a column that is not known", table.name)));
    }
    let value = |(name, column): &(&str, Column)| {
        let Some(json) = row.get(*name) else { return Some(Value::Null) };
        Some(match column {
            Column::Int => Value::Int(json.as_i64()?),
            Column::Text => Value::Text(json.as_str()?.to_owned()),
            Column::Bytes => Value::Bytes(bytes(json.as_str()?)?),
            Column::Units => Value::Units(json.as_str()?.parse().ok()?),
        })
    };
    let values: Option<Vec<Value>> = table.columns.iter().map(value).collect();
    values.ok_or_else(|| bad(format!("a row of `{}` cannot be read", table.name)))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| hex_decode::<1>(pair).map(|[byte]| byte)).collect()
}
