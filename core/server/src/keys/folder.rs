//! The folder `keys` of the data folder: `keys.json` says when each key signs, `<kid>.pem` is the key (mode 0600, sealed or not).

use super::{Key, KeyRing, NOTICE_S};
use crate::error::SetupError;
use imagxp::Timestamp;
use imagxp::crypto::{Algorithm, PrivateKey, Thumbprint};
use imagxp_files::atomic::{self, Existing};
use imagxp_files::key_file::{self, Access, Passphrase};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u8,
    keys: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kid: String,
    use_from: String,
}

pub(super) fn open(data: &Path, passphrase_file: &Path) -> Result<KeyRing, SetupError> {
    let (folder, index) = (folder(data), read(data)?);
    let passphrase = passphrase(passphrase_file)?;
    let mut keys = Vec::with_capacity(index.keys.len());
    for entry in &index.keys {
        let (kid, use_from) = parse(entry)?;
        let key = key_file::load(&file(&folder, &kid), passphrase.as_ref(), Access::OwnerOnly)?;
        if *key.public_key().thumbprint() != kid || key.algorithm() != Algorithm::Es256 {
            return Err(malformed("a key file holds another key than its name says"));
        }
        keys.push(Key { key: Arc::new(key), use_from });
    }
    if keys.is_empty() || !keys.is_sorted_by_key(|key| key.use_from) {
        return Err(malformed("`keys.json` names no key, or not in their order"));
    }
    Ok(KeyRing { keys })
}

/// Makes the first key of a data folder; it signs at once, because nobody has an older key set. Returns its `kid`.
///
/// Errors: `keys.exist`, `io.failed`.
pub fn create(data: &Path, passphrase_file: &Path, now: Timestamp) -> Result<String, SetupError> {
    let _lock = crate::folder::lock(data)?;
    if index_file(data).exists() {
        return Err(SetupError::new("keys.exist", "the data folder has keys already; rotate them instead"));
    }
    crate::folder::create(&folder(data))?;
    add(data, passphrase_file, Index { version: 1, keys: Vec::new() }, now)
}

/// Makes the next key, which signs a day from now, and removes those that nobody can meet any more. Returns its `kid`.
///
/// Errors: `rotation.order` (a key waits already), `keys.missing`, `io.failed`.
pub fn rotate(data: &Path, passphrase_file: &Path, now: Timestamp) -> Result<String, SetupError> {
    let _lock = crate::folder::lock(data)?;
    let mut index = read(data)?;
    let mut times = Vec::with_capacity(index.keys.len());
    for entry in &index.keys {
        times.push(parse(entry)?.1);
    }
    if times.last().is_some_and(|last| *last > now) {
        return Err(SetupError::new("rotation.order", "a new key waits for its day already"));
    }
    let ends = times.iter().skip(1);
    let gone = ends.filter(|end| now > end.saturating_add_secs(super::KEEP_S)).count();
    let old: Vec<Entry> = index.keys.drain(..gone).collect();
    let kid = add(data, passphrase_file, index, now.saturating_add_secs(NOTICE_S))?;
    for entry in old {
        let (kid, _) = parse(&entry)?;
        let path = file(&folder(data), &kid);
        atomic::remove(&path).map_err(|error| unwritable(&path, &error))?;
    }
    Ok(kid)
}

fn add(
    data: &Path,
    passphrase_file: &Path,
    mut index: Index,
    use_from: Timestamp,
) -> Result<String, SetupError> {
    let key = PrivateKey::generate(Algorithm::Es256, &mut |buffer: &mut [u8]| {
        getrandom::fill(buffer)
            .map_err(|_| imagxp::Error::argument("the operating system gives no randomness"))
    })?;
    let kid = *key.public_key().thumbprint();
    let passphrase = passphrase(passphrase_file)?;
    key_file::save(&file(&folder(data), &kid), &key, passphrase.as_ref(), Existing::Refuse)?;
    index.keys.push(Entry { kid: kid.as_str().to_owned(), use_from: use_from.to_string() });
    // The index last: a key without an entry is nobody's, an entry without its key would stop the broker.
    let text = serde_json::to_vec_pretty(&index).map_err(|_| malformed("`keys.json` cannot be written"))?;
    atomic::write(&index_file(data), &text, Existing::Replace)
        .map_err(|error| unwritable(&index_file(data), &error))?;
    Ok(kid.as_str().to_owned())
}

fn read(data: &Path) -> Result<Index, SetupError> {
    let path = index_file(data);
    let text = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SetupError::new(
            "keys.missing",
            format!("`{}` has no signing keys; `imagxp keys create` makes them", data.display()),
        ),
        _ => SetupError::new("io.failed", format!("`{}` cannot be read: {error}", path.display())),
    })?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|_| malformed("`keys.json` is not what this program writes"))?;
    if index.version != 1 {
        return Err(malformed("`keys.json` is of a later version"));
    }
    Ok(index)
}

fn parse(entry: &Entry) -> Result<(Thumbprint, Timestamp), SetupError> {
    let kid =
        Thumbprint::parse(&entry.kid).ok_or_else(|| malformed("a kid of `keys.json` is no thumbprint"))?;
    let time =
        Timestamp::parse(&entry.use_from).ok_or_else(|| malformed("a time of `keys.json` is no time"))?;
    Ok((kid, time))
}

fn passphrase(file: &Path) -> Result<Option<Passphrase>, SetupError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let content = std::fs::read(file).map(Zeroizing::new).map_err(|error| {
        SetupError::new("io.failed", format!("`{}` cannot be read: {error}", file.display()))
    })?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(Passphrase::new(line.strip_suffix(b"\r").unwrap_or(line))?))
}

/// The folder of the keys, also for whoever watches it for changes.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("keys")
}

pub(crate) fn index_file(data: &Path) -> PathBuf {
    folder(data).join("keys.json")
}

fn file(folder: &Path, kid: &Thumbprint) -> PathBuf {
    folder.join(format!("{}.pem", kid.as_str()))
}

fn malformed(message: &str) -> SetupError {
    SetupError::new("keys.malformed", message)
}

fn unwritable(path: &Path, error: &std::io::Error) -> SetupError {
    SetupError::new("io.failed", format!("`{}` cannot be written: {error}", path.display()))
}
