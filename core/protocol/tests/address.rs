//! The shared lists of hosts and addresses: every entry, both ways.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use imagxp::AgentId;
use imagxp::address::is_public_text;

fn check(file: &str, accepts: impl Fn(&str) -> bool) {
    let path = format!("{}/../../tests/vectors/hosts/{file}", env!("CARGO_MANIFEST_DIR"));
    let lists: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (list, expected) in [("deny", false), ("allow", true)] {
        let entries = lists[list].as_array().unwrap();
        assert!(entries.len() >= 5);
        for entry in entries {
            assert_eq!(accepts(entry.as_str().unwrap()), expected, "{file}: {entry}");
        }
    }
}

#[test]
fn addresses_of_the_shared_list() {
    check("ssrf_ips.json", is_public_text);
}

#[test]
fn hosts_of_the_shared_list() {
    check("agent_id_hosts.json", |name| AgentId::parse(name, false).is_some());
}
