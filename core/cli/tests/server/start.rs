//! What keeps the service from starting, and what it finds when it starts.

use crate::deal::Deal;
use crate::service::Service;
use crate::support::Postgres;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn serve(data: &Path, sets: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagxp"));
    command.args(["serve", "--dev", "--issuer", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]);
    command.args(["--admin-listen", "127.0.0.1:0", "--data"]).arg(data);
    for set in sets {
        command.args(["--set", set]);
    }
    command.output().unwrap()
}

#[test]
fn an_asset_keeps_its_scale() {
    let mut service = Service::start(&["--set", "money.assets=USD:6,EUR:2"]);
    Deal::new(&service);
    service.stop();
    for assets in ["money.assets=USD:2,EUR:2", "money.assets=USD:6", "money.assets=EUR:2,JPY:0"] {
        let output = serve(service.data(), &[assets]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains("assets.changed"), "{assets} {text}");
    }
    // Who names no asset means the first: another one would be other money, and the bank's reference would count once more.
    let turned = |data: &Path| String::from_utf8(serve(data, &["money.assets=EUR:2,USD:6"]).stderr).unwrap();
    let text = turned(service.data());
    assert!(text.contains("assets.changed") && text.contains("begins with `EUR`"), "{text}");
    // A ledger from before does not say which is the first: it is the one that is configured now.
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    assert_eq!(file.execute("DELETE FROM shared WHERE name = 'assets.first'", []).unwrap(), 1);
    drop(file);
    service.run();
    service.stop();
    assert!(turned(service.data()).contains("assets.changed"));
    // A folder from before has a file of them, which moves into the database.
    std::fs::write(service.data().join("assets.json"), r#"{"USD":6,"EUR":2}"#).unwrap();
    service.run();
    service.get("/v1/money", &service.token).is(200);
    assert!(!service.data().join("assets.json").exists());
}

#[test]
fn servers_without_a_common_folder_share_the_assets() {
    let Some(postgres) = Postgres::shared() else { return };
    let database = format!("database.url={}", postgres.database());
    let service = Service::start(&["--set", &database, "--set", "money.assets=USD:6"]);
    let folder = tempfile::tempdir().unwrap();
    let output = serve(folder.path(), &[&database, "money.assets=USD:2"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("assets.changed"), "{text}");
    service.get("/v1/money", &service.token).is(200);
}

#[test]
fn an_issuer_that_no_client_reaches_is_refused() {
    for issuer in ["https://192.0.2.1", "https://[2001:db8::1]:8443", "https://127.1"] {
        let output = Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["config", "check", "--set", &format!("issuer={issuer}")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && text.contains("config.invalid: `issuer`"),
            "{issuer} {text}"
        );
    }
}

#[test]
fn a_balance_that_no_transfer_explains_is_found() {
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    deal.deposit(&service, "1", "more").is(201);
    service.stop();
    // Somebody with access to the file makes the agent richer, and the outside poorer by as much: the sum is nothing, still.
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    let rich = 1_000_000_000_u128.to_be_bytes();
    for (kind, column) in [("AVAILABLE", "credits_posted"), ("OUTSIDE", "debits_posted")] {
        let triggers: Vec<(String, String)> = {
            let mut select = file
                .prepare(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'account'",
                )
                .unwrap();
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        for (name, _) in &triggers {
            file.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        file.pragma_update(None, "ignore_check_constraints", true).unwrap();
        let update = format!("UPDATE account SET {column} = ?1, version = version + 1 WHERE kind = '{kind}'");
        assert_eq!(file.execute(&update, [rich]).unwrap(), 1);
        for (_, sql) in &triggers {
            file.execute_batch(sql).unwrap();
        }
    }
    drop(file);
    service.run();
    let until = Instant::now() + Duration::from_secs(10);
    while service.get("/v1/money", &service.token).is(200)["writable"] == true {
        assert!(Instant::now() < until, "nothing was found");
        std::thread::sleep(Duration::from_millis(50));
    }
    deal.deposit(&service, "1", "another").refuses(503, "ledger.broken");
    let check = service.get("/v1/log/verify", &service.token).is(200);
    assert_eq!(check["ok"], false, "{check}");
}

#[test]
fn a_check_refuses_what_serving_would_and_shows_no_password() {
    let check = |set: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagxp"))
            .args(["config", "check", "--set", "issuer=https://broker.example", "--set", set])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    for set in [
        "verify.trusted=nonsense",
        "verify.trusted=0.0.0.0/0",
        "database.url=postgres://u@db:nonsense/x",
        "verify.policy=/nonexistent/policy.toml",
    ] {
        assert_eq!(check(set).0, Some(2), "{set}");
    }
    for url in [
        "host=db dbname=x user=me password=TOPSECRET",
        "postgres://u:TOP?SECRET@db/x",
        "postgres://u:TOP/SECRET@db/x",
        "postgres://u:TOPSECRET@db/x?password=TOPSECRET",
        "postgres://db/x?password=TOP@SECRET",
        "redis://:TOPSECRET@cache",
    ] {
        let name = if url.starts_with("redis") { "replay.url" } else { "database.url" };
        let (_, text) = check(&format!("{name}={url}"));
        assert!(!text.contains("TOP") && !text.contains("SECRET"), "{url} {text}");
    }
}

/// SIGHUP, which is what `systemctl reload` sends, also to a service that waits for its database.
#[test]
fn a_reload_while_it_starts_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("policy.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut process = Command::new(env!("CARGO_BIN_EXE_imagxp"))
        .args(["--json", "serve", "--dev", "--issuer", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .args(["--set", &format!("verify.policy={}", pipe.display())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let send = |signal: Signal, process: &_| kill_process(Pid::from_child(process), signal).unwrap();
    // The start waits for somebody who writes the policy; nobody can before it does.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    let begun = Instant::now();
    let mut policy = loop {
        match OpenOptions::new().write(true).custom_flags(nonblock).open(&pipe) {
            Ok(file) => break file,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    send(Signal::HUP, &process);
    let text = "version = 1\norigins = [\"http://127.0.0.1:8080\"]\nallow_loopback = true\n[purposes.SUMMARY]\nallow = true\n";
    policy.write_all(text.as_bytes()).unwrap();
    drop(policy);
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.contains("listen") {
        panic!("the service did not start: {line} {}", process.wait().unwrap());
    }
    send(Signal::TERM, &process);
    assert!(process.wait().unwrap().success());
}
