//! The store on PostgreSQL: one function call for all that waits, and expired rows deleted in small steps between.

use crate::front::{Ask, BEFORE_MS, Backend, Insertion, MAX_FORGOTTEN, Options, Reply};
use crate::kept::Kept;
use crate::shared::Shared;
use ::postgres::{Client, Statement};
use imagxp_database::{Error, ErrorKind, PostgresAddress, Result};
use std::time::{Duration, Instant};

const SCHEMA: &str = include_str!("postgres.sql");
const VERSION: i32 = 1;
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// How many rows are deleted between two batches.
const STEP: i64 = 1000;

pub(super) struct PostgresBackend {
    server: Server,
    max_entries: i64,
    max_per_agent: i64,
    open: Kept<Open>,
}

/// Where the tables are, and what they are called.
struct Server {
    address: PostgresAddress,
    limit: Duration,
    name: String,
}

struct Open {
    client: Client,
    look: Statement,
    insert: Statement,
    tidy: Statement,
    forgotten: Statement,
    total: Statement,
    tidied: Instant,
}

impl PostgresBackend {
    pub(super) fn new(mut address: PostgresAddress, options: &Options) -> Self {
        let config = address.config_mut();
        config.connect_timeout(options.time_limit).tcp_user_timeout(options.time_limit);
        config.application_name("imagxp-replay");
        address.probe_silence();
        let server = Server { address, limit: options.time_limit, name: options.name.clone() };
        Self {
            server,
            max_entries: options.max_entries.into(),
            max_per_agent: options.max_per_agent.into(),
            open: Kept::new(),
        }
    }

    fn connection(&mut self) -> Result<&mut Open> {
        let server = &self.server;
        let alive = |open: &mut Open, stale: bool| {
            !open.client.is_closed() && (!stale || open.client.is_valid(server.limit).is_ok())
        };
        self.open.get(alive, || server.connect())
    }
}

impl Server {
    fn connect(&self) -> Result<Open> {
        let client = self.address.connect()?;
        self.prepare(client).map_err(unavailable)?
    }

    fn prepare(&self, mut client: Client) -> Result<Result<Open>, ::postgres::Error> {
        let milliseconds = self.limit.as_millis();
        client.batch_execute(&format!(
            "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; SET synchronous_commit = on"
        ))?;
        if let Some(error) = self.install(&mut client)? {
            return Ok(Err(error));
        }
        let name = &self.name;
        let open = Open {
            look: client.prepare(&format!("SELECT key FROM {name}_replay_entry WHERE key = ANY ($1)"))?,
            insert: client.prepare(&format!("SELECT {name}_replay_insert($1, $2, $3, $4, $5, $6, $7)"))?,
            tidy: client.prepare(&format!("SELECT {name}_replay_tidy($1, $2, $3)"))?,
            forgotten: client
                .prepare(&format!("SELECT from_at, to_at FROM {name}_replay_forgotten ORDER BY from_at"))?,
            total: client.prepare(&format!(
                "SELECT coalesce(sum(held), 0)::bigint FROM {name}_replay_share JOIN {name}_replay_bucket USING (bucket)"
            ))?,
            tidied: Instant::now(),
            client,
        };
        Ok(Ok(open))
    }

    /// Makes the tables and functions when they are not there. `Some` when those that are there are of a newer program.
    fn install(&self, client: &mut Client) -> Result<Option<Error>, ::postgres::Error> {
        let name = &self.name;
        let mut transaction = client.transaction()?;
        // Not to_regclass: it would answer from what this connection saw before it waited for the lock.
        let exists = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = '{name}_replay_version' AND pg_table_is_visible(oid))"
        );
        if !transaction.query_one(&exists, &[])?.get::<_, bool>(0) {
            transaction.execute(
                &format!("SELECT pg_advisory_xact_lock(hashtextextended('{name}_replay', 0))"),
                &[],
            )?;
            if !transaction.query_one(&exists, &[])?.get::<_, bool>(0) {
                transaction.batch_execute(&SCHEMA.replace("NAME", name))?;
            }
        }
        let version: i32 = transaction
            .query_one(&format!("SELECT max(version) FROM {name}_replay_version"), &[])?
            .try_get(0)?;
        transaction.commit()?;
        Ok((version != VERSION).then(|| {
            Error::new(
                ErrorKind::Schema,
                format!(
                    "the tables `{name}_replay_…` are of version {version}; this program knows {VERSION}"
                ),
            )
        }))
    }
}

impl Backend for PostgresBackend {
    fn answer(&mut self, asks: &[Ask], shared: &Shared) -> Result<Vec<Reply>> {
        let (max_entries, max_per_agent) = (self.max_entries, self.max_per_agent);
        let open = self.connection()?;
        let result =
            open.maintain(max_entries, false, shared).and_then(|()| open.answer(asks, max_per_agent, shared));
        self.open.unless_failed(result).map_err(unavailable)
    }

    fn tend(&mut self, shared: &Shared) -> Result<()> {
        let max_entries = self.max_entries;
        let result = self.connection()?.maintain(max_entries, true, shared);
        self.open.unless_failed(result).map_err(unavailable)
    }
}

impl Open {
    fn answer(
        &mut self,
        asks: &[Ask],
        max_per_agent: i64,
        shared: &Shared,
    ) -> Result<Vec<Reply>, ::postgres::Error> {
        let looked: Vec<&[u8]> =
            asks.iter().filter(|ask| ask.insert.is_none()).map(|ask| ask.key.as_slice()).collect();
        let mut found: Vec<Vec<u8>> = Vec::new();
        if !looked.is_empty() {
            found = self.client.query(&self.look, &[&looked])?.iter().map(|row| row.get(0)).collect();
        }
        let inserted: Vec<(&Ask, &Insertion)> =
            asks.iter().filter_map(|ask| Some((ask, ask.insert.as_ref()?))).collect();
        let mut answers: Vec<i16> = Vec::new();
        if !inserted.is_empty() {
            let keys: Vec<&[u8]> = inserted.iter().map(|(ask, _)| ask.key.as_slice()).collect();
            let agents: Vec<&[u8]> = inserted.iter().map(|(_, new)| new.agent.as_slice()).collect();
            let ends: Vec<i64> = inserted.iter().map(|(_, new)| new.expires_at).collect();
            let buckets: Vec<i64> = inserted.iter().map(|(_, new)| new.bucket).collect();
            let kept: Vec<i64> = inserted.iter().map(|(_, new)| new.kept_ms).collect();
            let row = self.client.query_one(
                &self.insert,
                &[&keys, &agents, &ends, &buckets, &kept, &shared.room(), &max_per_agent],
            )?;
            answers = row.try_get(0)?;
            let fresh = answers.iter().filter(|answer| **answer == 1).count();
            shared.take_room(i64::try_from(fresh).unwrap_or(i64::MAX));
        }
        let mut answers = answers.into_iter();
        Ok(asks
            .iter()
            .map(|ask| match ask.insert {
                None if found.iter().any(|key| *key == ask.key) => Reply::Seen,
                None => Reply::Absent,
                Some(_) => match answers.next() {
                    Some(1) => Reply::Fresh,
                    Some(2) => Reply::Seen,
                    Some(3) => Reply::Full,
                    Some(4) => Reply::Forgotten,
                    _ => Reply::Error,
                },
            })
            .collect())
    }

    /// Tidies up a little, counts, and learns what was forgotten: at most once a second, and at once when the count is not known.
    fn maintain(&mut self, max_entries: i64, idle: bool, shared: &Shared) -> Result<(), ::postgres::Error> {
        let known = shared.room() >= 0;
        if known && !idle && self.tidied.elapsed() < TIDY_EVERY {
            return Ok(());
        }
        self.tidied = Instant::now();
        let before = BEFORE_MS;
        let spans = i64::try_from(MAX_FORGOTTEN).unwrap_or(i64::MAX);
        let deadline = Instant::now() + Duration::from_millis(100);
        loop {
            let gone: i64 = self.client.query_one(&self.tidy, &[&STEP, &before, &spans])?.try_get(0)?;
            // With requests waiting, one step at a time.
            if gone < STEP || !idle || Instant::now() > deadline {
                break;
            }
        }
        let rows = self.client.query(&self.forgotten, &[])?;
        shared.learn(rows.iter().map(|row| (row.get(0), row.get(1))).collect());
        let total: i64 = self.client.query_one(&self.total, &[])?.try_get(0)?;
        shared.set_room(max_entries.saturating_sub(total).max(0));
        Ok(())
    }
}

fn unavailable(error: ::postgres::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "postgresql does not answer as it should").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_vanishes_is_found_out() {
        let address = PostgresAddress::parse("host=db sslmode=require", None, None).unwrap();
        let mut probing = address.clone();
        probing.probe_silence();
        let backend = PostgresBackend::new(address, &Options::default());
        let (ours, probes) = (backend.server.address.config(), probing.config());
        assert!(ours.get_keepalives());
        assert_eq!(ours.get_keepalives_idle(), probes.get_keepalives_idle());
        assert_eq!(ours.get_keepalives_interval(), probes.get_keepalives_interval());
    }
}
