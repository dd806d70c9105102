//! What both databases can do: the statements that are written once are written on this.

use crate::value::{Row, Value};
use imagxp_broker::{AccountId, Id, OnceKey};
use imagxp_database::{Error, Result};
use std::collections::BTreeSet;

/// A connection. Statements have parameters `$1`, `$2`, …, each named for the first time in this order.
pub(crate) trait Sql {
    /// The rows of a statement, which is kept prepared.
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>>;

    /// Runs a statement, which is kept prepared. Returns how many rows it changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64>;

    /// Inserts rows; `types` are PostgreSQL's names of the columns' types.
    fn insert(&mut self, table: &str, columns: &str, types: &[&str], rows: Vec<Vec<Value>>) -> Result<()>;

    /// Runs statements without parameters, which are not kept.
    fn script(&mut self, sql: &str) -> Result<()>;

    /// Begins a transaction in which all reads see one state.
    fn begin_read(&mut self) -> Result<()>;

    /// Begins a transaction that writes. With SQLite no other writer overlaps with it.
    fn begin_write(&mut self) -> Result<()>;

    /// Ends the transaction, durably.
    fn commit(&mut self) -> Result<()>;

    /// Ends the transaction as if nothing had been.
    fn rollback(&mut self);

    /// Whether a transaction is open.
    fn in_transaction(&self) -> bool;

    /// The time by the clock that all processes share: the server's with PostgreSQL, else the one that is given.
    fn clock(&mut self, given_ms: i64) -> Result<i64>;

    /// Statements that together find an account's newest transfers: `$1` account, `$2` numbers below, `$3` how many; `COLUMNS` stands for the
    /// columns. One transfer is found by one of them only.
    fn of_account(&self) -> &'static [&'static str];

    /// Statements that together add up what was posted to an account by some entries of the log: `$1` account, `$2` the first number, `$3` the
    /// one after the last. Each has one row: debits, credits.
    fn posted_of_account(&self) -> &'static [&'static str];

    /// Statements that together find an owner's newest transfers, of however many accounts: `$1` owner, `$2` numbers below, `$3` how many;
    /// `COLUMNS` stands for the columns. One transfer may be found by several of them.
    fn of_owner(&self) -> &'static [&'static str];

    /// The rows of these accounts, [`crate::rows::ACCOUNT`].
    fn accounts_named(&mut self, ids: &BTreeSet<AccountId>) -> Result<Vec<Row>>;

    /// The leaves with these numbers, [`crate::rows::LEAF`].
    fn leaves_named(&mut self, numbers: &BTreeSet<u64>) -> Result<Vec<Row>>;

    /// The rows of these visas, [`crate::rows::VISA`].
    fn visas_named(&mut self, names: &BTreeSet<Id>) -> Result<Vec<Row>>;

    /// The rows of these names, [`crate::rows::ONCE`].
    fn once_named(&mut self, names: &BTreeSet<OnceKey>) -> Result<Vec<Row>>;

    /// Id and number of the transfers with these ids.
    fn transfers_named(&mut self, ids: &BTreeSet<Id>) -> Result<Vec<Row>>;

    /// Whether the connection has ended and nothing more can be asked of it.
    fn is_closed(&self) -> bool;

    /// Ends a transaction of the store: durably, or as if nothing had been when something could not be written.
    fn end_write(&mut self, written: Result<()>) -> Result<()> {
        let ended = written.and_then(|()| self.commit().map_err(Error::of_commit));
        if ended.is_err() {
            self.rollback();
        }
        ended
    }

    /// The first row.
    fn first(&mut self, sql: &str, parameters: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }
}

/// Runs in a transaction that writes, and commits it unless the work failed.
pub(crate) fn writing<T>(sql: &mut dyn Sql, work: impl FnOnce(&mut dyn Sql) -> Result<T>) -> Result<T> {
    sql.begin_write()?;
    finish(sql, work)
}

/// Runs in a transaction in which all reads see one state: the one that is open, when one is.
pub(crate) fn reading<T>(sql: &mut dyn Sql, work: impl FnOnce(&mut dyn Sql) -> Result<T>) -> Result<T> {
    if sql.in_transaction() {
        return work(sql);
    }
    sql.begin_read()?;
    finish(sql, work)
}

fn finish<T>(sql: &mut dyn Sql, work: impl FnOnce(&mut dyn Sql) -> Result<T>) -> Result<T> {
    match work(sql).and_then(|value| sql.commit().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => {
            sql.rollback();
            Err(error)
        }
    }
}
