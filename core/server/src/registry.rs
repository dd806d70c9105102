//! Where operators, signing keys and ended sessions are: in the data folder of a broker of one machine, or in the PostgreSQL that several
//! servers share. What one of them changes, the others notice within seconds.

use crate::app::Live;
use crate::config::Config;
use crate::error::SetupError;
use crate::folder;
use crate::keys::{self, KeyRing, Secret, Step};
use crate::ledger::{self, storage};
use crate::operators::{self, Operators, Role};
use crate::revoked::{self, Revoked};
use crate::roster;
use imagxp::Timestamp;
use imagxp::crypto::Thumbprint;
use imagxp::encoding::{hex_decode, hex_encode};
use imagxp_storage::{Address, Ledger, Migrate};
use std::path::PathBuf;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The name under which servers share the secret of their nonces' hashes.
const REPLAY_SECRET: &str = "replay.secret";

/// Operators, signing keys and ended sessions of one broker. Everything blocks.
#[derive(Clone, Debug)]
pub struct Registry {
    data: PathBuf,
    secret: Secret,
    /// The database; without it the data folder.
    shared: Option<Ledger>,
}

/// What has changed since, if anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stamp {
    files: Vec<Option<(SystemTime, u64)>>,
    rows: Option<Rows>,
}

/// What is in the database.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    keys: Vec<imagxp_storage::key::SigningKey>,
    operators: Vec<imagxp_storage::operator::Operator>,
    tokens: Vec<imagxp_storage::operator::Token>,
    sessions: Vec<([u8; 32], i64)>,
}

impl Registry {
    /// The registry of a configuration, for commands. What a data folder had before moves into the database. `migrate` says what becomes of tables
    /// that are missing there, or of an older program.
    ///
    /// Errors: `storage.*`, `config.invalid`, `io.failed`, `key_file.locked`.
    pub fn open(config: &Config, migrate: Migrate, now: Timestamp) -> Result<Self, SetupError> {
        let shared = match ledger::address(config)? {
            Address::Postgres(_) => Some(ledger::open_with(config, migrate, now.as_millis())?),
            _ => None,
        };
        Self::new(config, shared, now)
    }

    /// The registry in the database of a ledger that is open, or else in the data folder. Errors: as there.
    pub(crate) fn new(config: &Config, shared: Option<Ledger>, now: Timestamp) -> Result<Self, SetupError> {
        let secret = Secret::new(&config.data, &config.keys.passphrase_file);
        let registry = Self { data: config.data.clone(), secret, shared };
        registry.move_in(now)?;
        Ok(registry)
    }

    /// Moves what the data folder has into a database that has nothing of it yet.
    fn move_in(&self, now: Timestamp) -> Result<(), SetupError> {
        let Some(ledger) = &self.shared else { return Ok(()) };
        let rows = rows(ledger)?;
        if rows.keys.is_empty()
            && let Some(moving) = keys::moving(&self.data, &self.secret)?
        {
            let moved = ledger.register(move |registry| {
                // Another server may have been quicker.
                let first = registry.keys()?.is_empty();
                if first {
                    moving.put(registry, now)?;
                }
                Ok(first)
            });
            if moved.map_err(storage)? {
                tracing::warn!(
                    "the signing keys of the data folder are in the database now: remove the folder `keys`"
                );
            }
        }
        if rows.operators.is_empty() {
            let operators = Operators::open(&self.data)?;
            let moved = ledger.register(move |registry| {
                if registry.operators()?.is_empty() {
                    for operator in operators.list() {
                        operators::insert(registry, operator)?;
                    }
                }
                Ok(())
            });
            moved.map_err(storage)?;
        }
        Ok(())
    }

    /// Makes the first signing key, which signs at once. Returns its `kid`. Errors: `keys.exist`, `io.failed`, `storage.*`.
    pub fn create_key(&self, now: Timestamp) -> Result<String, SetupError> {
        Ok(self.step(Step::Create, now)?.0.as_str().to_owned())
    }

    /// Makes the next signing key, which signs a day from now, and forgets those that nobody can meet any more. Returns its `kid`.
    ///
    /// Errors: `rotation.order` (a key waits already), `keys.missing`, `io.failed`, `storage.*`.
    pub fn rotate_keys(&self, now: Timestamp) -> Result<String, SetupError> {
        Ok(self.step(Step::Rotate, now)?.0.as_str().to_owned())
    }

    /// Ends a signing key at once, in an emergency: nothing that it signed counts any more. When it was the one that signs, the key that
    /// waits takes over, else a new one. Returns the `kid` of the key that signs now.
    ///
    /// Errors: `usage.argument` (no such key, or no reason), `io.failed`, `storage.*`.
    pub fn drop_key(&self, kid: &str, reason: &str, now: Timestamp) -> Result<String, SetupError> {
        let kid = Thumbprint::parse(kid)
            .ok_or_else(|| SetupError::new("usage.argument", "the name of a key has 43 characters"))?;
        if reason.trim().is_empty() || reason.len() > 256 {
            return Err(SetupError::new("usage.argument", "say why, in 1 to 256 bytes"));
        }
        let (signs, _) = self.step(Step::Drop { kid, reason: reason.to_owned() }, now)?;
        Ok(signs.as_str().to_owned())
    }

    fn step(&self, step: Step, now: Timestamp) -> Result<(Thumbprint, Timestamp), SetupError> {
        match &self.shared {
            Some(ledger) => {
                folder::create(&self.data)?;
                keys::step_in_database(ledger, &self.secret, step, now)
            }
            None => keys::step_in_folder(&self.data, &self.secret, &step, now),
        }
    }

    /// The operators, in the order in which they were added. Errors: `io.failed`, `operators.malformed`, `storage.*`.
    pub fn operators(&self) -> Result<Operators, SetupError> {
        match &self.shared {
            Some(ledger) => {
                let rows = rows(ledger)?;
                Ok(operators::of_rows(&rows.operators, &rows.tokens))
            }
            None => Operators::open(&self.data),
        }
    }

    /// Adds an operator. Returns the token, which is shown once and kept nowhere.
    ///
    /// Errors: `usage.argument` (the name is taken, or not 1 to 64 characters of `a-z A-Z 0-9 . _ @ -`), `io.failed`, `storage.*`.
    pub fn add_operator(
        &self,
        name: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, SetupError> {
        let Some(ledger) = &self.shared else { return Operators::add(&self.data, name, role, now) };
        let (operator, token) = operators::new(name, role, now)?;
        let added = ledger.register(move |registry| operators::insert(registry, &operator));
        if added.map_err(storage)? { Ok(token) } else { Err(operators::taken(name)) }
    }

    /// Removes an operator; servers that run notice within seconds. `usage.argument` when there is none of that name.
    pub fn remove_operator(&self, name: &str, now: Timestamp) -> Result<(), SetupError> {
        let Some(ledger) = &self.shared else { return Operators::remove(&self.data, name) };
        let gone = name.to_owned();
        let removed = ledger.register(move |registry| registry.disable_operator(&gone, now.as_millis()));
        if removed.map_err(storage)? { Ok(()) } else { Err(operators::unknown(name)) }
    }

    /// Notes in the ledger's log which operators have come or gone since; returns how many. Without a ledger, and in an empty log, nothing is
    /// noted yet: a service does so when it starts.
    ///
    /// Errors: `storage.*`, and the refusals of a ledger that takes no writes (`ledger.broken`, `log.rewound`).
    pub fn note_operators(&self, config: &Config, now: Timestamp) -> Result<usize, SetupError> {
        if let Some(ledger) = &self.shared {
            ledger::judge_log(ledger, &self.data)?;
            return self.note_in(ledger, now);
        }
        match ledger::address(config)? {
            Address::Sqlite(file) if !file.is_file() => Ok(0),
            _ => {
                let ledger = ledger::open_to_write(config)?;
                let noted = self.note_in(&ledger, now);
                ledger.close();
                noted
            }
        }
    }

    /// The same with a ledger that is open. Blocks.
    pub(crate) fn note_in(&self, ledger: &Ledger, now: Timestamp) -> Result<usize, SetupError> {
        roster::note(ledger, || self.operators(), now)
    }

    /// Ends a session before its time, for every server. Errors: `io.failed`, `storage.*`.
    pub(crate) fn revoke(
        &self,
        session: &str,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<Revoked, SetupError> {
        let Some(ledger) = &self.shared else { return Revoked::add(&self.data, session, ends, now) };
        let hash = revoked::hash(session);
        let ended = ledger.register(move |registry| {
            registry.end_session(&hash, ends.as_secs(), now.as_secs())?;
            registry.ended_sessions()
        });
        Ok(Revoked::of_rows(&ended.map_err(storage)?))
    }

    /// Everything as it is, unless nothing has changed since `stamp`; `known` was read before. A part that cannot be read anew is the one of
    /// before, and the others are new: that a key does not open keeps no operator who was removed. Then it says why, and `stamp` stays, so
    /// that it is tried again.
    ///
    /// Errors: those of the parts, when nothing is known.
    pub(crate) fn read(
        &self,
        stamp: &mut Stamp,
        known: Option<&Live>,
    ) -> Result<Option<(Live, Option<SetupError>)>, SetupError> {
        let now = self.stamp()?;
        if now == *stamp && known.is_some() {
            return Ok(None);
        }
        let mut failed = None;
        let live = match &now.rows {
            Some(rows) => {
                let keys = KeyRing::in_database(&rows.keys, &self.secret, known.map(|known| &known.keys));
                let kept = known.map(|known| known.keys.kept_in_database(&rows.keys));
                Live {
                    keys: or_kept(keys, kept, &mut failed)?,
                    operators: operators::of_rows(&rows.operators, &rows.tokens),
                    revoked: Revoked::of_rows(&rows.sessions),
                }
            }
            None => {
                let keys = KeyRing::in_folder(&self.data, &self.secret);
                let kept = known.map(|known| known.keys.kept_in_folder(&self.data));
                let (operators, revoked) = (Operators::open(&self.data), Revoked::open(&self.data));
                Live {
                    keys: or_kept(keys, kept, &mut failed)?,
                    operators: or_kept(operators, known.map(|known| known.operators.clone()), &mut failed)?,
                    revoked: or_kept(revoked, known.map(|known| known.revoked.clone()), &mut failed)?,
                }
            }
        };
        if failed.is_none() {
            *stamp = now;
        }
        Ok(Some((live, failed)))
    }

    fn stamp(&self) -> Result<Stamp, SetupError> {
        if let Some(ledger) = &self.shared {
            return Ok(Stamp { rows: Some(rows(ledger)?), files: Vec::new() });
        }
        let stamp = |file: PathBuf| {
            let found = file.metadata().ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        let files = [keys::index_file(&self.data), operators::file(&self.data), revoked::file(&self.data)];
        Ok(Stamp { files: files.map(stamp).to_vec(), rows: None })
    }

    /// The secret of the nonces' hashes: made once, the same for every server. Whoever reads the database reads more than it hides.
    pub(crate) fn replay_secret(&self) -> Result<[u8; 16], SetupError> {
        let path = self.data.join(REPLAY_SECRET);
        let failed =
            |error: std::io::Error| SetupError::new("io.failed", format!("`{}`: {error}", path.display()));
        let wrong = || SetupError::new("io.failed", format!("`{}` is not 32 hex digits", path.display()));
        let in_file = || match std::fs::read(&path) {
            Ok(text) => hex_decode(text.trim_ascii()).map(Some).ok_or_else(wrong),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        };
        let Some(ledger) = &self.shared else {
            if in_file()?.is_none() {
                let text = hex_encode(&crate::random::bytes::<16>()?);
                match imagxp_files::atomic::write(
                    &path,
                    text.as_bytes(),
                    imagxp_files::atomic::Existing::Refuse,
                ) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            return in_file()?.ok_or_else(wrong);
        };
        // The first server brings its own, or makes one.
        let own: [u8; 16] = in_file()?.map_or_else(crate::random::bytes, Ok)?;
        let shared = ledger.register(move |registry| match registry.shared(REPLAY_SECRET)? {
            Some(text) => Ok(text),
            None => {
                let text = hex_encode(&own);
                registry.share(REPLAY_SECRET, &text)?;
                Ok(text)
            }
        });
        hex_decode(shared.map_err(storage)?.as_bytes()).ok_or_else(|| {
            SetupError::new("storage.damaged", "the shared secret of nonces is not 32 hex digits")
        })
    }
}

/// What was read, or else what is kept of before; the first reason is noted.
fn or_kept<T>(
    read: Result<T, SetupError>,
    kept: Option<T>,
    failed: &mut Option<SetupError>,
) -> Result<T, SetupError> {
    match (read, kept) {
        (Err(error), Some(kept)) => {
            failed.get_or_insert(error);
            Ok(kept)
        }
        (read, _) => read,
    }
}

/// All of one moment.
fn rows(ledger: &Ledger) -> Result<Rows, SetupError> {
    let read = ledger.read().and_then(|mut reading| {
        reading.consistent(|reading| {
            let mut registry = reading.registry()?;
            Ok(Rows {
                keys: registry.keys()?,
                operators: registry.operators()?,
                tokens: registry.tokens(None)?,
                sessions: registry.ended_sessions()?,
            })
        })
    });
    read.map_err(storage)
}

#[cfg(test)]
mod tests;
