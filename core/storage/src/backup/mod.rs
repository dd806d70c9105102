//! Backups: complete, taken while the ledger works, and checked when they are made and when they are restored.
//!
//! - [`Ledger::backup_file`](crate::Ledger::backup_file): a SQLite ledger as one SQLite file, by SQLite's online backup.
//! - [`Ledger::dump`](crate::Ledger::dump): any ledger as JSON Lines, which can be restored into either database ([`restore()`]). The README
//!   says what is in a line.

mod dump;
mod file;
mod lines;
mod restore;
pub(crate) mod table;

pub use file::restore_file;
pub use restore::{restore, verify};

use imagxp_broker::Head;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The log as it ends: with the root it says which ledger of which moment it is.
    pub head: Head,
    /// How many accounts.
    pub accounts: u64,
    /// How many transfers.
    pub transfers: u64,
    /// How many visas.
    pub visas: u64,
    /// How many events.
    pub events: u64,
}

impl From<&imagxp_broker::audit::Report> for Summary {
    fn from(report: &imagxp_broker::audit::Report) -> Self {
        Self {
            head: report.head.clone(),
            accounts: report.accounts,
            transfers: report.transfers,
            visas: report.visas,
            events: report.events,
        }
    }
}
