//! The assets that the ledger has been kept in, beside it in the database, so that every server meets them. Another scale would be
//! another amount of money.

use crate::error::SetupError;
use crate::ledger::storage;
use imagxp_broker::Rules;
use imagxp_storage::Ledger;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Where the database keeps them.
const KEPT: &str = "assets";

type Known = BTreeMap<String, u8>;

/// Compares the configured assets with those of before, and notes new ones. Data folders from before have a file of them, `assets.json`, which
/// moves into the database. Blocks.
///
/// Errors: `assets.changed` (another scale, or an asset is missing), `io.failed`, `storage.*`.
pub(crate) fn check(ledger: &Ledger, data: &Path, rules: &Rules) -> Result<(), SetupError> {
    let file = data.join("assets.json");
    let old = in_file(&file)?;
    let now: Known = rules.assets.iter().map(|(asset, scale)| (asset.as_str().to_owned(), scale)).collect();
    let kept = ledger.read().and_then(|mut reading| reading.registry()?.shared(KEPT)).map_err(storage)?;
    if old.is_none() && kept.as_deref().map(read).transpose()?.as_ref() == Some(&now) {
        return Ok(());
    }
    // In one transaction: another server may start with other assets now.
    let compared = ledger.register(move |registry| {
        let kept = registry.shared(KEPT)?.as_deref().map(read).transpose();
        let text = kept.and_then(|kept| write(&compare(kept.or(old).unwrap_or_default(), now)?));
        if let Ok(text) = &text {
            registry.share(KEPT, text)?;
        }
        Ok(text)
    });
    compared.map_err(storage)??;
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&file, &error)),
        _ => Ok(()),
    }
}

/// Everything that was known and is configured. Error: `assets.changed`.
fn compare(mut known: Known, now: Known) -> Result<Known, SetupError> {
    for (asset, scale) in &known {
        if now.get(asset) != Some(scale) {
            return Err(SetupError::new(
                "assets.changed",
                format!("the ledger has been kept with `{asset}:{scale}`, and `money.assets` says otherwise"),
            ));
        }
    }
    known.extend(now);
    Ok(known)
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
