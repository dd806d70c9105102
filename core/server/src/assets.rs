//! The assets that the ledger has been kept in: `assets.json` in the data folder. Another scale would be another amount of money.

use crate::error::SetupError;
use crate::folder;
use imagxp_broker::Rules;
use imagxp_files::atomic::{self, Existing};
use std::collections::BTreeMap;
use std::path::Path;

/// Compares the configured assets with those of before, and notes new ones.
///
/// Errors: `assets.changed` (another scale, or an asset is missing), `io.failed`.
pub(crate) fn check(data: &Path, rules: &Rules) -> Result<(), SetupError> {
    let _lock = folder::lock(data)?;
    let path = data.join("assets.json");
    let failed =
        |error: std::io::Error| SetupError::new("io.failed", format!("`{}`: {error}", path.display()));
    let mut known: BTreeMap<String, u8> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.into()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(failed(error)),
    };
    let now: BTreeMap<String, u8> =
        rules.assets.iter().map(|(asset, scale)| (asset.as_str().to_owned(), scale)).collect();
    for (asset, scale) in &known {
        if now.get(asset) != Some(scale) {
            return Err(SetupError::new(
                "assets.changed",
                format!("the ledger has been kept with `{asset}:{scale}`, and `money.assets` says otherwise"),
            ));
        }
    }
    if known != now {
        known.extend(now);
        let text = serde_json::to_vec(&known).map_err(|error| failed(error.into()))?;
        atomic::write(&path, &text, Existing::Replace).map_err(failed)?;
    }
    Ok(())
}
