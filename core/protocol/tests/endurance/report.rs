//! Figures for target/soak/report.json: written where `IMAGXP_FIGURES` says, one file for each campaign.

use serde_json::{Map, Value, json};

/// How often, how long: the number in this variable, or the short form's.
pub(crate) fn amount(variable: &str, short: u64) -> u64 {
    std::env::var(variable).map_or(short, |text| text.parse().unwrap())
}

/// Writes what a campaign that held has counted. No file is written outside of `make soak`.
pub(crate) fn figures(campaign: &str, seed: u64, rows: &[(&str, u64)]) {
    println!("{campaign}: {rows:?}");
    let Ok(folder) = std::env::var("IMAGXP_FIGURES") else { return };
    let counted: Map<String, Value> =
        rows.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
    let row = json!({"pass": true, "seed_fault": false, "seed": seed, "figures": counted, "wrong": []});
    std::fs::write(format!("{folder}/{campaign}.json"), row.to_string() + "\n").unwrap();
}
