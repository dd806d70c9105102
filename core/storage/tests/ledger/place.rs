//! Where a ledger is: in memory, in a file, on a server.

use crate::NOW;
use crate::support::Postgres;
use imagxp_storage::{Address, Ledger, Options};
use std::sync::Arc;
use tempfile::TempDir;

/// A place for a ledger, which lives as long as this.
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) durable: bool,
    _folder: TempDir,
    _server: Option<Arc<Postgres>>,
}

impl Place {
    pub(crate) fn open(&self) -> Ledger {
        let report =
            |error: &imagxp_storage::Error| eprintln!("{error} {:?}", std::error::Error::source(error));
        Ledger::open(&self.address, Options { report: Some(Arc::new(report)), ..Options::default() }, NOW)
            .unwrap()
    }
}

/// Runs a test on each database.
pub(crate) fn everywhere(test: impl Fn(&Place)) {
    let folder = || TempDir::new().unwrap();
    test(&Place { address: Address::Memory, durable: false, _folder: folder(), _server: None });
    let temporary = folder();
    let address = Address::Sqlite(temporary.path().join("ledger.db"));
    test(&Place { address, durable: true, _folder: temporary, _server: None });
    if let Some(server) = Postgres::shared() {
        let address = Address::parse(&server.database()).unwrap();
        test(&Place { address, durable: true, _folder: folder(), _server: Some(server) });
    }
}
