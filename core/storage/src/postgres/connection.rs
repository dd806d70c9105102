//! A connection to PostgreSQL: settings, statements kept prepared, errors.

use super::store::{blobs, texts};
use super::value;
use crate::migration::{Migrate, Migration, Tables};
use crate::rows;
use crate::sql::Sql;
use crate::subtrees;
use crate::value::{Row, Value};
use imagxp_broker::{AccountId, Head, Id, OnceKey};
use imagxp_database::{Error, ErrorKind, PostgresAddress, Result};
use postgres::config::TargetSessionAttrs;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Statement};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("0001.sql"), fill: None },
    Migration { version: 2, sql: include_str!("0002.sql"), fill: None },
    Migration { version: 3, sql: include_str!("0003.sql"), fill: None },
    Migration { version: 4, sql: include_str!("0004.sql"), fill: Some(subtrees::fill) },
    Migration { version: 5, sql: include_str!("0005.sql"), fill: None },
    Migration { version: 6, sql: include_str!("0006.sql"), fill: None },
];
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
    address: PostgresAddress,
    client: Client,
    settings: &'static str,
    statements: HashMap<String, Statement>,
    open: bool,
    /// Whether the connection is alive and cannot be written to.
    useless: bool,
    /// The head as it was locked when the transaction began.
    pub(super) head: Option<Head>,
}

impl Postgres {
    /// Connects for writing, and brings the tables up to date as far as it may.
    pub(crate) fn open(address: &PostgresAddress, migrate: Migrate, now_ms: i64) -> Result<Self> {
        let mut postgres = Self::connect(address, WRITER)?;
        postgres.migrate(MIGRATIONS, migrate, now_ms)?;
        Ok(postgres)
    }

    /// As a program opened it that knew so many migrations.
    #[cfg(test)]
    pub(crate) fn open_before(address: &PostgresAddress, migrations: usize) -> Result<Self> {
        let mut postgres = Self::connect(address, WRITER)?;
        postgres.migrate(&MIGRATIONS[..migrations], Migrate::Always, 0)?;
        Ok(postgres)
    }

    /// Connects for reading.
    pub(crate) fn reader(address: &PostgresAddress) -> Result<Self> {
        Self::connect(address, READER)
    }

    fn connect(address: &PostgresAddress, settings: &'static str) -> Result<Self> {
        let mut address = address.clone();
        let config = address.config_mut();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        // Readers too: a copy lags, and what it does not know yet (an operator who is gone, the end of the log) would count again.
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("imagxp");
        }
        address.probe_silence();
        let client = client(&address, settings)?;
        Ok(Self {
            address,
            client,
            settings,
            statements: HashMap::new(),
            open: false,
            useless: false,
            head: None,
        })
    }

    /// Connects anew when the connection was lost.
    pub(crate) fn revive(&mut self) -> Result<()> {
        if self.client.is_closed() || self.useless {
            self.useless = false;
            self.client = client(&self.address, self.settings)?;
            self.statements.clear();
            self.open = false;
        }
        Ok(())
    }

    fn migrate(&mut self, migrations: &[Migration], migrate: Migrate, now_ms: i64) -> Result<()> {
        let tables = Tables {
            migrations,
            exists: "SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'migration' AND relnamespace = current_schema()::regnamespace",
            lock: "SELECT pg_advisory_xact_lock(hashtextextended('imagxp ledger', 0))",
            create: "CREATE TABLE migration (version bigint PRIMARY KEY, checksum bytea NOT NULL, fingerprint text NOT NULL, \
                     applied_at bigint NOT NULL)",
            fingerprint: super::fingerprint::of,
        };
        tables.open(self, migrate, now_ms)
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
            .simple_query("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT size, encode(nodes, 'hex'), encode(last, 'hex'), last_at FROM head WHERE id = 1 FOR UPDATE")
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
            let number = |column: usize| {
                row.get(column).and_then(|number| number.parse().ok()).map_or(Value::Null, Value::Int)
            };
            rows::head(&mut Row::new(vec![
                number(0),
                Value::Bytes(bytes(1)),
                Value::Bytes(bytes(2)),
                number(3),
            ]))
        });
        match found {
            Ok(head) => {
                self.head = Some(head);
                Ok(())
            }
            Err(error) => {
                self.rollback();
                // A server that was demoted takes no writes any more: the next batch looks for the one that does.
                self.useless = error.kind() == ErrorKind::Unavailable;
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

    fn posted_of_account(&self) -> &'static [&'static str] {
        &[
            "SELECT coalesce(sum(amount), 0), 0::numeric FROM transfer WHERE debit = $1 AND seq >= $2 AND seq < $3 \
             AND phase IN ('single', 'post')",
            "SELECT 0::numeric, coalesce(sum(amount), 0) FROM transfer WHERE credit = $1 AND seq >= $2 AND seq < $3 \
             AND phase IN ('single', 'post')",
        ]
    }

    fn of_owner(&self) -> &'static [&'static str] {
        &[
            "SELECT COLUMNS FROM (SELECT id AS of_owner FROM account WHERE owner = $1) a CROSS JOIN LATERAL \
             (SELECT * FROM transfer WHERE debit = of_owner AND seq < $2 ORDER BY seq DESC LIMIT $3) t ORDER BY seq DESC LIMIT $3",
            "SELECT COLUMNS FROM (SELECT id AS of_owner FROM account WHERE owner = $1) a CROSS JOIN LATERAL \
             (SELECT * FROM transfer WHERE credit = of_owner AND seq < $2 ORDER BY seq DESC LIMIT $3) t ORDER BY seq DESC LIMIT $3",
        ]
    }

    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM account WHERE id = ANY ($1::bytea[])", rows::ACCOUNT);
        self.query(&sql, &[blobs(ids.iter().map(|id| id.to_bytes().to_vec()))])
    }

    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM leaf WHERE seq = ANY ($1::bigint[])", rows::LEAF);
        let numbers = numbers.iter().map(|seq| i64::try_from(*seq).ok()).collect();
        self.query(&sql, &[Value::Ints(numbers)])
    }

    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Row>> {
        let sql = format!("SELECT {} FROM visa WHERE jti = ANY ($1::bytea[])", rows::VISA);
        self.query(&sql, &[blobs(names.iter().map(|name| name.to_be_bytes().to_vec()))])
    }

    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Row>> {
        let sql = format!(
            "SELECT {} FROM once WHERE (scope, name) IN (SELECT s, n FROM unnest($1::text[], $2::text[]) AS t(s, n))",
            rows::ONCE
        );
        let scopes = texts(names.iter().map(|key| key.scope.as_str().to_owned()));
        self.query(&sql, &[scopes, texts(names.iter().map(|key| key.name.clone()))])
    }

    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<Row>> {
        let ids = blobs(ids.iter().map(|id| id.to_be_bytes().to_vec()));
        self.query("SELECT id, seq FROM transfer WHERE id = ANY ($1::bytea[])", &[ids])
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

fn client(address: &PostgresAddress, settings: &str) -> Result<Client> {
    let mut client = address.connect()?;
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
        Some(code) if ["XX001", "XX002"].contains(&code.code()) => {
            (ErrorKind::Damaged, "postgresql says that its files are damaged")
        }
        // Connections, resources, operators, the system, the server itself; and one that only reads since it was demoted.
        Some(code)
            if ["08", "53", "57", "58", "XX", "25006"].iter().any(|class| code.code().starts_with(class)) =>
        {
            (ErrorKind::Unavailable, "postgresql cannot take the request now")
        }
        Some(_) => (ErrorKind::Failed, "the database did not take a statement"),
        None if error.is_closed() => (ErrorKind::Unavailable, "the connection to postgresql was lost"),
        None => (ErrorKind::Unavailable, "postgresql does not answer as it should"),
    };
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use crate::ledger::{Address, Ledger, Options};
    use crate::support;
    use imagxp_broker::Reader as _;
    use postgres::{Client, NoTls};

    /// Of several servers, all are asked of the one that takes writes: a copy that lags knows operators who are gone, and half of the log.
    #[test]
    fn readers_go_where_writers_go() {
        let (Some(copy), Some(primary)) = (support::Postgres::shared(), support::Postgres::start()) else {
            return;
        };
        let run = |server: &support::Postgres, statement: &str| {
            Client::connect(&server.address("postgres"), NoTls).unwrap().batch_execute(statement).unwrap();
        };
        for server in [&*copy, &primary] {
            run(server, "CREATE DATABASE failed_over");
        }
        run(&copy, "ALTER DATABASE failed_over SET default_transaction_read_only = on");
        let folder = |server: &support::Postgres| server.socket().parent().unwrap().display().to_string();
        let hosts = format!("{},{}", folder(&copy), folder(&primary));
        let address =
            Address::parse(&format!("host={hosts} port=5432 user=postgres dbname=failed_over")).unwrap();
        let ledger = Ledger::open(&address, Options::default(), 0).unwrap();
        assert_eq!(ledger.read().unwrap().head().unwrap().size, 0);
        ledger.close();
    }
}
