//! What tests/surface.json says of this crate: each name is referred to here, so it exists, and none is missing here.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

use imagxp_replay_stores::SharedReplayStore;
use std::collections::BTreeSet;

macro_rules! names {
    ($($item:expr),* $(,)?) => {{
        $(let _ = $item;)*
        [$(stringify!($item)),*].map(|name| format!("imagxp_replay_stores::{}", name.replace(' ', ""))).into_iter().collect::<BTreeSet<String>>()
    }};
}

#[test]
fn the_rust_column_is_true_of_this_crate() {
    let here = names![SharedReplayStore::redis, SharedReplayStore::postgres, SharedReplayStore::check];
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/surface.json")).unwrap();
    let listed: BTreeSet<String> = file
        .split('"')
        .filter(|name| name.starts_with("imagxp_replay_stores::"))
        .map(str::to_owned)
        .collect();
    assert_eq!(here, listed);
}
