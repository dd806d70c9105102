//! The broker's store on SQLite: each row by a prepared statement, all of it in one transaction.

use super::connection::{Sqlite, failed};
use crate::rows;
use crate::sql::Sql;
use crate::value::{damaged, number};
use imagxp_broker::{
    Account, AccountId, Changes, Head, Id, Keys, Loaded, Memo, Owner, Reference, Store, Visa,
};
use imagxp_database::{Error, ErrorKind, Result};
use rusqlite::{CachedStatement, params};

// OR ROLLBACK: what breaks a rule ends the whole transaction, as it does here in any case; so SQLite need not keep what each statement
// changes to take it back alone.
const OPEN_ACCOUNT: &str = "INSERT OR ROLLBACK INTO account (id, asset, kind, owner, reference, debits_pending, debits_posted, \
    credits_pending, credits_posted, frozen, closed, created_at, version) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const WRITE_ACCOUNT: &str = "UPDATE OR ROLLBACK account SET debits_pending = ?2, debits_posted = ?3, credits_pending = ?4, \
    credits_posted = ?5, frozen = ?6, closed = ?7, version = ?8 WHERE id = ?1";
const WRITE_TRANSFER: &str = "INSERT OR ROLLBACK INTO transfer (seq, id, asset, code, phase, pending_id, debit, credit, amount, reference, \
    memo, actor, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const ISSUE_VISA: &str = "INSERT OR ROLLBACK INTO visa (jti, agent, publisher, asset, amount, state, due_at, version, row) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const WRITE_VISA: &str =
    "UPDATE OR ROLLBACK visa SET state = ?2, due_at = ?3, version = ?4, row = ?5 WHERE jti = ?1";
const WRITE_EVENT: &str = "INSERT OR ROLLBACK INTO event (seq, kind, jti, account, actor, created_at, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const WRITE_LEAF: &str = "INSERT OR ROLLBACK INTO leaf (seq, hash, subtrees) VALUES (?1, ?2, ?3)";
// Only what has expired is replaced; what has not must still be there to be found.
const WRITE_IDEMPOTENCY: &str = "INSERT INTO idempotency AS old (actor, key, request, result, created_at, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, \
    result = excluded.result, created_at = excluded.created_at, expires_at = excluded.expires_at \
    WHERE old.expires_at <= excluded.created_at";
const WRITE_ONCE: &str = "INSERT INTO once AS old (scope, name, transfer, created_at, expires_at) \
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (scope, name) DO UPDATE SET transfer = excluded.transfer, \
    created_at = excluded.created_at, expires_at = excluded.expires_at WHERE old.expires_at <= excluded.created_at";
const WRITE_HEAD: &str =
    "UPDATE head SET size = ?1, nodes = ?2, last = ?3, last_at = ?4 WHERE id = 1 AND size = ?5";

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
        self.load_rows(keys, &mut loaded)?;
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

impl Sqlite {
    /// From here on [`Sqlite::write_ahead`] finds out who else has written.
    pub(crate) fn note_version(&mut self) -> Result<()> {
        self.version = self.pragma("data_version")?;
        Ok(())
    }

    /// Writes what was decided before it was this connection's turn. Error: `storage.conflict` when anybody else has written since
    /// [`Sqlite::note_version`]; those of [`Store::write`].
    pub(crate) fn write_ahead(&mut self, changes: &Changes) -> Result<()> {
        self.begin()?;
        let version = self.pragma("data_version");
        match version {
            Ok(version) if version == self.version && !changes.is_empty() => self.write(changes),
            other => {
                self.abort();
                if other? == self.version {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::Conflict, "another process has written to the database"))
            }
        }
    }

    /// Adds the rows that are named and there.
    pub(crate) fn load_rows(&mut self, keys: &Keys, loaded: &mut Loaded) -> Result<()> {
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
        let idempotency =
            format!("SELECT {} FROM idempotency WHERE actor = $1 AND key = $2", rows::IDEMPOTENCY);
        for key in &keys.idempotency {
            let parameters = [key.actor.to_string().into(), key.key.as_str().into()];
            if let Some(mut row) = self.first(&idempotency, &parameters)? {
                loaded.idempotency.insert(key.clone(), rows::idempotency(&mut row)?);
            }
        }
        rows::load_named(self, keys, loaded)
    }

    pub(crate) fn read_head(&mut self) -> Result<Head> {
        let row = self.first("SELECT size, nodes, last, last_at FROM head", &[])?;
        rows::head(&mut row.ok_or_else(|| damaged("the head of the log is missing"))?)
    }

    fn write_all(&mut self, changes: &Changes) -> Result<()> {
        // Bound without a copy of anything: this is what a transfer costs.
        self.each(WRITE_LEAF, &changes.leaves, |write, row| {
            write.execute(params![signed(row.seq), row.hash, row.subtrees.as_flattened()])
        })?;
        // A new account begins with nothing; its balance, as any, changes when the transfers are there.
        let opened: Vec<Account> = changes
            .accounts
            .iter()
            .filter(|row| changes.opened.contains(&row.id))
            .map(rows::emptied)
            .collect();
        self.each(OPEN_ACCOUNT, &opened, |write, row| {
            write.execute(params![
                row.id.to_bytes(),
                row.asset.as_str(),
                row.kind.as_str(),
                row.owner.as_ref().map(Owner::as_str),
                row.reference.as_ref().map(Reference::as_str),
                row.debits_pending.to_be_bytes(),
                row.debits_posted.to_be_bytes(),
                row.credits_pending.to_be_bytes(),
                row.credits_posted.to_be_bytes(),
                row.frozen,
                row.closed,
                row.created_at,
                signed(row.version),
            ])
        })?;
        self.each(WRITE_TRANSFER, &changes.transfers, |write, row| {
            write.execute(params![
                signed(row.seq),
                row.id.to_be_bytes(),
                row.asset.as_str(),
                row.code.as_str(),
                row.phase.as_str(),
                row.pending_id.map(Id::to_be_bytes),
                row.debit.to_bytes(),
                row.credit.to_bytes(),
                row.amount.to_be_bytes(),
                row.reference.as_ref().map(Reference::as_str),
                row.memo.as_ref().map(Memo::as_str),
                row.actor.to_string(),
                row.created_at,
            ])
        })?;
        self.each(WRITE_EVENT, &changes.events, |write, row| {
            write.execute(params![
                signed(row.seq),
                row.kind.as_str(),
                row.jti.map(Id::to_be_bytes),
                row.account.map(AccountId::to_bytes),
                row.actor.to_string(),
                row.created_at,
                row.body,
            ])
        })?;
        self.each(WRITE_ACCOUNT, &changes.accounts, |write, row| {
            write.execute(params![
                row.id.to_bytes(),
                row.debits_pending.to_be_bytes(),
                row.debits_posted.to_be_bytes(),
                row.credits_pending.to_be_bytes(),
                row.credits_posted.to_be_bytes(),
                row.frozen,
                row.closed,
                signed(row.version),
            ])
        })?;
        let json = |visa: &Visa| visa.to_json().map_err(|_| damaged("a visa cannot be written"));
        let (mut issued, mut changed) = (Vec::new(), Vec::new());
        for visa in &changes.visas {
            let of = if changes.issued.contains(&visa.jti) { &mut issued } else { &mut changed };
            of.push((visa, json(visa)?));
        }
        self.each(ISSUE_VISA, &issued, |write, (row, json)| {
            write.execute(params![
                row.jti.to_be_bytes(),
                row.agent.as_str(),
                row.publisher.as_str(),
                row.asset.as_str(),
                row.amount.to_be_bytes(),
                row.state.as_str(),
                row.due_at,
                signed(row.version),
                json,
            ])
        })?;
        self.each(WRITE_VISA, &changed, |write, (row, json)| {
            let (jti, version) = (row.jti.to_be_bytes(), signed(row.version));
            write.execute(params![jti, row.state.as_str(), row.due_at, version, json])
        })?;
        self.each(WRITE_IDEMPOTENCY, &changes.idempotency, |write, row| {
            write.execute(params![
                row.key.actor.to_string(),
                row.key.key.as_str(),
                row.request_sha256,
                row.result,
                row.created_at,
                row.expires_at,
            ])
        })?;
        self.each(WRITE_ONCE, &changes.once, |write, row| {
            write.execute(params![
                row.key.scope.as_str(),
                row.key.name,
                row.transfer.map(Id::to_be_bytes),
                row.created_at,
                row.expires_at,
            ])
        })?;
        let head = &changes.head;
        self.each(WRITE_HEAD, &[head], |write, head| {
            let (size, before) = (signed(head.size), signed(changes.size_before));
            write.execute(params![size, head.nodes_to_bytes(), head.last, head.last_at, before])
        })?;
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
            "INSERT OR ROLLBACK INTO posting (account, seq) SELECT debit, seq FROM transfer WHERE seq >= $1 \
             UNION ALL SELECT credit, seq FROM transfer WHERE seq >= $1 ORDER BY 1, 2",
            &[number(until)],
        )?;
        self.run("UPDATE posted SET until = $1", &[number(size)]).map(drop)
    }

    /// Each row must be written.
    fn each<T>(
        &mut self,
        sql: &str,
        rows: &[T],
        mut write: impl FnMut(&mut CachedStatement<'_>, &T) -> rusqlite::Result<usize>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut statement = self.connection().prepare_cached(sql).map_err(failed)?;
        for row in rows {
            if write(&mut statement, row).map_err(failed)? != 1 {
                return Err(Error::new(ErrorKind::Conflict, "a row is not as it was when it was read"));
            }
        }
        Ok(())
    }
}

/// SQLite's numbers are signed; ours never come near the difference.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
