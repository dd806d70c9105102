//! The folder `keys` of the data folder: `keys.json` says when each key signs, `<kid>.pem` is the key (mode 0600, sealed or not).

use super::plan::{Dropped, Entry, Plan, Step};
use super::{KeyRing, generate};
use crate::error::SetupError;
use imagxp::Timestamp;
use imagxp::crypto::{PrivateKey, Thumbprint};
use imagxp_files::atomic::{self, Existing};
use imagxp_files::key_file::{self, Access, Passphrase};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u8,
    keys: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kid: String,
    use_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped_for: Option<String>,
}

pub(super) fn open(data: &Path, passphrase: Option<&Passphrase>) -> Result<KeyRing, SetupError> {
    let plan = read(data)?.ok_or_else(|| {
        let message = format!("`{}` has no signing keys; `imagxp keys create` makes them", data.display());
        SetupError::new("keys.missing", message)
    })?;
    KeyRing::new(plan, |kid| Ok(Arc::new(key_file::load(&file(data, kid), passphrase, Access::OwnerOnly)?)))
}

/// The keys by their times; `None` when none were made. Errors: `keys.malformed`, `io.failed`.
pub(super) fn read(data: &Path) -> Result<Option<Plan>, SetupError> {
    let path = index_file(data);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(SetupError::new(
                "io.failed",
                format!("`{}` cannot be read: {error}", path.display()),
            ));
        }
    };
    let index: Index = serde_json::from_slice(&text)
        .map_err(|_| malformed("`keys.json` is not what this program writes"))?;
    if index.version != 1 {
        return Err(malformed("`keys.json` is of a later version"));
    }
    if index.keys.is_empty() {
        return Err(malformed("`keys.json` names no key"));
    }
    let time =
        |text: &str| Timestamp::parse(text).ok_or_else(|| malformed("a time of `keys.json` is no time"));
    let entry = |line: Line| {
        let kid =
            Thumbprint::parse(&line.kid).ok_or_else(|| malformed("a kid of `keys.json` is no thumbprint"))?;
        let dropped = line.dropped_at.as_deref().map(time).transpose()?;
        let dropped = dropped.map(|at| Dropped { at, reason: line.dropped_for.unwrap_or_default() });
        Ok(Entry { kid, use_from: time(&line.use_from)?, dropped })
    };
    Plan::new(index.keys.into_iter().map(entry).collect::<Result<_, SetupError>>()?).map(Some)
}

/// Does a step. Returns which key signs from when.
pub(super) fn step(
    data: &Path,
    passphrase: Option<&Passphrase>,
    step: &Step,
    now: Timestamp,
) -> Result<(Thumbprint, Timestamp), SetupError> {
    let _lock = crate::folder::lock(data)?;
    let before = read(data)?.unwrap_or_default();
    let spare = generate()?;
    let mut plan = before.clone();
    let turn = plan.step(step, *spare.public_key().thumbprint(), now)?;
    for kid in plan.beside(spare.public_key().thumbprint()) {
        key_file::load(&file(data, kid), passphrase, Access::OwnerOnly).map_err(|error| {
            // What else is wrong with a file is said as it is.
            let locked = error.code() == "key_file.locked";
            if locked { SetupError::new(error.code(), super::plan::SEALED) } else { error.into() }
        })?;
    }
    if before.entries().is_empty() {
        crate::folder::create(&folder(data))?;
    }
    if plan.entries().iter().any(|entry| entry.kid == *spare.public_key().thumbprint()) {
        save(data, passphrase, &spare)?;
    }
    write(data, &plan)?;
    let counts =
        |kid: &Thumbprint| plan.entries().iter().any(|entry| entry.kid == *kid && entry.dropped.is_none());
    for entry in before.entries().iter().filter(|entry| !counts(&entry.kid)) {
        let path = file(data, &entry.kid);
        atomic::remove(&path).map_err(|error| unwritable(&path, &error))?;
    }
    Ok(turn)
}

fn save(data: &Path, passphrase: Option<&Passphrase>, key: &PrivateKey) -> Result<(), SetupError> {
    Ok(key_file::save(&file(data, key.public_key().thumbprint()), key, passphrase, Existing::Refuse)?)
}

/// After the key that is new, before those that go: a key without an entry is nobody's, an entry without its key would stop the broker.
fn write(data: &Path, plan: &Plan) -> Result<(), SetupError> {
    let line = |entry: &Entry| Line {
        kid: entry.kid.as_str().to_owned(),
        use_from: entry.use_from.to_string(),
        dropped_at: entry.dropped.as_ref().map(|dropped| dropped.at.to_string()),
        dropped_for: entry.dropped.as_ref().map(|dropped| dropped.reason.clone()),
    };
    let index = Index { version: 1, keys: plan.entries().iter().map(line).collect() };
    let text = serde_json::to_vec_pretty(&index).map_err(|_| malformed("`keys.json` cannot be written"))?;
    atomic::write(&index_file(data), &text, Existing::Replace)
        .map_err(|error| unwritable(&index_file(data), &error))
}

fn folder(data: &Path) -> PathBuf {
    data.join("keys")
}

/// The file that changes when the keys do.
pub(crate) fn index_file(data: &Path) -> PathBuf {
    folder(data).join("keys.json")
}

fn file(data: &Path, kid: &Thumbprint) -> PathBuf {
    folder(data).join(format!("{}.pem", kid.as_str()))
}

fn malformed(message: &str) -> SetupError {
    SetupError::new("keys.malformed", message)
}

fn unwritable(path: &Path, error: &std::io::Error) -> SetupError {
    SetupError::new("io.failed", format!("`{}` cannot be written: {error}", path.display()))
}
