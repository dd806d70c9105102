//! What tests/surface.json says that this crate offers is referred to here, so it exists.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;

/// Refers to each item, which proves that it exists, and lists the names.
macro_rules! names {
    ($($item:expr),* $(,)?) => {{
        $(let _ = $item;)*
        [$(stringify!($item)),*].map(|name| name.replace(' ', "")).into_iter().collect::<BTreeSet<String>>()
    }};
}

#[test]
fn the_rust_column_is_true() {
    let here = names![
        imagxp_files::key_file::save,
        imagxp_files::key_file::seal,
        imagxp_files::key_file::load,
        imagxp_files::key_file::open,
        imagxp_files::dotenv::Variables::parse,
        imagxp_files::dotenv::Variables::key,
        imagxp_files::rotation::Keyring::create,
        imagxp_files::rotation::Keyring::open,
        imagxp_files::rotation::Keyring::identity,
    ];
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/surface.json")).unwrap();
    let surface: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let mut listed = BTreeSet::new();
    for operation in surface["operations"].as_array().unwrap() {
        for name in operation["rust"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
            if name.starts_with("imagxp_files::") {
                listed.insert(name.to_owned());
            }
        }
    }
    assert_eq!(here, listed);
}
