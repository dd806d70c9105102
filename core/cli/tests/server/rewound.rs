//! A log that goes back is noticed, and not written to.

use crate::service::Service;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn deposit(service: &Service, reference: &str) -> crate::service::Reply {
    let body = json!({"owner": "agent.example", "amount": "1", "reference": reference});
    service.post("/v1/deposits", &service.token, &body)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_string_lossy().starts_with("ledger.db") {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// The number of entries of the kept checkpoint.
fn kept(service: &Service) -> u64 {
    let Ok(note) = std::fs::read_to_string(service.data().join("checkpoint.txt")) else { return 0 };
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// An old copy of the database is put in place. What was published says so, until an operator accepts it.
#[test]
fn an_old_backup_in_place_of_the_log_is_refused() {
    let mut service = Service::start(&[]);
    deposit(&service, "b1").is(201);
    service.stop();
    let old = tempfile::tempdir().unwrap();
    copy(service.data(), old.path());
    service.run();
    deposit(&service, "b2").is(201);
    deposit(&service, "b3").is(201);
    let published = service.send("GET", "/v1/log/checkpoint", &[], b"");
    let elsewhere = old.path().join("checkpoint");
    std::fs::write(&elsewhere, &published.0.body).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while kept(&service) < 3 {
        assert!(Instant::now() < until, "the checkpoint is not kept");
        std::thread::sleep(Duration::from_millis(100));
    }
    let audit = |service: &Service| {
        Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["broker", "ledger", "audit", "--checkpoint"])
            .arg(&elsewhere)
            .arg("--data")
            .arg(service.data())
            .output()
            .unwrap()
    };
    assert!(audit(&service).status.success());
    service.stop();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(service.data().join(name));
    }
    copy(old.path(), service.data());
    service.run();
    deposit(&service, "b2").refuses(503, "log.rewound");
    service.get("/v1/accounts/agent.example", &service.token).is(200);
    assert_eq!(audit(&service).status.code(), Some(1));
    // It does not become right by growing: what is published by this log is not what was.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(kept(&service), 3);
    service.command(&["broker", "ledger", "accept"]);
    deposit(&service, "b2").refuses(503, "log.rewound");
    service.stop();
    service.run();
    deposit(&service, "b2").is(201);
    assert!(std::fs::read_dir(service.data()).unwrap().any(|entry| {
        entry.unwrap().file_name().to_string_lossy().starts_with("checkpoint-set-aside-3-")
    }));
}

/// A log of the same length that says something else is noticed by its entries.
#[test]
fn another_history_in_place_of_the_log_is_refused() {
    let mut service = Service::start(&[]);
    deposit(&service, "b1").is(201);
    service.stop();
    let old = tempfile::tempdir().unwrap();
    copy(service.data(), old.path());
    service.run();
    deposit(&service, "b2").is(201);
    service.send("GET", "/v1/log/checkpoint", &[], b"");
    let until = Instant::now() + Duration::from_secs(20);
    while kept(&service) < 2 {
        assert!(Instant::now() < until, "the checkpoint is not kept");
        std::thread::sleep(Duration::from_millis(100));
    }
    let checkpoint = std::fs::read(service.data().join("checkpoint.txt")).unwrap();
    service.stop();
    std::fs::remove_file(service.data().join("checkpoint.txt")).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(service.data().join(name));
    }
    copy(old.path(), service.data());
    service.run();
    deposit(&service, "x2").is(201);
    deposit(&service, "x3").is(201);
    service.stop();
    std::fs::write(service.data().join("checkpoint.txt"), checkpoint).unwrap();
    service.run();
    let until = Instant::now() + Duration::from_secs(20);
    while deposit(&service, "x3").0.status == 200 {
        assert!(Instant::now() < until, "another log is not noticed");
        std::thread::sleep(Duration::from_millis(100));
    }
    deposit(&service, "x4").refuses(503, "log.rewound");
}
