//! A ledger of an older program, which may be at work on it: commands that come with a newer one leave it as it is.

use crate::service::Service;
use std::path::Path;

/// Where the trigger stands as it was before the last migration.
const BEFORE: &str = include_str!("../../../storage/src/sqlite/0006.sql");

fn migrations(data: &Path) -> i64 {
    let file = rusqlite::Connection::open(data.join("ledger.db")).unwrap();
    file.query_row("SELECT max(version) FROM migration", [], |row| row.get(0)).unwrap()
}

/// Takes the last migration back.
fn make_older(data: &Path) {
    let trigger = &BEFORE[BEFORE.find("CREATE TRIGGER transfer_enters").unwrap()..];
    let trigger = &trigger[..trigger.find("\nEND;").unwrap()];
    let file = rusqlite::Connection::open(data.join("ledger.db")).unwrap();
    let back = format!(
        "BEGIN; DROP TRIGGER transfer_enters; {trigger}\nEND; DELETE FROM migration WHERE version = 7; COMMIT"
    );
    file.execute_batch(&back).unwrap();
}

#[test]
fn commands_leave_an_older_ledger_as_it_is() {
    let mut service = Service::start(&[]);
    service.post(
        "/v1/deposits",
        &service.token,
        &serde_json::json!({"owner": "agent.example", "amount": "1", "reference": "b1"}),
    );
    service.stop();
    let newest = migrations(service.data());
    assert_eq!(newest, 7, "the last migration is another one: take that back");
    make_older(service.data());
    let pages = tempfile::tempdir().unwrap();
    std::fs::copy(service.data().join("ledger.db"), pages.path().join("old.db")).unwrap();
    let copy = service.data().join("copy.jsonl");
    let backup = ["broker", "backup", copy.to_str().unwrap()];
    for args in [["broker", "ledger", "audit"].as_slice(), &backup, &["broker", "settle"]] {
        let error = service.tried(args).unwrap_err();
        assert!(error.contains("storage.schema") && error.contains("older program"), "{args:?}: {error}");
    }
    // The operator is added; the ledger's log is told by the service.
    service.command(&["operator", "add", "ann"]);
    assert_eq!(service.command(&["operator", "list"]).lines().count(), 2);
    assert_eq!(migrations(service.data()), 6);
    assert!(!copy.exists());
    service.run();
    assert_eq!(migrations(service.data()), newest);
    service.command(&["broker", "ledger", "audit"]);
    crate::service::soon("the log knows who has come", || {
        let log = service.get("/v1/log/entries?limit=500", &service.token).is(200);
        log["entries"].as_array().unwrap().iter().any(|entry| entry["event"]["body"]["operator"] == "ann")
    });
    // A copy of the pages is brought up to date where it is restored, where nobody is at work on it: the audit can come before the service.
    let (old, restored) = (pages.path().join("old.db"), pages.path().join("restored"));
    std::fs::create_dir(&restored).unwrap();
    for args in [["restore", old.to_str().unwrap()].as_slice(), &["ledger", "audit"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imagxp"));
        let output = command.arg("broker").args(args).arg("--data").arg(&restored).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(migrations(&restored), newest);
}
