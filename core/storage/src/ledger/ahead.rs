//! Deciding ahead of the disk: while one batch is written, the next is decided on what that one will have changed. SQLite only, where nobody
//! else writes meanwhile, and whoever has written in between is found out before anything of it is written.

use super::backend::Writer;
use crate::sql::Sql;
use crate::sqlite::Sqlite;
use imagxp_broker::{Account, AccountId, Changes, Done, Head, Ids, Keys, Loaded, Request, Rules, decide};
use imagxp_database::Result;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many accounts are kept at most; then it begins anew.
const MOST: usize = 16_384;

/// The rows as they will be when everything that was decided is written.
pub(super) struct Ahead {
    /// Sees what is durable.
    reader: Sqlite,
    /// The head of the log; absent when nothing is known.
    head: Option<Head>,
    /// Accounts that were looked for, also those that are not there.
    accounts: HashMap<AccountId, Option<Account>>,
}

impl Ahead {
    pub(super) fn new(reader: Sqlite) -> Self {
        Self { reader, head: None, accounts: HashMap::new() }
    }

    /// The connection that reads.
    pub(super) fn sql(&mut self) -> &mut dyn Sql {
        &mut self.reader
    }

    /// Whether it has to begin: nothing is known of the rows.
    pub(super) const fn is_new(&self) -> bool {
        self.head.is_none()
    }

    /// Begins with what is durable; nothing may be decided that is not. Error: the database's.
    pub(super) fn begin(&mut self, writer: &mut Writer) -> Result<()> {
        // First: what others write from here on is found out.
        writer.note_version()?;
        self.head = Some(self.reader.read_head()?);
        Ok(())
    }

    /// What was decided is not so, or somebody else has written: nothing is known.
    pub(super) fn forget(&mut self) {
        self.head = None;
        self.accounts.clear();
    }

    /// Decides on top of these changes, which are or will be written in this order. Error: the database's.
    pub(super) fn decide(
        &mut self,
        before: &[Arc<Changes>],
        rules: &Rules,
        requests: &[Request],
        ids: &mut dyn Ids,
    ) -> Result<Done> {
        let done = decide(|keys| self.load(keys, before), rules, requests, ids)?;
        for account in &done.changes.accounts {
            self.accounts.insert(account.id, Some(account.clone()));
        }
        self.head = Some(done.changes.head.clone());
        Ok(done)
    }

    fn load(&mut self, keys: &Keys, before: &[Arc<Changes>]) -> Result<Loaded> {
        if self.accounts.len() > MOST {
            self.accounts.clear();
        }
        let mut loaded = Loaded::default();
        let mut unknown = Keys { accounts: BTreeSet::new(), ..keys.clone() };
        for id in &keys.accounts {
            match self.accounts.get(id) {
                Some(account) => loaded.accounts.extend(account.clone().map(|account| (*id, account))),
                None => drop(unknown.accounts.insert(*id)),
            }
        }
        if !unknown.is_empty() {
            // What becomes durable in between is in `before` as well: whenever a row is read, afterwards it is as it will be.
            self.reader.load_rows(&unknown, &mut loaded)?;
            for changes in before {
                changes.lay_over(&unknown, &mut loaded);
            }
            for id in &unknown.accounts {
                self.accounts.insert(*id, loaded.accounts.get(id).cloned());
            }
        }
        loaded.head = self.head.clone().unwrap_or_default();
        Ok(loaded)
    }
}
