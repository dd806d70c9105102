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
        let dropped = plan.entries().iter().filter(|entry| entry.dropped.is_some()).map(|entry| entry.kid);
        Ok(Self { keys, dropped: dropped.collect() })
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
mod tests {
    use super::*;
    use imagxp_storage::{Address, Options};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_800_000_000).saturating_add_secs(seconds)
    }

    fn names<'a>(keys: impl Iterator<Item = &'a PublicKey>) -> Vec<String> {
        keys.map(|key| key.thumbprint().as_str().to_owned()).collect()
    }

    /// Keys in a folder and in a database: what must hold of both.
    struct Place {
        data: tempfile::TempDir,
        secret: Secret,
        ledger: Option<Ledger>,
    }

    impl Place {
        fn each(check: impl Fn(&Self)) {
            for in_database in [false, true] {
                let data = tempfile::tempdir().unwrap();
                let secret = Secret::new(data.path(), Path::new(""));
                let ledger =
                    in_database.then(|| Ledger::open(&Address::Memory, Options::default(), 0).unwrap());
                check(&Self { data, secret, ledger });
            }
        }

        fn step(&self, step: Step, now: Timestamp) -> Result<String, SetupError> {
            let turn = match &self.ledger {
                Some(ledger) => step_in_database(ledger, &self.secret, step, now),
                None => step_in_folder(self.data.path(), &self.secret, &step, now),
            };
            turn.map(|(kid, _)| kid.as_str().to_owned())
        }

        fn ring(&self) -> Result<KeyRing, SetupError> {
            match &self.ledger {
                Some(ledger) => {
                    let rows = ledger.read().unwrap().registry().unwrap().keys().unwrap();
                    KeyRing::in_database(&rows, &self.secret, None)
                }
                None => KeyRing::in_folder(self.data.path(), &self.secret),
            }
        }

        fn dropped(&self, kid: &str, now: Timestamp) -> Result<String, SetupError> {
            let kid = Thumbprint::parse(kid).unwrap();
            self.step(Step::Drop { kid, reason: "it has leaked".to_owned() }, now)
        }
    }

    #[test]
    fn a_rotation_from_end_to_end() {
        Place::each(|place| {
            let code = |step, now| place.step(step, now).unwrap_err().code();
            assert_eq!(code(Step::Rotate, at(0)), "keys.missing");
            let old = place.step(Step::Create, at(0)).unwrap();
            assert_eq!(code(Step::Create, at(0)), "keys.exist");
            let new = place.step(Step::Rotate, at(1000)).unwrap();
            assert_eq!(code(Step::Rotate, at(1000)), "rotation.order");
            let ring = place.ring().unwrap();
            let turn = 1000 + NOTICE_S;
            let signer =
                |seconds| ring.signer(at(seconds)).unwrap().public_key().thumbprint().as_str().to_owned();
            let published = |seconds| names(ring.published(at(seconds)));
            assert_eq!((signer(-9), signer(turn - 1), signer(turn)), (old.clone(), old.clone(), new.clone()));
            assert_eq!(published(1000), [old.clone(), new.clone()]);
            assert_eq!(published(turn + KEEP_S), [old.clone(), new.clone()]);
            assert_eq!(published(turn + KEEP_S + 1), std::slice::from_ref(&new));
            assert_eq!(imagxp::jwks::JwkSet::parse(&ring.jwks(at(1000))).unwrap().keys().len(), 2);
            // A later rotation forgets a key that nobody meets any more.
            place.step(Step::Rotate, at(turn + KEEP_S + 1)).unwrap();
            assert_eq!(place.ring().unwrap().keys.len(), 2);
            assert!(!place.data.path().join("keys").join(format!("{old}.pem")).exists());
        });
    }

    #[test]
    fn a_key_that_is_dropped_is_gone_at_once() {
        Place::each(|place| {
            let first = place.step(Step::Create, at(0)).unwrap();
            // Nothing waits: a new key signs.
            let second = place.dropped(&first, at(10)).unwrap();
            let ring = place.ring().unwrap();
            assert_ne!(first, second);
            assert_eq!(names(ring.published(at(10))), std::slice::from_ref(&second));
            assert!(
                ring.has_dropped(&first) && !ring.has_dropped(&second) && ring.find(&first, at(10)).is_none()
            );
            assert_eq!(
                *ring.signer(at(9)).unwrap().public_key().thumbprint().as_str(),
                second,
                "a clock behind"
            );
            assert_eq!(place.dropped(&first, at(11)).unwrap_err().code(), "usage.argument", "once");
            // One that waits takes over.
            let third = place.step(Step::Rotate, at(20)).unwrap();
            assert_eq!(place.dropped(&second, at(30)).unwrap(), third);
            let ring = place.ring().unwrap();
            assert_eq!(names(ring.published(at(30))), std::slice::from_ref(&third));
            assert_eq!(*ring.signer(at(30)).unwrap().public_key().thumbprint().as_str(), third);
            // One that waits is dropped itself: who signs stays, and another may be made.
            let fourth = place.step(Step::Rotate, at(40)).unwrap();
            assert_eq!(place.dropped(&fourth, at(50)).unwrap(), third);
            let fifth = place.step(Step::Rotate, at(60)).unwrap();
            assert_eq!(names(place.ring().unwrap().published(at(60 + NOTICE_S))), [third, fifth]);
            // No private half is left of what was dropped.
            for kid in [first, second, fourth] {
                assert!(!place.data.path().join("keys").join(format!("{kid}.pem")).exists());
            }
            if let Some(ledger) = &place.ledger {
                let rows = ledger.read().unwrap().registry().unwrap().keys().unwrap();
                assert!(rows.iter().all(|row| row.sealed.is_none() == row.dropped_at.is_some()));
                assert!(
                    rows.iter()
                        .filter_map(|row| row.sealed.as_deref())
                        .all(|text| text.contains("ENCRYPTED"))
                );
            }
        });
    }

    #[test]
    fn sealed_keys_need_their_passphrase() {
        Place::each(|place| {
            let write = |name: &str, text: &str| {
                let file = place.data.path().join(name);
                std::fs::write(&file, text).unwrap();
                Secret::new(place.data.path(), &file)
            };
            let (right, wrong) = (write("right", "correct horse\n"), write("wrong", "battery\n"));
            let none = Secret::new(&place.data.path().join("elsewhere"), Path::new(""));
            let place =
                Place { data: tempfile::tempdir().unwrap(), secret: right, ledger: place.ledger.clone() };
            place.step(Step::Create, at(0)).unwrap();
            assert!(place.ring().is_ok());
            for secret in [wrong, none] {
                let other =
                    Place { data: tempfile::tempdir().unwrap(), secret, ledger: place.ledger.clone() };
                let opened = match place.ledger {
                    Some(_) => other.ring(),
                    None => KeyRing::in_folder(place.data.path(), &other.secret),
                };
                assert_eq!(opened.unwrap_err().code(), "key_file.locked");
            }
        });
    }

    #[test]
    fn two_that_rotate_at_once_make_one_key() {
        let data = tempfile::tempdir().unwrap();
        let secret = Secret::new(data.path(), Path::new(""));
        let ledger = Ledger::open(&Address::Memory, Options::default(), 0).unwrap();
        step_in_database(&ledger, &secret, Step::Create, at(0)).unwrap();
        let rotated = std::thread::scope(|scope| {
            let threads = [(); 4]
                .map(|()| scope.spawn(|| step_in_database(&ledger, &secret, Step::Rotate, at(1)).is_ok()));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(rotated.iter().filter(|done| **done).count(), 1);
    }
}
