//! A log that goes back is noticed, and not written to until an operator accepts it.

use crate::service::{Reply, Service};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A broker, and a copy of its database as it was when one deposit was booked.
struct Rewound {
    service: Service,
    old: tempfile::TempDir,
}

impl Rewound {
    fn new() -> Self {
        let mut service = Service::start(&[]);
        deposit(&service, "b1").is(201);
        service.stop();
        let old = tempfile::tempdir().unwrap();
        copy(service.data(), old.path());
        service.run();
        Self { service, old }
    }

    /// Puts the copy in place while the service does not run.
    fn put_back(&mut self) {
        self.service.stop();
        for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let _ = std::fs::remove_file(self.service.data().join(name));
        }
        copy(self.old.path(), self.service.data());
    }

    /// How many entries the log has.
    fn size(&self) -> u64 {
        self.service.get("/v1/log/entries?limit=1", &self.service.token).is(200)["size"].as_u64().unwrap()
    }

    fn checkpoint(&self) -> std::path::PathBuf {
        self.service.data().join("checkpoint.txt")
    }

    /// The number of entries of the kept checkpoint.
    fn kept(&self) -> u64 {
        let Ok(note) = std::fs::read_to_string(self.checkpoint()) else { return 0 };
        note.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Publishes a checkpoint and waits until the service keeps one of that size.
    fn publish(&self) -> (u64, Vec<u8>) {
        let size = self.size();
        let published = self.service.send("GET", "/v1/log/checkpoint", &[], b"");
        until("the checkpoint is not kept", || self.kept() >= size);
        (size, published.0.body)
    }

    fn accept(&self, memo: &str, key: &str) -> Reply {
        let body = json!({"memo": memo}).to_string();
        let authorization = format!("Bearer {}", self.service.token);
        let lines = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        self.service.send("POST", "/v1/log/accept", &lines, body.as_bytes())
    }
}

fn deposit(service: &Service, reference: &str) -> Reply {
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

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The broker's key set, kept beside a checkpoint, says whose it is, when the service has long forgotten the key.
#[test]
fn a_checkpoint_is_attributed_by_the_key_set_that_was_kept_with_it() {
    let rewound = Rewound::new();
    let (_, published) = rewound.publish();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let set = rewound.service.send("GET", "/.well-known/jwks.json", &[], b"");
    let (set, none) = (write("jwks.json", &set.0.body), write("none.json", br#"{"keys":[]}"#));
    let note = String::from_utf8(published.clone()).unwrap();
    let (text, signature) = note.trim_end().rsplit_once(' ').unwrap();
    let mut signature: Vec<char> = signature.chars().collect();
    signature[40] = if signature[40] == 'A' { 'B' } else { 'A' };
    let forged = format!("{text} {}\n", signature.iter().collect::<String>());
    let (kept, forged) = (write("kept", &published), write("forged", forged.as_bytes()));
    let audit = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["--json", "broker", "ledger", "audit", "--data"])
            .arg(rewound.service.data())
            .args(args)
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), said["checkpoints_unsigned"].clone())
    };
    assert_eq!(audit(&["--checkpoint", &kept, "--jwks", &none, "--jwks", &set]), (Some(0), json!([])));
    assert_eq!(audit(&["--checkpoint", &kept, "--jwks", &none]), (Some(1), json!([kept])));
    assert_eq!(audit(&["--checkpoint", &forged, "--jwks", &set]), (Some(1), json!([forged])));
    assert_eq!(audit(&["--checkpoint", &forged]).0, Some(0), "without a key set nobody looks at it");
    assert_eq!(audit(&["--checkpoint", &kept, "--jwks", &kept]).0, Some(2));
    assert_eq!(audit(&["--jwks", &set]).0, Some(2));
}

/// An old copy of the database is put in place. What was published says so, until an operator accepts it, while the service runs.
#[test]
fn an_old_backup_in_place_of_the_log_is_refused_until_it_is_accepted() {
    let mut rewound = Rewound::new();
    deposit(&rewound.service, "b2").is(201);
    deposit(&rewound.service, "b3").is(201);
    rewound.accept("nothing is wrong", "key-1").refuses(409, "log.continues");
    let (size, published) = rewound.publish();
    let elsewhere = rewound.old.path().join("checkpoint");
    std::fs::write(&elsewhere, published).unwrap();
    let audit = |rewound: &Rewound| {
        Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["broker", "ledger", "audit", "--checkpoint"])
            .arg(&elsewhere)
            .arg("--data")
            .arg(rewound.service.data())
            .output()
            .unwrap()
    };
    assert!(audit(&rewound).status.success());
    rewound.put_back();
    rewound.service.run();
    let service = &rewound.service;
    deposit(service, "b2").refuses(503, "log.rewound");
    service.get("/v1/accounts/agent.example", &service.token).is(200);
    assert_eq!(audit(&rewound).status.code(), Some(1));
    // It does not become right by growing: what is published by this log is not what was.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(rewound.kept(), size);

    // On the command line, with the service at work.
    let accept = |key: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["--json", "broker", "log", "accept", "--memo", "the disk was lost", "--allow-loopback"])
            .args(["--idempotency-key", key, "--broker", &service.issuer])
            .env("IMAGXP_OPERATOR_TOKEN", &service.token)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, text) = accept("accept-0000000001");
    assert_eq!(code, Some(0), "{text}");
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&event["kind"], &event["actor"]), (&json!("log.accepted"), &json!("operator:dev")));
    assert_eq!(event["body"]["missing_size"], size.to_string(), "{event}");
    deposit(service, "b2").is(201);
    assert_eq!(accept("accept-0000000001"), (code, text), "asked again, the same is answered");
    let (code, text) = accept("accept-0000000002");
    assert!(code == Some(1) && text.contains("log.continues"), "{text}");
    let aside = format!("checkpoint-set-aside-{size}-");
    let names = || std::fs::read_dir(service.data()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names().any(|name| name.to_string_lossy().starts_with(&aside)));

    // It is followed from here on, and stays accepted over a restart.
    rewound.publish();
    rewound.service.stop();
    rewound.service.run();
    deposit(&rewound.service, "b4").is(201);
    let log = rewound.service.get("/v1/log/verify", &rewound.service.token).is(200);
    assert_eq!(log["ok"], true, "{log}");
}

/// A log of the same length that says something else is noticed by its entries.
#[test]
fn another_history_in_place_of_the_log_is_refused() {
    let mut rewound = Rewound::new();
    deposit(&rewound.service, "b2").is(201);
    rewound.publish();
    let checkpoint = std::fs::read(rewound.checkpoint()).unwrap();
    rewound.put_back();
    std::fs::remove_file(rewound.checkpoint()).unwrap();
    rewound.service.run();
    deposit(&rewound.service, "x2").is(201);
    deposit(&rewound.service, "x3").is(201);
    rewound.service.stop();
    std::fs::write(rewound.checkpoint(), checkpoint).unwrap();
    for args in [["broker", "settle"].as_slice(), &["operator", "add", "ann"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        let output = command.args(args).arg("--data").arg(rewound.service.data()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("log.rewound"), "{args:?}: {text}");
    }
    rewound.service.run();
    until("another log is not noticed", || deposit(&rewound.service, "x3").0.status != 200);
    deposit(&rewound.service, "x4").refuses(503, "log.rewound");
}

/// Commands write to it no more than the service does.
#[test]
fn commands_leave_a_log_that_has_gone_back_as_it_is() {
    let mut rewound = Rewound::new();
    deposit(&rewound.service, "b2").is(201);
    rewound.publish();
    rewound.put_back();
    let run = |rewound: &Rewound, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
        let output = command.args(args).arg("--data").arg(rewound.service.data()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let entries = |rewound: &Rewound| {
        let file = rusqlite::Connection::open(rewound.service.data().join("ledger.db")).unwrap();
        file.query_row("SELECT size FROM head", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = entries(&rewound);
    let (code, text) = run(&rewound, &["broker", "settle"]);
    assert!(code != Some(0) && text.contains("log.rewound"), "{text}");
    // Who comes and goes, comes and goes: the log is told when it is taken for the right one.
    for args in [["operator", "add", "ann"], ["operator", "remove", "ann"], ["operator", "add", "bob"]] {
        let (code, text) = run(&rewound, &args);
        assert!(code == Some(0) && text.contains("log.rewound"), "{args:?}: {text}");
    }
    assert_eq!(entries(&rewound), before);
    rewound.service.run();
    rewound.accept("the disk was lost", "key-1").is(200);
    until("the log does not know who has come", || {
        let log = rewound.service.get("/v1/log/entries?limit=500", &rewound.service.token).is(200);
        log["entries"].as_array().unwrap().iter().any(|entry| entry["event"]["body"]["operator"] == "bob")
    });
}

/// What was published is kept within seconds, also when the log cannot be read just then.
#[test]
fn a_published_checkpoint_outlasts_a_reading_that_fails() {
    let rewound = Rewound::new();
    // The first round keeps one by itself, and the next such round is a minute later.
    until("no checkpoint is kept", || rewound.kept() > 0);
    deposit(&rewound.service, "b2").is(201);
    let size = rewound.size();
    let database = rusqlite::Connection::open(rewound.service.data().join("ledger.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    rewound.service.send("GET", "/v1/log/checkpoint", &[], b"");
    database.execute_batch("ALTER TABLE head RENAME TO elsewhere").unwrap();
    until("the log can still be read", || {
        rewound.service.log.lock().unwrap().contains("the log cannot be compared now")
    });
    database.execute_batch("ALTER TABLE elsewhere RENAME TO head").unwrap();
    until("the checkpoint is forgotten", || rewound.kept() >= size);
}
