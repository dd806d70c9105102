//! The assets that the ledger has been kept in, beside it in the database, so that every server meets them. Another scale would be
//! another amount of money, and another first asset other money for who names none: a deposit counts once per asset and reference.

use crate::error::SetupError;
use crate::ledger::storage;
use imagxp_broker::Rules;
use imagxp_storage::{Ledger, Registry};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Where the database keeps them.
const KEPT: &str = "assets";
/// Where it keeps which of them is meant where none is named.
const FIRST: &str = "assets.first";

type Known = BTreeMap<String, u8>;

/// Compares the configured assets with those of before, and notes new ones. Data folders from before have a file of them, `assets.json`, which
/// moves into the database. Where nobody has noted which is the first, the configured one is. Blocks.
///
/// Errors: `assets.changed` (another scale, an asset is missing, or another one is the first), `io.failed`, `storage.*`.
pub(crate) fn check(ledger: &Ledger, data: &Path, rules: &Rules) -> Result<(), SetupError> {
    let file = data.join("assets.json");
    let old = in_file(&file)?;
    let now: Known = rules.assets.iter().map(|(asset, scale)| (asset.as_str().to_owned(), scale)).collect();
    let first = rules.assets.first().map_err(|refusal| changed(refusal.message().to_owned()))?;
    let (kept, kept_first) =
        ledger.read().and_then(|mut reading| kept(&mut reading.registry()?)).map_err(storage)?;
    if old.is_none()
        && kept.as_deref().map(read).transpose()?.as_ref() == Some(&now)
        && kept_first.as_deref() == Some(first.as_str())
    {
        return Ok(());
    }
    // In one transaction: another server may start with other assets now.
    let compared = ledger.register(move |registry| {
        let (kept, kept_first) = self::kept(registry)?;
        let text = kept.as_deref().map(read).transpose().and_then(|kept| {
            let known = compare(kept.or(old).unwrap_or_default(), now)?;
            compare_first(kept_first.as_deref(), first.as_str())?;
            write(&known)
        });
        if let Ok(text) = &text {
            registry.share(KEPT, text)?;
            registry.share(FIRST, first.as_str())?;
        }
        Ok(text)
    });
    compared.map_err(storage)??;
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&file, &error)),
        _ => Ok(()),
    }
}

/// The assets, and which is the first, as far as they are noted.
fn kept(registry: &mut Registry<'_>) -> imagxp_storage::Result<(Option<String>, Option<String>)> {
    Ok((registry.shared(KEPT)?, registry.shared(FIRST)?))
}

/// Everything that was known and is configured. Error: `assets.changed`.
fn compare(mut known: Known, now: Known) -> Result<Known, SetupError> {
    for (asset, scale) in &known {
        if now.get(asset) != Some(scale) {
            return Err(changed(format!(
                "the ledger has been kept with `{asset}:{scale}`, and `money.assets` says otherwise"
            )));
        }
    }
    known.extend(now);
    Ok(known)
}

/// Error: `assets.changed`.
fn compare_first(kept: Option<&str>, first: &str) -> Result<(), SetupError> {
    match kept {
        Some(kept) if kept != first => Err(changed(format!(
            "the ledger has been kept with `{kept}` for who names no asset, and `money.assets` begins with `{first}`"
        ))),
        _ => Ok(()),
    }
}

fn changed(message: String) -> SetupError {
    SetupError::new("assets.changed", message)
}

fn read(text: &str) -> Result<Known, SetupError> {
    serde_json::from_str(text)
        .map_err(|_| SetupError::new("storage.damaged", "the assets of the ledger are unreadable"))
}

fn write(known: &Known) -> Result<String, SetupError> {
    serde_json::to_string(known).map_err(|error| SetupError::new("internal.failed", error.to_string()))
}

fn in_file(file: &Path) -> Result<Option<Known>, SetupError> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| failed(file, &error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(file, &error)),
    }
}

fn failed(file: &Path, error: &dyn core::fmt::Display) -> SetupError {
    SetupError::new("io.failed", format!("`{}`: {error}", file.display()))
}
