//! A process that goes to another folder keeps the files that it opened by a relative path.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

#[path = "support/audit.rs"]
mod support;

use imagxp::agent::rotation::Stage;
use imagxp::agent::spend::{Caps, Purchase, Reserved, SpendStore as _};
use imagxp::amount::Amount;
use imagxp::crypto::Algorithm;
use imagxp::policy::Money;
use imagxp::{AgentId, Purpose};
use imagxp_files::rotation::Keyring;
use imagxp_files::spend::SpendFile;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::*;

const ENTRIES: u64 = 300;

fn books(path: &Path) -> SpendFile {
    SpendFile::open(path, [Caps::new("USD", "1").unwrap()]).unwrap()
}

/// The process that goes: its folder is its own.
#[test]
fn mover() {
    let Ok(next) = std::env::var("IMAGXP_TEST_NEXT_FOLDER") else { return };
    let agent = AgentId::parse("agent.example", false).unwrap();
    let file = books(Path::new("spend.json"));
    let log = open(Path::new("log"));
    let mut keyring =
        Keyring::create(Path::new("keys"), agent.clone(), None, &key(1, Algorithm::EdDsa), None).unwrap();
    std::env::set_current_dir(next).unwrap();
    let purchase = Purchase {
        id: "purchase-0000000000000001".into(),
        agent_id: agent,
        issuer: "https://broker.example".into(),
        audience: "https://pub.example".into(),
        purpose: Purpose::Summary,
        price: Money { amount: Amount::parse("1").unwrap(), currency: "USD".into() },
    };
    assert_eq!(file.reserve(&purchase, now()).unwrap(), Reserved::New);
    for number in 0..ENTRIES {
        log.append(format!("{{\"n\":{number},\"type\":\"x\"}}").as_bytes()).unwrap();
    }
    log.close().unwrap();
    keyring.prepare(Algorithm::EdDsa, None).unwrap();
    keyring = Keyring::open(keyring.path()).unwrap();
    assert_eq!(keyring.rotation().stage(), Stage::Prepared);
}

#[test]
fn what_was_opened_by_a_relative_path_stays_where_it_is() {
    let [first, next] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mover", "--nocapture", "--test-threads=1"])
        .env("IMAGXP_TEST_NEXT_FOLDER", next.path())
        .current_dir(first.path())
        .output()
        .unwrap();
    let file = books(&first.path().join("spend.json"));
    assert_eq!(file.snapshot().spent("USD").to_string(), "1", "{child:?}");
    assert!(child.status.success(), "{child:?}");
    let report = sound(&first.path().join("log"));
    assert!(report.entries == ENTRIES && report.files > 2, "{report:?}");
    let keyring = Keyring::open(&first.path().join("keys")).unwrap();
    assert_eq!(keyring.rotation().stage(), Stage::Prepared);
    assert_eq!(fs::read_dir(next.path()).unwrap().count(), 0);
}
