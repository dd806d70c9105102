//! The broker's store on SQLite: each row by a prepared statement, all of it in one transaction.

use super::connection::Sqlite;
use crate::error::{Error, ErrorKind, Result};
use crate::rows;
use crate::sql::Sql;
use crate::value::{Value, damaged, number};
use imagxp_broker::{Changes, Head, Keys, Loaded, Store};

/// How many entries of the log are looked through rather than looked up, at most.
const POSTINGS: u64 = 4096;

impl Store for Sqlite {
    type Error = Error;

    fn is_conflict(error: &Error) -> bool {
        error.kind() == ErrorKind::Conflict
    }

    fn begin(&mut self) -> Result<()> {
        self.begin_write()
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded> {
        let mut loaded = Loaded { head: self.read_head()?, ..Loaded::default() };
        let account = format!("SELECT {} FROM account WHERE id = $1", rows::ACCOUNT);
        for id in &keys.accounts {
            if let Some(mut row) = self.first(&account, &[(*id).into()])? {
                loaded.accounts.insert(*id, rows::account(&mut row)?);
            }
        }
        let transfer = format!("SELECT {} FROM transfer WHERE id = $1", rows::TRANSFER);
        let resolution = format!("SELECT {} FROM transfer WHERE pending_id = $1", rows::TRANSFER);
        for id in &keys.transfers {
            if let Some(mut row) = self.first(&transfer, &[(*id).into()])? {
                loaded.transfers.insert(*id, rows::transfer(&mut row)?);
                if let Some(mut row) = self.first(&resolution, &[(*id).into()])? {
                    loaded.resolutions.insert(*id, rows::transfer(&mut row)?);
                }
            }
        }
        for jti in &keys.visas {
            if let Some(mut row) = self.first("SELECT row FROM visa WHERE jti = $1", &[(*jti).into()])? {
                loaded.visas.insert(*jti, rows::visa(&mut row)?);
            }
        }
        let idempotency = format!("SELECT {} FROM idempotency WHERE actor = $1 AND key = $2", rows::IDEMPOTENCY);
        for key in &keys.idempotency {
            let parameters = [key.actor.to_string().into(), key.key.as_str().into()];
            if let Some(mut row) = self.first(&idempotency, &parameters)? {
                loaded.idempotency.insert(key.clone(), rows::idempotency(&mut row)?);
            }
        }
        let once = format!("SELECT {} FROM once WHERE scope = $1 AND name = $2", rows::ONCE);
        for key in &keys.once {
            let parameters = [key.scope.as_str().into(), key.name.as_str().into()];
            if let Some(mut row) = self.first(&once, &parameters)? {
                loaded.once.insert(key.clone(), rows::once(&mut row)?);
            }
        }
        Ok(loaded)
    }

    fn write(&mut self, changes: &Changes) -> Result<()> {
        let written = self.write_all(changes).and_then(|()| self.commit());
        if written.is_err() {
            self.rollback();
        }
        written
    }

    fn abort(&mut self) {
        self.rollback();
    }
}

impl Sqlite {
    pub(crate) fn read_head(&mut self) -> Result<Head> {
        let row = self.first("SELECT size, nodes, last FROM head", &[])?;
        rows::head(&mut row.ok_or_else(|| damaged("the head of the log is missing"))?)
    }

    fn write_all(&mut self, changes: &Changes) -> Result<()> {
        let account = format!(
            "INSERT INTO account ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET debits_pending = excluded.debits_pending, \
             debits_posted = excluded.debits_posted, credits_pending = excluded.credits_pending, \
             credits_posted = excluded.credits_posted, frozen = excluded.frozen, closed = excluded.closed, \
             version = excluded.version",
            rows::ACCOUNT,
            places(13)
        );
        self.each(&account, changes.accounts.iter().map(|account| Ok(rows::account_values(account))))?;
        let transfer = format!("INSERT INTO transfer ({}) VALUES ({})", rows::TRANSFER, places(13));
        self.each(&transfer, changes.transfers.iter().map(|transfer| Ok(rows::transfer_values(transfer))))?;
        let visa = format!(
            "INSERT INTO visa ({}) VALUES ({}) ON CONFLICT (jti) DO UPDATE SET state = excluded.state, \
             due_at = excluded.due_at, version = excluded.version, row = excluded.row",
            rows::VISA,
            places(9)
        );
        self.each(&visa, changes.visas.iter().map(rows::visa_values))?;
        let event = format!("INSERT INTO event ({}) VALUES ({})", rows::EVENT, places(7));
        self.each(&event, changes.events.iter().map(|event| Ok(rows::event_values(event))))?;
        let leaf = |leaf: &imagxp_broker::Leaf| Ok(vec![number(leaf.seq), leaf.hash.as_slice().into()]);
        self.each("INSERT INTO leaf (seq, hash) VALUES ($1, $2)", changes.leaves.iter().map(leaf))?;
        // Only what has expired is replaced; what has not must still be there to be found.
        let idempotency = format!(
            "INSERT INTO idempotency AS old ({}) VALUES ({}) ON CONFLICT (actor, key) DO UPDATE SET \
             request = excluded.request, result = excluded.result, created_at = excluded.created_at, \
             expires_at = excluded.expires_at WHERE old.expires_at <= excluded.created_at",
            rows::IDEMPOTENCY,
            places(6)
        );
        self.each(&idempotency, changes.idempotency.iter().map(|record| Ok(rows::idempotency_values(record))))?;
        let once = format!(
            "INSERT INTO once AS old ({}) VALUES ({}) ON CONFLICT (scope, name) DO UPDATE SET transfer = excluded.transfer, \
             created_at = excluded.created_at, expires_at = excluded.expires_at WHERE old.expires_at <= excluded.created_at",
            rows::ONCE,
            places(5)
        );
        self.each(&once, changes.once.iter().map(|once| Ok(rows::once_values(once))))?;
        let head = &changes.head;
        self.each(
            "UPDATE head SET size = $1, nodes = $2, last = $3 WHERE size = $4",
            [Ok(vec![
                number(head.size),
                head.nodes_to_bytes().into(),
                head.last.as_slice().into(),
                number(changes.size_before),
            ])],
        )?;
        self.enter_postings(head.size)
    }

    /// Enters the transfers since the last time, when they are many.
    fn enter_postings(&mut self, size: u64) -> Result<()> {
        let until = match self.first("SELECT until FROM posted", &[])? {
            Some(mut row) => row.count()?,
            None => return Err(damaged("the table of postings has no state")),
        };
        if size.saturating_sub(until) < POSTINGS {
            return Ok(());
        }
        self.run(
            "INSERT INTO posting (account, seq) SELECT debit, seq FROM transfer WHERE seq >= $1 \
             UNION ALL SELECT credit, seq FROM transfer WHERE seq >= $1 ORDER BY 1, 2",
            &[number(until)],
        )?;
        self.run("UPDATE posted SET until = $1", &[number(size)]).map(drop)
    }

    /// Each row must be written.
    fn each(&mut self, sql: &str, rows: impl IntoIterator<Item = Result<Vec<Value>>>) -> Result<()> {
        for values in rows {
            if self.run(sql, &values?)? != 1 {
                return Err(Error::new(ErrorKind::Conflict, "a row is not as it was when it was read"));
            }
        }
        Ok(())
    }
}

fn places(count: usize) -> String {
    (1..=count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}
