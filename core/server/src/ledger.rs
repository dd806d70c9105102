//! The ledger of a configuration, for the service and for the commands that work beside it.

use crate::background;
use crate::config::{Config, invalid};
use crate::error::SetupError;
use crate::kept;
use imagxp_storage::{Address, Clock, Ledger, Migrate, Options, SslMode};
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

/// Opens a ledger that is there, to read it, also beside a service that runs. Its tables stay as they are: an older program may be at work on them.
/// Blocks. Errors: `storage.*` (`storage.schema` for an older one), `config.invalid`.
pub fn open(config: &Config) -> Result<Ledger, SetupError> {
    open_with(config, Migrate::Never, 0)
}

/// Opens a ledger that is there, to write to it, also beside a service that runs. Blocks.
///
/// Errors: as [`open`], and why nothing may be written to it (`ledger.broken`, `log.rewound`).
pub fn open_to_write(config: &Config) -> Result<Ledger, SetupError> {
    let ledger = open(config)?;
    judge_log(&ledger, &config.data)?;
    let Some(refusal) = ledger.refusal() else { return Ok(ledger) };
    ledger.close();
    Err(SetupError::new(refusal.code().as_str(), refusal.message().to_owned()))
}

/// Opens a ledger, whatever is to be done with it. A SQLite file must be there. Errors: as [`open`].
pub(crate) fn open_with(config: &Config, migrate: Migrate, now_ms: i64) -> Result<Ledger, SetupError> {
    let address = address(config)?;
    if let Address::Sqlite(file) = &address
        && !file.is_file()
    {
        let message = format!("there is no ledger `{}`", file.display());
        return Err(SetupError::new("storage.config", message));
    }
    let options = Options { rules: config.rules()?, clock: Clock::System, migrate, ..Options::default() };
    Ledger::open(&address, options, now_ms).map_err(storage)
}

/// Before anything is written: compares the balances with each other, and the log's length with the kept checkpoint. A ledger that does not hold
/// refuses writes from then on, not reads (BROKER §4). Blocks. Errors: `storage.*`, `io.failed`.
pub(crate) fn judge(ledger: &Ledger, data: &Path) -> Result<(), SetupError> {
    let report = ledger.audit_balances().map_err(storage)?;
    background::judge(ledger, &report, "balances");
    kept::judge(ledger, data)
}

/// The same, and whether the log contains the kept checkpoint, which the service finds out beside its work. Reads the log.
pub(crate) fn judge_log(ledger: &Ledger, data: &Path) -> Result<(), SetupError> {
    judge(ledger, data)?;
    if ledger.refusal().is_none() { kept::judge_entries(ledger, data) } else { Ok(()) }
}

/// An error of the store as one of setting up.
pub fn storage(error: imagxp_storage::Error) -> SetupError {
    SetupError::new(error.code(), error.message().to_owned())
}
