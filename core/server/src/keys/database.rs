//! Signing keys in the database of several servers: the private halves sealed under a passphrase that each server has in a file.

use super::plan::{Dropped, Entry, Plan, Step};
use super::{KEEP_S, KeyRing, generate};
use crate::error::SetupError;
use crate::ledger::storage;
use imagxp::Timestamp;
use imagxp::crypto::{PrivateKey, Thumbprint};
use imagxp::json::object_to_canonical;
use imagxp_files::key_file::{self, Passphrase};
use imagxp_storage::key::SigningKey;
use imagxp_storage::{Ledger, Registry};
use std::sync::Arc;

/// The ring of these rows. Opening a key takes its time, so what `known` has open is taken over.
pub(super) fn open(
    rows: &[SigningKey],
    passphrase: &Passphrase,
    known: Option<&KeyRing>,
) -> Result<KeyRing, SetupError> {
    if rows.is_empty() {
        return Err(SetupError::new("keys.missing", super::plan::MISSING));
    }
    KeyRing::new(plan(rows)?, |kid| {
        if let Some(key) = known.and_then(|known| known.private(kid)) {
            return Ok(key);
        }
        let row = rows.iter().find(|row| row.kid == kid.as_str());
        let sealed = row.and_then(|row| row.sealed.as_deref()).unwrap_or_default();
        let locked = "a signing key of the database does not open: this server has another passphrase";
        let opened = key_file::open(sealed.as_bytes(), passphrase);
        opened.map(Arc::new).map_err(|error| SetupError::new(error.code(), locked))
    })
}

/// Does a step, alone over all servers. Returns which key signs from when.
pub(super) fn step(
    ledger: &Ledger,
    passphrase: &Passphrase,
    step: Step,
    now: Timestamp,
) -> Result<(Thumbprint, Timestamp), SetupError> {
    // Sealing takes its time: before the transaction, whether or not a new key is needed.
    let spare = generate()?;
    let before = ledger.read().and_then(|mut reading| reading.registry()?.keys());
    check(&before.map_err(storage)?, passphrase, &step, spare.public_key().thumbprint(), now)?;
    let sealed = key_file::seal(&spare, passphrase)?.as_str().to_owned();
    let stepped = ledger.register(move |registry| {
        let before = registry.keys()?;
        let kid = *spare.public_key().thumbprint();
        let stepped = plan(&before).and_then(|mut plan| Ok((plan.step(&step, kid, now)?, plan)));
        let (turn, plan) = match stepped {
            Ok(stepped) => stepped,
            Err(refused) => return Ok(Err(refused)),
        };
        for row in
            before.iter().filter(|row| !plan.entries().iter().any(|entry| entry.kid.as_str() == row.kid))
        {
            registry.forget_key(&row.kid)?;
        }
        for entry in plan.entries() {
            let row = match before.iter().find(|row| row.kid == entry.kid.as_str()) {
                Some(row) => row.clone(),
                None => row(&spare, sealed.clone(), now),
            };
            registry.put_key(&timed(row, entry, plan.end(&entry.kid)))?;
        }
        Ok(Ok(turn))
    });
    stepped.map_err(storage)?
}

/// Refuses a passphrase that does not open what stays beside the new key. What the step itself refuses is refused here already.
fn check(
    rows: &[SigningKey],
    passphrase: &Passphrase,
    step: &Step,
    spare: &Thumbprint,
    now: Timestamp,
) -> Result<(), SetupError> {
    let mut plan = plan(rows)?;
    plan.step(step, *spare, now)?;
    for kid in plan.beside(spare) {
        let row = rows.iter().find(|row| row.kid == kid.as_str());
        let sealed = row.and_then(|row| row.sealed.as_deref()).unwrap_or_default();
        key_file::open(sealed.as_bytes(), passphrase)
            .map_err(|error| SetupError::new(error.code(), super::plan::SEALED))?;
    }
    Ok(())
}

/// Puts keys that were in a data folder where nobody has put any yet.
pub(super) fn import(
    registry: &mut Registry<'_>,
    plan: &Plan,
    sealed: Vec<(Arc<PrivateKey>, String)>,
    now: Timestamp,
) -> imagxp_storage::Result<()> {
    for (key, sealed) in sealed {
        if let Some(entry) = plan.entries().iter().find(|entry| entry.kid == *key.public_key().thumbprint()) {
            registry.put_key(&timed(row(&key, sealed, now), entry, plan.end(&entry.kid)))?;
        }
    }
    Ok(())
}

fn row(key: &PrivateKey, sealed: String, now: Timestamp) -> SigningKey {
    let public = key.public_key();
    SigningKey {
        kid: public.thumbprint().as_str().to_owned(),
        algorithm: "ES256".to_owned(),
        public_jwk: String::from_utf8_lossy(&object_to_canonical(&public.to_jwk())).into_owned(),
        location: "sealed".to_owned(),
        published_at: now.as_millis(),
        active_at: now.as_millis(),
        retired_at: None,
        last_expiry: None,
        sealed: Some(sealed),
        dropped_at: None,
        dropped_for: None,
    }
}

fn timed(row: SigningKey, entry: &Entry, end: Option<Timestamp>) -> SigningKey {
    SigningKey {
        active_at: entry.use_from.as_millis(),
        retired_at: end.map(Timestamp::as_millis),
        last_expiry: end.map(|end| end.saturating_add_secs(KEEP_S).as_millis()),
        sealed: row.sealed.filter(|_| entry.dropped.is_none()),
        dropped_at: entry.dropped.as_ref().map(|dropped| dropped.at.as_millis()),
        dropped_for: entry.dropped.as_ref().map(|dropped| dropped.reason.clone()),
        ..row
    }
}

fn plan(rows: &[SigningKey]) -> Result<Plan, SetupError> {
    let entry = |row: &SigningKey| {
        let malformed = || SetupError::new("keys.malformed", "a kid of the database is no thumbprint");
        let dropped = row.dropped_at.map(|at| Dropped {
            at: Timestamp::from_millis(at),
            reason: row.dropped_for.clone().unwrap_or_default(),
        });
        let kid = Thumbprint::parse(&row.kid).ok_or_else(malformed)?;
        Ok(Entry { kid, use_from: Timestamp::from_millis(row.active_at), dropped })
    };
    Plan::new(rows.iter().map(entry).collect::<Result<_, SetupError>>()?)
}
