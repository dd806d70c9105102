//! Who may act in a broker that was restored, and which keys count: what was ended since the backup was made counts again.

use crate::config::Config;
use crate::error::SetupError;
use crate::keys;
use crate::ledger::{self, storage};
use crate::operators::Operators;
use imagxp_storage::{Address, Ledger};

/// What a service that starts will find. Names only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The operators who may act.
    pub operators: Vec<String>,
    /// The `kid`s of the signing keys that were not dropped.
    pub keys: Vec<String>,
}

/// Reads them where they are: in the PostgreSQL that was restored, or in the data folder, from where they move into a database that has none.
/// Changes nothing. Blocks. Errors: `io.failed`, `operators.malformed`, `keys.malformed`, `storage.*`, `config.invalid`.
pub fn read(config: &Config) -> Result<Restored, SetupError> {
    let mut found = Restored::default();
    if matches!(ledger::address(config)?, Address::Postgres(_)) {
        let ledger = ledger::open(config)?;
        let rows = of_rows(&ledger);
        ledger.close();
        found = rows.map_err(storage)?;
    }
    if found.operators.is_empty() {
        let operators = Operators::open(&config.data)?;
        found.operators = operators.list().iter().map(|operator| operator.name.clone()).collect();
    }
    if found.keys.is_empty() {
        found.keys = keys::names_in_folder(&config.data)?;
    }
    Ok(found)
}

fn of_rows(ledger: &Ledger) -> imagxp_storage::Result<Restored> {
    let mut reading = ledger.read()?;
    let mut registry = reading.registry()?;
    let operators = registry.operators()?.into_iter().filter(|operator| operator.disabled_at.is_none());
    let operators = operators.map(|operator| operator.name).collect();
    let keys = registry.keys()?.into_iter().filter(|key| key.dropped_at.is_none());
    Ok(Restored { operators, keys: keys.map(|key| key.kid).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imagxp_storage::Options;
    use imagxp_storage::key::SigningKey;
    use imagxp_storage::operator::Operator;

    /// What was ended before the backup stays so, and is not told.
    #[test]
    fn a_database_has_those_who_were_not_ended() {
        let ledger = Ledger::open(&Address::Memory, Options::default(), 0).unwrap();
        let filled = ledger.register(|registry| {
            for name in ["ann", "bob"] {
                let (name, role) = (name.to_owned(), "admin".to_owned());
                registry.add_operator(&Operator { name, role, created_at: 0, disabled_at: None })?;
            }
            for (kid, dropped_at) in [("one", Some(5)), ("two", None)] {
                registry.put_key(&SigningKey {
                    kid: kid.to_owned(),
                    algorithm: "ES256".to_owned(),
                    public_jwk: "{}".to_owned(),
                    location: "sealed".to_owned(),
                    published_at: 0,
                    active_at: 0,
                    retired_at: None,
                    last_expiry: None,
                    sealed: dropped_at.is_none().then(|| "sealed".to_owned()),
                    dropped_at,
                    dropped_for: dropped_at.map(|_| "leaked".to_owned()),
                })?;
            }
            registry.disable_operator("ann", 5)
        });
        assert!(filled.unwrap());
        let found = Restored { operators: vec!["bob".to_owned()], keys: vec!["two".to_owned()] };
        assert_eq!(of_rows(&ledger).unwrap(), found);
        ledger.close();
    }
}
