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
use imagxp_storage::{Error, ErrorKind, Ledger, Registry};
use std::collections::BTreeMap;

/// Where the database keeps whom the log knows.
const NOTED: &str = "operators.noted";

/// Name and role of an operator, by what no other has: a hash over the token's.
type Noted = BTreeMap<String, (String, String)>;

/// Notes who has come or gone since, and returns how many. An empty log stays empty: its first entry is the broker's time (BROKER §1), which
/// nobody is there to judge. Blocks.
///
/// `operators` reads them, after what has been noted was read: who has come and been noted in between is among them, so that nobody is ever
/// taken for gone because a list is old. Each is noted once, whichever of the processes that notice it is first.
///
/// Errors: `storage.*`, those of `operators`, and the refusals of the ledger when it takes no writes.
pub(crate) fn note(
    ledger: &Ledger,
    operators: impl FnOnce() -> Result<Operators, SetupError>,
    now: Timestamp,
) -> Result<usize, SetupError> {
    let mut reading = ledger.read().map_err(storage)?;
    if reading.head().map_err(storage)?.size == 0 {
        return Ok(0);
    }
    let before = noted(&mut reading.registry().map_err(storage)?).map_err(storage)?;
    drop(reading);
    let row = |operator: &Operator| {
        (Operators::stamp(operator), (operator.name.clone(), operator.role.as_str().to_owned()))
    };
    let after: Noted = operators()?.list().iter().map(row).collect();
    let missing = |from: &Noted, in_: &Noted| -> Noted {
        from.iter()
            .filter(|(stamp, _)| !in_.contains_key(*stamp))
            .map(|(s, row)| (s.clone(), row.clone()))
            .collect()
    };
    let (gone, come) = (missing(&before, &after), missing(&after, &before));
    if gone.is_empty() && come.is_empty() {
        return Ok(0);
    }
    let changes = gone.iter().map(|row| (row, false)).chain(come.iter().map(|row| (row, true)));
    for ((stamp, (name, role)), added) in changes {
        let refused =
            |refusal: Refusal| SetupError::new(refusal.code().as_str(), refusal.message().to_owned());
        let command = NoteOperator {
            name: Owner::parse(name).map_err(refused)?,
            role: added.then(|| Reference::parse(role)).transpose().map_err(refused)?,
        };
        let what = if added { "added" } else { "removed" };
        let key = Reference::parse(&format!("operator-{what}-{stamp}")).map_err(refused)?;
        let request = Request::new(command, Actor::Clock, now.as_millis());
        ledger.submit_and_wait(request.with_idempotency(key, sha256(stamp.as_bytes()))).map_err(refused)?;
    }
    let count = gone.len().saturating_add(come.len());
    // What others have noted meanwhile stays noted.
    let share = move |registry: &mut Registry<'_>| {
        let mut noted = noted(registry)?;
        noted.retain(|stamp, _| !gone.contains_key(stamp));
        noted.extend(come);
        let text = serde_json::to_string(&noted).map_err(|_| damaged())?;
        registry.share(NOTED, &text)
    };
    ledger.register(share).map_err(storage)?;
    Ok(count)
}

/// Whom the log knows. Error: the database's, `storage.damaged`.
fn noted(registry: &mut Registry<'_>) -> imagxp_storage::Result<Noted> {
    match registry.shared(NOTED)? {
        Some(text) => serde_json::from_str(&text).map_err(|_| damaged()),
        None => Ok(Noted::new()),
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Damaged, "what is noted of the operators is unreadable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Role;
    use imagxp_broker::{Amount, Asset, Deposit, Entry, EventKind};
    use imagxp_storage::{Address, Options};
    use std::path::Path;

    /// A ledger whose log has begun, and a data folder.
    fn place() -> (Ledger, tempfile::TempDir, Timestamp) {
        let now = Timestamp::from_secs(1_800_000_000);
        let ledger = Ledger::open(&Address::Memory, Options::default(), now.as_millis()).unwrap();
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: Owner::parse("agent.example").unwrap(),
            amount: Amount::from_units(1),
            reference: Reference::parse("bank-1").unwrap(),
            memo: None,
        };
        let bank = Actor::Operator(Owner::parse("bank").unwrap());
        ledger.submit_and_wait(Request::new(deposit, bank, now.as_millis())).unwrap();
        (ledger, tempfile::tempdir().unwrap(), now)
    }

    fn read(data: &Path) -> impl Fn() -> Result<Operators, SetupError> {
        move || Operators::open(data)
    }

    fn log(ledger: &Ledger) -> Vec<(EventKind, String)> {
        let entries = ledger.read().unwrap().entries(0, 100).unwrap();
        let name = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["operator"].as_str().unwrap().to_owned()
        };
        let events = entries.into_iter().filter_map(|(entry, _)| match entry {
            Entry::Event(event) => Some((event.kind, name(&event.body))),
            Entry::Transfer(_) => None,
        });
        events.collect()
    }

    fn row(kind: EventKind, name: &str) -> (EventKind, String) {
        (kind, name.to_owned())
    }

    #[test]
    fn who_comes_while_another_process_notes_is_not_taken_for_gone() {
        use EventKind::OperatorAdded;
        let (ledger, data, now) = place();
        let data = data.path();
        // Between the two reads of one process another one adds somebody and notes it.
        let slow = || {
            Operators::add(data, "ann", Role::Admin, now)?;
            assert_eq!(note(&ledger, read(data), now)?, 1);
            Operators::open(data)
        };
        note(&ledger, slow, now).unwrap();
        assert_eq!(log(&ledger), [row(OperatorAdded, "ann")]);
        assert_eq!(note(&ledger, read(data), now).unwrap(), 0);
        ledger.close();
    }

    #[test]
    fn what_another_process_has_noted_meanwhile_stays_noted() {
        use EventKind::{OperatorAdded, OperatorRemoved};
        let (ledger, data, now) = place();
        let data = data.path();
        Operators::add(data, "ann", Role::Admin, now).unwrap();
        // One process has read the list; before it notes, another one adds somebody and notes both.
        let slow = || {
            let list = Operators::open(data)?;
            Operators::add(data, "bob", Role::Viewer, now)?;
            assert_eq!(note(&ledger, read(data), now)?, 2);
            Ok(list)
        };
        note(&ledger, slow, now).unwrap();
        Operators::remove(data, "bob").unwrap();
        note(&ledger, read(data), now).unwrap();
        let mut log = log(&ledger);
        assert_eq!(log.pop(), Some(row(OperatorRemoved, "bob")), "that he is gone is noted");
        log.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(log, [row(OperatorAdded, "ann"), row(OperatorAdded, "bob")]);
        assert_eq!(note(&ledger, read(data), now).unwrap(), 0);
        ledger.close();
    }
}
