//! The ledger of a configuration, for the service and for the commands that work beside it.

use crate::config::{Config, invalid};
use crate::error::SetupError;
use imagxp_storage::{Address, Clock, Ledger, Options, SslMode};
use std::path::Path;

/// Where the ledger is: `database.url`, or a SQLite file in the data folder. Errors: `storage.config`, `config.invalid`.
pub fn address(config: &Config) -> Result<Address, SetupError> {
    let database = &config.database;
    let mode = match database.sslmode.as_str() {
        "" => None,
        name => Some(SslMode::parse(name).map_err(storage)?),
    };
    let authorities = given(&database.ca_file);
    match database.url.as_str() {
        "" if mode.is_none() && authorities.is_none() => Ok(Address::Sqlite(config.data.join("ledger.db"))),
        "" => Err(invalid("database", "has options of TLS, and no `database.url` of PostgreSQL")),
        url => Address::parse_with(url, mode, authorities).map_err(storage),
    }
}

/// A path that is set.
pub(crate) fn given(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
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
    let options = Options { rules: config.rules()?, clock: Clock::System, ..Options::default() };
    Ledger::open(&address, options, now_ms).map_err(storage)
}

/// An error of the store as one of setting up.
pub fn storage(error: imagxp_storage::Error) -> SetupError {
    SetupError::new(error.code(), error.message().to_owned())
}
