//! The broker's store on PostgreSQL: each kind of row by one statement, with an array for each column.

use super::connection::Postgres;
use crate::rows;
use crate::sql::Sql;
use crate::value::{Value, damaged, number};
use imagxp_broker::{Changes, Keys, Loaded, Store};
use imagxp_database::{Error, ErrorKind, Result};

const ACCOUNT: &[&str] = &[
    "bytea", "text", "text", "text", "text", "numeric", "numeric", "numeric", "numeric", "bigint", "bigint",
    "bigint", "bigint",
];
const TRANSFER: &[&str] = &[
    "bigint", "bytea", "text", "text", "text", "bytea", "bytea", "bytea", "numeric", "text", "text", "text",
    "bigint",
];
const VISA: &[&str] = &["bytea", "text", "text", "text", "numeric", "text", "bigint", "bigint", "text"];
const EVENT: &[&str] = &["bigint", "text", "bytea", "bytea", "text", "bigint", "text"];
const IDEMPOTENCY: &[&str] = &["text", "text", "bytea", "text", "bigint", "bigint"];
const ONCE: &[&str] = &["text", "text", "bytea", "bigint", "bigint"];
const LEAF: &[&str] = &["bigint", "bytea", "bytea"];

impl Store for Postgres {
    type Error = Error;

    fn is_conflict(error: &Error) -> bool {
        error.kind() == ErrorKind::Conflict
    }

    fn begin(&mut self) -> Result<()> {
        match self.begin_locked() {
            // The server was restarted meanwhile; nothing was asked of it yet.
            Err(error) if error.kind() == ErrorKind::Unavailable && self.is_closed() => self.begin_locked(),
            result => result,
        }
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded> {
        let head = self.head.clone().ok_or_else(|| damaged("no transaction was begun"))?;
        let mut loaded = Loaded { head, ..Loaded::default() };
        if !keys.accounts.is_empty() {
            let sql = format!("SELECT {} FROM account WHERE id = ANY ($1::bytea[])", rows::ACCOUNT);
            for mut row in
                self.query(&sql, &[blobs(keys.accounts.iter().map(|id| id.to_bytes().to_vec()))])?
            {
                let account = rows::account(&mut row)?;
                loaded.accounts.insert(account.id, account);
            }
        }
        if !keys.transfers.is_empty() {
            let ids = blobs(keys.transfers.iter().map(|id| id.to_be_bytes().to_vec()));
            let sql = format!(
                "SELECT {0} FROM transfer WHERE id = ANY ($1::bytea[]) UNION ALL SELECT {0} FROM transfer WHERE pending_id = ANY ($1::bytea[])",
                rows::TRANSFER
            );
            for mut row in self.query(&sql, &[ids])? {
                let transfer = rows::transfer(&mut row)?;
                match transfer.pending_id {
                    Some(pending) if keys.transfers.contains(&pending) => {
                        loaded.resolutions.insert(pending, transfer.clone());
                    }
                    _ => {}
                }
                if keys.transfers.contains(&transfer.id) {
                    loaded.transfers.insert(transfer.id, transfer);
                }
            }
        }
        if !keys.idempotency.is_empty() {
            let sql = format!(
                "SELECT {} FROM idempotency WHERE (actor, key) IN (SELECT a, k FROM unnest($1::text[], $2::text[]) AS t(a, k))",
                rows::IDEMPOTENCY
            );
            let actors = texts(keys.idempotency.iter().map(|key| key.actor.to_string()));
            let names = texts(keys.idempotency.iter().map(|key| key.key.as_str().to_owned()));
            for mut row in self.query(&sql, &[actors, names])? {
                let record = rows::idempotency(&mut row)?;
                loaded.idempotency.insert(record.key.clone(), record);
            }
        }
        rows::load_named(self, keys, &mut loaded)?;
        Ok(loaded)
    }

    fn write(&mut self, changes: &Changes) -> Result<()> {
        let written = self.write_all(changes);
        self.end_write(written)
    }

    fn abort(&mut self) {
        self.rollback();
    }
}

impl Postgres {
    fn write_all(&mut self, changes: &Changes) -> Result<()> {
        self.insert_rows(
            ("leaf", rows::LEAF, LEAF),
            "",
            changes.leaves.iter().map(rows::leaf_values).collect(),
        )?;
        // A new account begins with nothing; its balance, as any, changes when the transfers are there.
        let opened = changes.accounts.iter().filter(|row| changes.opened.contains(&row.id));
        self.insert_rows(
            ("account", rows::ACCOUNT, ACCOUNT),
            "",
            opened.map(|row| rows::account_values(&rows::emptied(row))).collect(),
        )?;
        self.insert_rows(
            ("transfer", rows::TRANSFER, TRANSFER),
            "",
            changes.transfers.iter().map(rows::transfer_values).collect(),
        )?;
        self.insert_rows(
            ("account", rows::ACCOUNT, ACCOUNT),
            "ON CONFLICT (id) DO UPDATE SET debits_pending = excluded.debits_pending, debits_posted = excluded.debits_posted, \
             credits_pending = excluded.credits_pending, credits_posted = excluded.credits_posted, frozen = excluded.frozen, \
             closed = excluded.closed, version = excluded.version",
            changes.accounts.iter().map(rows::account_values).collect(),
        )?;
        self.insert_rows(
            ("visa", rows::VISA, VISA),
            "ON CONFLICT (jti) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, version = excluded.version, \
             row = excluded.row",
            changes.visas.iter().map(rows::visa_values).collect::<Result<_>>()?,
        )?;
        self.insert_rows(
            ("event", rows::EVENT, EVENT),
            "",
            changes.events.iter().map(rows::event_values).collect(),
        )?;
        // Only what has expired is replaced; what has not must still be there to be found.
        self.insert_rows(
            ("idempotency", rows::IDEMPOTENCY, IDEMPOTENCY),
            "ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, result = excluded.result, \
             created_at = excluded.created_at, expires_at = excluded.expires_at WHERE idempotency.expires_at <= excluded.created_at",
            changes.idempotency.iter().map(rows::idempotency_values).collect(),
        )?;
        self.insert_rows(
            ("once", rows::ONCE, ONCE),
            "ON CONFLICT (scope, name) DO UPDATE SET transfer = excluded.transfer, created_at = excluded.created_at, \
             expires_at = excluded.expires_at WHERE once.expires_at <= excluded.created_at",
            changes.once.iter().map(rows::once_values).collect(),
        )?;
        let head = &changes.head;
        let changed = self.execute(
            "UPDATE head SET size = $1, nodes = $2, last = $3, last_at = $4 WHERE id = 1 AND size = $5",
            &[
                number(head.size),
                head.nodes_to_bytes().into(),
                head.last.as_slice().into(),
                head.last_at.into(),
                number(changes.size_before),
            ],
        )?;
        all_written(changed, 1)
    }

    /// Writes rows of one table; each must be written.
    pub(super) fn insert_rows(
        &mut self,
        (table, columns, types): (&str, &str, &[&str]),
        conflict: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let arrays =
            (1..).zip(types).map(|(place, ty)| format!("${place}::{ty}[]")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {conflict}");
        let changed = self.execute(&sql, &turn(types, rows)?)?;
        all_written(changed, count)
    }
}

/// Rows to columns.
fn turn(types: &[&str], rows: Vec<Vec<Value>>) -> Result<Vec<Value>> {
    let mut columns: Vec<Value> = types
        .iter()
        .map(|ty| match *ty {
            "bytea" => Value::Blobs(Vec::with_capacity(rows.len())),
            "numeric" => Value::Numbers(Vec::with_capacity(rows.len())),
            "bigint" => Value::Ints(Vec::with_capacity(rows.len())),
            _ => Value::Texts(Vec::with_capacity(rows.len())),
        })
        .collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            match (column, value) {
                (Value::Blobs(column), Value::Bytes(value)) => column.push(Some(value)),
                (Value::Blobs(column), Value::Null) => column.push(None),
                (Value::Texts(column), Value::Text(value)) => column.push(Some(value)),
                (Value::Texts(column), Value::Null) => column.push(None),
                (Value::Ints(column), Value::Int(value)) => column.push(Some(value)),
                (Value::Ints(column), Value::Null) => column.push(None),
                (Value::Numbers(column), Value::Units(value)) => column.push(value),
                _ => return Err(damaged("a row has another shape than its table")),
            }
        }
    }
    Ok(columns)
}

fn all_written(changed: u64, expected: usize) -> Result<()> {
    if usize::try_from(changed) == Ok(expected) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, "a row is not as it was when it was read"))
}

pub(super) fn blobs(values: impl Iterator<Item = Vec<u8>>) -> Value {
    Value::Blobs(values.map(Some).collect())
}

pub(super) fn texts(values: impl Iterator<Item = String>) -> Value {
    Value::Texts(values.map(Some).collect())
}
