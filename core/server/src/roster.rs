//! Who operates the broker, in the ledger's log: whoever comes or goes is noted there, by whatever way (`operator.added`, `operator.removed`).
//!
//! What has been noted stands beside the ledger, so that each change is noted once; commands note it at once, and services what commands
//! could not, or somebody who wrote into the files.

use crate::error::SetupError;
use crate::ledger::storage;
use crate::operators::{Operator, Operators};
use imagxp::Timestamp;
use imagxp::digest::sha256;
use imagxp_broker::{Actor, NoteOperator, Owner, Reader as _, Reference, Refusal, Request};
use imagxp_storage::Ledger;
use std::collections::BTreeMap;

/// Where the database keeps whom the log knows.
const NOTED: &str = "operators.noted";

/// Name and role of an operator, by what no other has: a hash over the token's.
type Noted = BTreeMap<String, (String, String)>;

/// Notes who has come or gone since, and returns how many. An empty log stays empty: its first entry is the broker's time (BROKER §1), which
/// nobody is there to judge. Blocks.
///
/// Errors: `storage.*`, and the refusals of the ledger when it takes no writes.
pub(crate) fn note(ledger: &Ledger, operators: &Operators, now: Timestamp) -> Result<usize, SetupError> {
    let mut reading = ledger.read().map_err(storage)?;
    if reading.head().map_err(storage)?.size == 0 {
        return Ok(0);
    }
    let text = reading.registry().and_then(|mut registry| registry.shared(NOTED)).map_err(storage)?;
    drop(reading);
    let before: Noted = match text {
        Some(text) => serde_json::from_str(&text).map_err(|_| {
            SetupError::new("storage.damaged", "what is noted of the operators is unreadable")
        })?,
        None => Noted::new(),
    };
    let row = |operator: &Operator| {
        (Operators::stamp(operator), (operator.name.clone(), operator.role.as_str().to_owned()))
    };
    let after: Noted = operators.list().iter().map(row).collect();
    if before == after {
        return Ok(0);
    }
    let gone = before.iter().filter(|(stamp, _)| !after.contains_key(*stamp)).map(|row| (row, false));
    let come = after.iter().filter(|(stamp, _)| !before.contains_key(*stamp)).map(|row| (row, true));
    let mut count = 0_usize;
    for ((stamp, (name, role)), added) in gone.chain(come) {
        let refused =
            |refusal: Refusal| SetupError::new(refusal.code().as_str(), refusal.message().to_owned());
        let command = NoteOperator {
            name: Owner::parse(name).map_err(refused)?,
            role: added.then(|| Reference::parse(role)).transpose().map_err(refused)?,
        };
        // Two processes that notice it at once note it once.
        let what = if added { "added" } else { "removed" };
        let key = Reference::parse(&format!("operator-{what}-{stamp}")).map_err(refused)?;
        let request = Request::new(command, Actor::Clock, now.as_millis());
        ledger.submit_and_wait(request.with_idempotency(key, sha256(stamp.as_bytes()))).map_err(refused)?;
        count = count.saturating_add(1);
    }
    let text = serde_json::to_string(&after)
        .map_err(|error| SetupError::new("internal.failed", error.to_string()))?;
    ledger.register(move |registry| registry.share(NOTED, &text)).map_err(storage)?;
    Ok(count)
}
