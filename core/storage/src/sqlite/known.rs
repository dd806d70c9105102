//! Accounts as this connection has written or read them last: what a batch need not read again.

use imagxp_broker::{Account, AccountId};
use std::collections::HashMap;

/// How many are kept at most; then it begins anew.
const MOST: usize = 16_384;

/// Rows of accounts, which are true as long as nobody else has written to the file.
///
/// Looked at inside of a transaction that writes only: nobody can write then. Whoever has written before has changed the file's
/// `data_version`, and what this connection itself writes is either an account of a batch, which is entered here when it is durable, or makes it
/// begin anew ([`Known::forget`]).
#[derive(Debug, Default)]
pub(super) struct Known {
    version: i64,
    accounts: HashMap<AccountId, Account>,
}

impl Known {
    /// What is known in a file of this version.
    pub(super) fn at(&mut self, version: i64) {
        if version != self.version {
            self.forget();
            self.version = version;
        }
    }

    pub(super) fn get(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.get(id)
    }

    pub(super) fn put<'a>(&mut self, accounts: impl Iterator<Item = &'a Account>) {
        for account in accounts {
            if self.accounts.len() >= MOST {
                self.forget();
            }
            self.accounts.insert(account.id, account.clone());
        }
    }

    pub(super) fn forget(&mut self) {
        self.accounts.clear();
    }
}
