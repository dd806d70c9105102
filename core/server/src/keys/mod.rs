//! The broker's signing keys: one signs, the others are published before it and after it (BROKER §3).
//!
//! Everything follows from when each key may first sign. A key is published when it is made and signs [`NOTICE_S`] later, so that no
//! publisher meets a `kid` that its copy of the key set lacks; when the next one signs, it stays published until the last token that it
//! signed has expired.

mod database;
mod folder;
mod passphrase;
mod plan;

pub(crate) use folder::index_file;
pub(crate) use passphrase::Secret;
pub(crate) use plan::Step;

use crate::error::SetupError;
use crate::ledger::storage;
use imagxp::crypto::{Algorithm, HotKeys, Jws, PrivateKey, PublicKey, Signer, Thumbprint};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::{Result, Timestamp};
use imagxp_storage::key::SigningKey;
use imagxp_storage::{Ledger, Registry};
use plan::Plan;
use std::path::Path;
use std::sync::Arc;

/// How long a key is published before it signs, in seconds: as long as a key set may be cached (PROTOCOL §8).
pub(crate) const NOTICE_S: i64 = 24 * 3600;

/// How long a key stays published after it has signed for the last time, in seconds: the longest life of what it signs (12 hours, an
/// operator's session), and the leeway of those who check.
pub(crate) const KEEP_S: i64 = 12 * 3600 + 65;

/// One key.
#[derive(Clone)]
struct Key {
    key: Arc<PrivateKey>,
    use_from: Timestamp,
    /// From when on another one signs.
    end: Option<Timestamp>,
}

/// The keys, oldest first.
#[derive(Clone)]
pub(crate) struct KeyRing {
    keys: Vec<Key>,
    dropped: Vec<Thumbprint>,
}

impl KeyRing {
    /// The ring of a plan, each key from where it is. Errors: that of `load`, `keys.malformed`.
    fn new(
        plan: Plan,
        mut load: impl FnMut(&Thumbprint) -> Result<Arc<PrivateKey>, SetupError>,
    ) -> Result<Self, SetupError> {
        let mut keys = Vec::new();
        for (entry, end) in plan.turns().filter(|(entry, _)| entry.dropped.is_none()) {
            let key = load(&entry.kid)?;
            if *key.public_key().thumbprint() != entry.kid || key.public_key().algorithm() != Algorithm::Es256
            {
                return Err(SetupError::new("keys.malformed", "a key is another one than its name says"));
            }
            keys.push(Key { key, use_from: entry.use_from, end });
        }
        Ok(Self { keys, dropped: plan.dropped().collect() })
    }

    /// Reads the keys of a data folder. Errors: `keys.missing` (make them first), `io.failed`, `key_file.locked`, `keys.malformed`.
    pub(crate) fn in_folder(data: &Path, secret: &Secret) -> Result<Self, SetupError> {
        folder::open(data, secret.given()?.as_ref())
    }

    /// The keys of a database's rows; `known` was read before. Errors: as there.
    pub(crate) fn in_database(
        rows: &[SigningKey],
        secret: &Secret,
        known: Option<&Self>,
    ) -> Result<Self, SetupError> {
        database::open(rows, &secret.of_database()?, known)
    }

    /// This ring when a folder's keys cannot be read anew: without those that were dropped since.
    pub(crate) fn kept_in_folder(&self, data: &Path) -> Self {
        self.less(folder::read(data).ok().flatten().iter().flat_map(Plan::dropped))
    }

    /// The same of a database's rows.
    pub(crate) fn kept_in_database(&self, rows: &[SigningKey]) -> Self {
        let dropped = rows.iter().filter(|row| row.dropped_at.is_some());
        self.less(dropped.filter_map(|row| Thumbprint::parse(&row.kid)))
    }

    fn less(&self, dropped: impl Iterator<Item = Thumbprint>) -> Self {
        let dropped: Vec<_> = dropped.chain(self.dropped.iter().copied()).collect();
        let counts = |key: &&Key| !dropped.contains(key.key.public_key().thumbprint());
        Self { keys: self.keys.iter().filter(counts).cloned().collect(), dropped }
    }

    /// The key that signs now: the newest whose time has come.
    pub(crate) fn signer(&self, now: Timestamp) -> Option<Arc<PrivateKey>> {
        let signs = |key: &&Key| key.end.is_none_or(|end| end > now);
        let due = self.keys.iter().rev().find(|key| key.use_from <= now && signs(key));
        // A clock that went back must not stop the broker: the oldest key is known to everyone.
        due.or(self.keys.iter().find(signs)).map(|key| Arc::clone(&key.key))
    }

    /// The keys that others may meet now.
    pub(crate) fn published(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| key.end.is_none_or(|end| now <= end.saturating_add_secs(KEEP_S)))
            .map(|key| key.key.public_key())
    }

    /// The published key with this `kid`.
    pub(crate) fn find(&self, kid: &str, now: Timestamp) -> Option<&PublicKey> {
        self.published(now).find(|key| key.thumbprint().as_str() == kid)
    }

    /// Whether the published key that a token names has signed it. One that has signed twice gets a table: it is asked about with every request.
    pub(crate) fn has_signed(&self, jws: &Jws<'_>, hot: &HotKeys, now: Timestamp) -> bool {
        let named = jws.kid().and_then(|kid| self.find(kid, now));
        let Some(key) = named.filter(|key| jws.verify_hot(hot, key)) else { return false };
        hot.credit(key);
        true
    }

    /// Whether the key with this `kid` was dropped: nothing that it signed counts.
    pub(crate) fn has_dropped(&self, kid: &str) -> bool {
        self.dropped.iter().any(|dropped| dropped.as_str() == kid)
    }

    fn private(&self, kid: &Thumbprint) -> Option<Arc<PrivateKey>> {
        self.keys.iter().find(|key| key.key.public_key().thumbprint() == kid).map(|key| Arc::clone(&key.key))
    }

    /// The key set (RFC 7517) as RFC 8785 JSON.
    pub(crate) fn jwks(&self, now: Timestamp) -> Vec<u8> {
        let keys = self.published(now).map(|key| {
            let mut jwk = key.to_jwk();
            jwk.insert("kid", key.thumbprint().as_str().to_owned());
            jwk.insert("use", "sig");
            jwk.insert("alg", "ES256");
            Value::Object(jwk)
        });
        let mut set = Object::new();
        set.insert("keys", keys.collect::<Vec<_>>());
        object_to_canonical(&set)
    }
}

/// A key ring signs through whichever key is due.
pub(crate) struct Due(pub(crate) Arc<PrivateKey>);

impl Signer for Due {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<imagxp::crypto::Signature> {
        Ok(self.0.sign(message))
    }
}

impl core::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kids = self.keys.iter().map(|key| key.key.public_key().thumbprint().as_str());
        f.debug_list().entries(kids).finish()
    }
}

/// Does a step in a data folder. Returns which key signs from when.
///
/// Errors: `keys.exist`, `keys.missing`, `rotation.order` (a key waits already), `usage.argument`, `io.failed`.
pub(crate) fn step_in_folder(
    data: &Path,
    secret: &Secret,
    step: &Step,
    now: Timestamp,
) -> Result<(Thumbprint, Timestamp), SetupError> {
    folder::step(data, secret.given()?.as_ref(), step, now)
}

/// Does a step in a database, alone over all servers. Errors: as there, and `storage.*`.
pub(crate) fn step_in_database(
    ledger: &Ledger,
    secret: &Secret,
    step: Step,
    now: Timestamp,
) -> Result<(Thumbprint, Timestamp), SetupError> {
    let none = ledger.read().and_then(|mut reading| Ok(reading.registry()?.keys()?.is_empty()));
    // A secret is made for the first key only; the plan refuses what is out of order in any case.
    let passphrase = match (none.map_err(storage)?, &step) {
        (true, Step::Create) => secret.made()?,
        (true, _) => return Err(SetupError::new("keys.missing", plan::MISSING)),
        (false, Step::Create) => return Err(SetupError::new("keys.exist", plan::EXIST)),
        (false, _) => secret.of_database()?,
    };
    database::step(ledger, &passphrase, step, now)
}

/// The `kid`s of a data folder's keys that were not dropped; none are opened. Errors: `keys.malformed`, `io.failed`.
pub(crate) fn names_in_folder(data: &Path) -> Result<Vec<String>, SetupError> {
    let plan = folder::read(data)?.unwrap_or_default();
    let kept = plan.entries().iter().filter(|entry| entry.dropped.is_none());
    Ok(kept.map(|entry| entry.kid.as_str().to_owned()).collect())
}

/// The keys of a data folder, ready to be put into a database; `None` when it has none. Errors: `key_file.locked`, `io.failed`.
pub(crate) fn moving(data: &Path, secret: &Secret) -> Result<Option<Moving>, SetupError> {
    let Some(plan) = folder::read(data)? else { return Ok(None) };
    // The passphrase may be new with the database: then these are in the clear.
    let ring = folder::open(data, secret.given()?.as_ref())
        .or_else(|locked| folder::open(data, None).map_err(|_| locked))?;
    let passphrase = secret.made()?;
    let mut sealed = Vec::with_capacity(ring.keys.len());
    for key in ring.keys {
        let text = imagxp_files::key_file::seal(&key.key, &passphrase)?.as_str().to_owned();
        sealed.push((key.key, text));
    }
    Ok(Some(Moving { plan, sealed }))
}

/// Keys on their way from a data folder into a database.
pub(crate) struct Moving {
    plan: Plan,
    sealed: Vec<(Arc<PrivateKey>, String)>,
}

impl Moving {
    /// Puts them where nobody has put any yet.
    pub(crate) fn put(self, registry: &mut Registry<'_>, now: Timestamp) -> imagxp_storage::Result<()> {
        database::import(registry, &self.plan, self.sealed, now)
    }
}

fn generate() -> Result<PrivateKey, SetupError> {
    Ok(PrivateKey::generate(Algorithm::Es256, &mut |buffer: &mut [u8]| {
        getrandom::fill(buffer)
            .map_err(|_| imagxp::Error::argument("the operating system gives no randomness"))
    })?)
}

#[cfg(test)]
mod tests;
