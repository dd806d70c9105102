//! A connection to PostgreSQL: settings, statements kept prepared, errors.

use super::value;
use crate::error::{Error, ErrorKind, Result};
use crate::migration::{Migration, migrate};
use crate::sql::Sql;
use crate::value::{Row, Value};
use imagxp_broker::Head;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Statement};
use std::collections::HashMap;
use std::time::Duration;

const MIGRATIONS: &[Migration] = &[Migration { version: 1, sql: include_str!("0001.sql") }];
const CONNECT: Duration = Duration::from_secs(5);
/// A network that swallows packets is found out in this time.
const SILENCE: Duration = Duration::from_secs(10);

/// For the connection that writes: a process that hangs in a transaction must not hold up the others for long.
const WRITER: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = warning; SET jit = off";
const READER: &str = "SET default_transaction_read_only = on; SET statement_timeout = '60s'; \
     SET idle_in_transaction_session_timeout = '10min'; SET client_min_messages = warning; SET jit = off";

/// An open database.
pub(crate) struct Postgres {
    config: Config,
    client: Client,
    settings: &'static str,
    statements: HashMap<String, Statement>,
    open: bool,
    /// The head as it was locked when the transaction began.
    pub(super) head: Option<Head>,
}

impl Postgres {
    /// Connects for writing, and brings the tables up to date.
    pub(crate) fn open(config: &Config, now_ms: i64) -> Result<Self> {
        let mut postgres = Self::connect(config, WRITER)?;
        postgres.migrate(now_ms)?;
        Ok(postgres)
    }

    /// Connects for reading.
    pub(crate) fn reader(config: &Config) -> Result<Self> {
        Self::connect(config, READER)
    }

    fn connect(config: &Config, settings: &'static str) -> Result<Self> {
        let mut config = config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_application_name().is_none() {
            config.application_name("imagxp");
        }
        let client = client(&config, settings)?;
        Ok(Self { config, client, settings, statements: HashMap::new(), open: false, head: None })
    }

    /// Connects anew when the connection was lost.
    pub(crate) fn revive(&mut self) -> Result<()> {
        if self.client.is_closed() {
            self.client = client(&self.config, self.settings)?;
            self.statements.clear();
            self.open = false;
        }
        Ok(())
    }

    fn migrate(&mut self, now_ms: i64) -> Result<()> {
        migrate(
            self,
            MIGRATIONS,
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'migration' AND relnamespace = current_schema()::regnamespace",
            "SELECT pg_advisory_xact_lock(hashtextextended('imagxp ledger', 0))",
            "CREATE TABLE migration (version bigint PRIMARY KEY, checksum bytea NOT NULL, fingerprint text NOT NULL, \
             applied_at bigint NOT NULL)",
            |sql| {
                // Names and sources, nothing that another release of the server prints in another way.
                let row = sql.first(
                    "SELECT md5(string_agg(part, chr(10) ORDER BY part COLLATE \"C\")) FROM ( \
                       SELECT 'column ' || c.relname || '.' || a.attname || ' ' || t.typname || ' ' || a.attnotnull::text AS part \
                         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid \
                         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
                           AND c.relname IN ('head', 'account', 'transfer', 'visa', 'event', 'leaf', 'idempotency', 'once', 'operator', 'token', 'signing_key', 'lease') \
                       UNION ALL SELECT 'constraint ' || c.relname || ' ' || k.conname || ' ' || k.convalidated::text \
                         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
                         WHERE k.connamespace = current_schema()::regnamespace AND k.contype <> 'n' AND c.relname NOT LIKE '%\\_replay\\_%' \
                       UNION ALL SELECT 'trigger ' || c.relname || ' ' || t.tgname || ' ' || t.tgenabled::text || ' ' || t.tgtype::text \
                         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
                         WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal \
                       UNION ALL SELECT 'function ' || p.proname || ' ' || md5(p.prosrc) \
                         FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace \
                           AND p.proname IN ('ledger_never', 'head_grows', 'account_changes', 'transfer_resolves', 'visa_changes') \
                     ) parts",
                    &[],
                )?;
                row.map_or_else(|| Ok(String::new()), |mut row| Ok(row.optional_text()?.unwrap_or_default()))
            },
            now_ms,
        )
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(failed)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Begins a transaction and locks the head: from here on all that is read stays as it is, since whoever writes locks it first.
    pub(super) fn begin_locked(&mut self) -> Result<()> {
        self.revive()?;
        self.open = true;
        self.head = None;
        let messages = self
            .client
            .simple_query("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT size, encode(nodes, 'hex'), encode(last, 'hex') FROM head FOR UPDATE")
            .map_err(failed);
        let found = messages.and_then(|messages| {
            let row = messages.into_iter().find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = row.ok_or_else(|| Error::new(ErrorKind::Damaged, "the head of the log is missing"))?;
            let bytes = |column: usize| {
                let text = row.get(column).unwrap_or_default();
                (0..text.len())
                    .step_by(2)
                    .map_while(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
                    .collect()
            };
            let size = row.get(0).and_then(|size| size.parse().ok()).map_or(Value::Null, Value::Int);
            crate::rows::head(&mut Row::new(vec![size, Value::Bytes(bytes(1)), Value::Bytes(bytes(2))]))
        });
        match found {
            Ok(head) => {
                self.head = Some(head);
                Ok(())
            }
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }
}

impl Sql for Postgres {
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>> {
        let statement = self.prepare(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as _).collect();
        self.client.query(&statement, &parameters).map_err(failed)?.iter().map(value::row).collect()
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        let statement = self.prepare(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as _).collect();
        self.client.execute(&statement, &parameters).map_err(failed)
    }

    fn insert(&mut self, table: &str, columns: &str, types: &[&str], rows: Vec<Vec<Value>>) -> Result<()> {
        self.insert_rows((table, columns, types), "", rows)
    }

    fn script(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).map_err(failed)
    }

    fn begin_read(&mut self) -> Result<()> {
        self.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        self.open = true;
        Ok(())
    }

    fn begin_write(&mut self) -> Result<()> {
        self.script("BEGIN ISOLATION LEVEL READ COMMITTED")?;
        self.open = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.open = false;
        self.script("COMMIT")
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.open) && !self.client.is_closed() {
            let _ = self.client.batch_execute("ROLLBACK");
        }
    }

    fn in_transaction(&self) -> bool {
        self.open
    }

    fn clock(&mut self, _: i64) -> Result<i64> {
        let row = self.first("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[])?;
        row.map_or_else(|| Err(Error::new(ErrorKind::Failed, "the server has no time")), |mut row| row.int())
    }

    fn of_account(&self) -> &'static [&'static str] {
        &[
            "SELECT COLUMNS FROM transfer WHERE debit = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
            "SELECT COLUMNS FROM transfer WHERE credit = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
        ]
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

fn client(config: &Config, settings: &str) -> Result<Client> {
    let mut client = config.connect(NoTls).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "postgresql cannot be reached").with_source(error)
    })?;
    client.batch_execute(settings).map_err(failed)?;
    Ok(client)
}

pub(super) fn failed(error: postgres::Error) -> Error {
    let (kind, message) = match error.code() {
        Some(code)
            if [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::LOCK_NOT_AVAILABLE,
            ]
            .contains(code) =>
        {
            (ErrorKind::Conflict, "another transaction was in the way")
        }
        // Connections, resources, operators: 08, 53, 57.
        Some(code) if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) => {
            (ErrorKind::Unavailable, "postgresql cannot take the request now")
        }
        Some(_) => (ErrorKind::Failed, "the database did not take a statement"),
        None if error.is_closed() => (ErrorKind::Unavailable, "the connection to postgresql was lost"),
        None => (ErrorKind::Unavailable, "postgresql does not answer as it should"),
    };
    Error::new(kind, message).with_source(error)
}
