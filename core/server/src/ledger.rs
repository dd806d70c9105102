//! The ledger of a configuration, for the service and for the commands that work beside it.

use crate::config::Config;
use crate::error::SetupError;
use imagxp_storage::{Address, Ledger, Options};

/// Where the ledger is: `database.url`, or a SQLite file in the data folder. Error: `storage.config`.
pub fn address(config: &Config) -> Result<Address, SetupError> {
    match config.database.url.as_str() {
        "" => Ok(Address::Sqlite(config.data.join("ledger.db"))),
        url => Address::parse(url).map_err(storage),
    }
}

/// Opens a ledger that is there, also beside a service that runs. Blocks. Errors: `storage.*`, `config.invalid`.
pub fn open(config: &Config, now_ms: i64) -> Result<Ledger, SetupError> {
    let address = address(config)?;
    if let Address::Sqlite(file) = &address
        && !file.is_file()
    {
        let message = format!("there is no ledger `{}`", file.display());
        return Err(SetupError::new("storage.config", message));
    }
    let options = Options { rules: config.rules()?, ..Options::default() };
    Ledger::open(&address, options, now_ms).map_err(storage)
}

/// An error of the store as one of setting up.
pub fn storage(error: imagxp_storage::Error) -> SetupError {
    SetupError::new(error.code(), error.message().to_owned())
}
