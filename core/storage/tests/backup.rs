//! Backups of a ledger that is at work, restored into either database, and what is refused.

#![cfg(test)]

#[path = "support/mod.rs"]
mod support;

use imagxp_broker::*;
use imagxp_storage::operator::{Operator, Token, token_hash};
use imagxp_storage::{Address, Ledger, Options, backup};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use support::Postgres;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;

fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

fn open(address: &Address) -> Ledger {
    Ledger::open(address, Options::default(), NOW).unwrap()
}

fn deposit(number: usize) -> Request {
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner(&format!("agent{}.example", number % 7)),
        amount: Amount::from_units(u128::from(u64::MAX) * 3),
        reference: Reference::parse(&format!("bank-{number}")).unwrap(),
        memo: number.is_multiple_of(3).then(|| Memo::parse("„quoted“ \"and\" \\ more").unwrap()),
    };
    let key = Reference::parse(&format!("key-{number}")).unwrap();
    Request::new(deposit, Actor::Operator(owner("alice")), NOW).with_idempotency(key, [7; 32])
}

/// Deposits, a visa in each state that is reached without waiting, an operator.
fn fill(ledger: &Ledger) {
    (0..300).map(|number| ledger.submit(deposit(number)).unwrap()).collect::<Vec<_>>().into_iter().for_each(
        |ticket| {
            ticket.wait().unwrap();
        },
    );
    for number in 0..20 {
        let issue = IssueVisa {
            jti: None,
            agent: owner(&format!("agent{}.example", number % 7)),
            publisher: owner("pub.example"),
            asset: Asset::USD,
            amount: Amount::from_units(50_000 + number),
            jkt: None,
            purposes: None,
            paths: None,
            lifetime_s: 600,
        };
        let agent = Actor::Party(issue.agent.clone());
        let visa = ledger.submit_and_wait(Request::new(issue, agent, NOW)).unwrap().visa.unwrap();
        let publisher = Actor::Party(owner("pub.example"));
        match number % 3 {
            0 => {}
            1 => drop(
                ledger
                    .submit_and_wait(Request::new(
                        Redeem { jti: visa.jti, request_jkt: None },
                        publisher,
                        NOW,
                    ))
                    .unwrap(),
            ),
            _ => drop(
                ledger
                    .submit_and_wait(Request::new(Due { jti: visa.jti }, Actor::Clock, NOW + 3_600_000))
                    .unwrap(),
            ),
        }
    }
    let alice = Operator { name: "alice".into(), role: "admin".into(), created_at: NOW, disabled_at: None };
    let token = Token {
        hash: token_hash("secret"),
        operator: "alice".into(),
        label: "laptop".into(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
    };
    let filled = ledger.register(move |registry| {
        registry.end_session(&[7; 32], NOW + 1, NOW)?;
        registry.share("name", "value")?;
        Ok(registry.add_operator(&alice)? && registry.add_token(&token)?)
    });
    assert!(filled.unwrap());
}

fn dump(ledger: &Ledger) -> (Vec<u8>, backup::Summary) {
    let mut out = Vec::new();
    let summary = ledger.dump(&mut out, NOW).unwrap();
    (out, summary)
}

#[test]
fn a_dump_goes_from_any_database_into_any() {
    let folder = TempDir::new().unwrap();
    let mut addresses: Vec<Address> =
        (0..2).map(|number| Address::Sqlite(folder.path().join(format!("{number}.db")))).collect();
    let server = Postgres::shared();
    if let Some(server) = &server {
        addresses.extend((0..2).map(|_| Address::parse(&server.database()).unwrap()));
    }
    let first = open(&addresses[0]);
    fill(&first);
    let (original, summary) = dump(&first);
    assert_eq!((summary.visas, summary.accounts), (20, 9));
    assert_eq!(backup::verify(&mut original.as_slice(), NOW).unwrap(), summary);
    // Each is restored from the dump of the one before it, and dumps the same.
    let mut text = original.clone();
    for address in &addresses[1..] {
        assert_eq!(backup::restore(address, &mut text.as_slice(), NOW).unwrap(), summary, "{address:?}");
        let ledger = open(address);
        let again = dump(&ledger);
        assert_eq!(String::from_utf8(again.0.clone()).unwrap(), String::from_utf8(original.clone()).unwrap());
        text = again.0;
        // It goes on from there: what was done is known, what is new is taken.
        assert!(ledger.submit_and_wait(deposit(5)).unwrap().repeated);
        assert!(!ledger.submit_and_wait(deposit(1000)).unwrap().repeated);
        assert!(ledger.audit_full().unwrap().is_sound());
        let mut reading = ledger.read().unwrap();
        let mut registry = reading.registry().unwrap();
        assert_eq!(registry.tokens(Some("alice")).unwrap()[0].hash, token_hash("secret"));
        assert_eq!(registry.shared("name").unwrap().as_deref(), Some("value"));
        assert_eq!(registry.ended_sessions().unwrap(), [([7; 32], NOW + 1)]);
        drop(reading);
        ledger.close();
        let error = backup::restore(address, &mut text.as_slice(), NOW).unwrap_err();
        assert_eq!(error.code(), "storage.not_empty");
    }
    first.close();
}

#[test]
fn a_dump_that_was_altered_is_refused_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&Address::Memory);
    fill(&ledger);
    let (original, _) = dump(&ledger);
    let text = String::from_utf8(original).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let hashed = |lines: Vec<String>| {
        // As somebody would who knows the format: with a new hash at the end.
        use sha2::{Digest, Sha256};
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let sha256: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{body}{{\"end\":{{\"lines\":{},\"sha256\":\"{sha256}\"}}}}\n", lines.len())
    };
    let all: Vec<String> = lines[..lines.len() - 1].iter().map(|line| (*line).to_owned()).collect();
    let place = |what: &str| all.iter().position(|line| line.contains(what)).unwrap();
    let replace = |at: usize, from: &str, to: &str| {
        let mut lines = all.clone();
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replacen(from, to, 1);
        hashed(lines)
    };
    let without = |at: usize| {
        let mut lines = all.clone();
        lines.remove(at);
        hashed(lines)
    };
    assert!(backup::verify(&mut hashed(all.clone()).as_bytes(), NOW).is_ok());
    let cases = [
        (text.replacen("50001", "50002", 1), "storage.backup"),
        (lines[..lines.len() - 1].join("\n"), "storage.backup"),
        (replace(0, "\"version\":1", "\"version\":2"), "storage.backup"),
        (replace(0, "imagxp-ledger", "something"), "storage.backup"),
        (replace(place("\"table\":\"visa\""), "\"state\":\"", "\"state\":\"X"), "storage.backup"),
        (replace(place("\"table\":\"account\""), "\"row\"", "\"other\""), "storage.backup"),
        // What every row allows, and the sums do not.
        (replace(place("\"code\":\"DEPOSIT\""), "\"amount\":\"5", "\"amount\":\"6"), "storage.damaged"),
        (without(place("\"table\":\"visa\"")), "storage.damaged"),
        (without(place("\"table\":\"event\"")), "storage.damaged"),
        (without(place("\"table\":\"leaf\"")), "storage.backup"),
    ];
    for (number, (altered, code)) in cases.into_iter().enumerate() {
        assert_ne!(altered, text, "{number}");
        let address = Address::Sqlite(folder.path().join(format!("{number}.db")));
        let error = backup::restore(&address, &mut altered.as_bytes(), NOW).unwrap_err();
        assert_eq!(error.code(), code, "{number}: {error}");
        let ledger = open(&address);
        assert_eq!(ledger.read().unwrap().head().unwrap().size, 0, "{number}: nothing is left");
        assert_eq!(ledger.read().unwrap().accounts(None, None, 10).unwrap(), []);
        ledger.close();
    }
    ledger.close();
}

/// Copied while others write: whole, checked, and from one moment.
#[test]
fn a_file_is_copied_while_the_ledger_works() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&Address::Sqlite(folder.path().join("ledger.db")));
    fill(&ledger);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut number = 10_000;
            while !stop.load(Ordering::Relaxed) {
                ledger.submit_and_wait(deposit(number)).unwrap();
                number += 1;
            }
            number - 10_000
        });
        for round in 0..5 {
            let path = folder.path().join(format!("backup-{round}.db"));
            let summary = ledger.backup_file(&path).unwrap();
            assert!(summary.transfers >= 300);
            assert_eq!(ledger.backup_file(&path).unwrap_err().code(), "storage.not_empty");
            let target = folder.path().join(format!("restored-{round}.db"));
            assert_eq!(backup::restore_file(&path, &target, NOW).unwrap(), summary);
            let restored = open(&Address::Sqlite(target));
            assert!(restored.audit_full().unwrap().is_sound());
            assert!(restored.submit_and_wait(deposit(3)).unwrap().repeated);
            restored.close();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(worker.join().unwrap() > 5, "nobody was held up for long");
    });
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup"))
        .collect();
    assert_eq!(names.len(), 5, "one file each: {names:?}");
    // A page of the copy is destroyed.
    let path = folder.path().join("backup-0.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    let broken = folder.path().join("broken.db");
    std::fs::File::create(&broken).unwrap().write_all(&bytes).unwrap();
    let target = folder.path().join("never.db");
    assert_eq!(backup::restore_file(&broken, &target, NOW).unwrap_err().code(), "storage.damaged");
    assert!(!target.exists());
    std::fs::write(&broken, b"no database at all").unwrap();
    assert!(backup::restore_file(&broken, &target, NOW).is_err());
    assert!(!target.exists());
    ledger.close();
    let memory = open(&Address::Memory);
    assert_eq!(memory.backup_file(&target).unwrap_err().code(), "storage.config");
    memory.close();
}

/// A ledger that was killed leaves its write-ahead log: SQLite would play it into whatever has the file's name next.
#[test]
fn what_another_ledger_left_beside_the_file_is_not_restored_into() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.db");
    let address = Address::Sqlite(path.clone());
    let ledger = open(&address);
    fill(&ledger);
    let (text, backup) = (dump(&ledger).0, folder.path().join("backup.db"));
    ledger.backup_file(&backup).unwrap();
    ledger.submit_and_wait(deposit(1000)).unwrap();
    let companion = |suffix: &str| folder.path().join(format!("ledger.db{suffix}"));
    let wal = std::fs::read(companion("-wal")).unwrap();
    assert!(!wal.is_empty());
    ledger.close();
    std::fs::remove_file(&path).unwrap();
    for (suffix, left) in [("-wal", wal.as_slice()), ("-shm", &[]), ("-journal", &[])] {
        std::fs::write(companion(suffix), left).unwrap();
        for error in [
            backup::restore_file(&backup, &path, NOW).unwrap_err(),
            backup::restore(&address, &mut text.as_slice(), NOW).unwrap_err(),
        ] {
            assert_eq!(error.code(), "storage.not_empty", "{suffix}");
            assert!(error.to_string().contains(&format!("ledger.db{suffix}")), "{error}");
        }
        assert!(!path.exists(), "{suffix}");
        assert_eq!(std::fs::read(companion(suffix)).unwrap(), left, "nothing is removed either");
        std::fs::remove_file(companion(suffix)).unwrap();
    }
    // Without them it is restored, and so is a dump into an empty ledger, whatever is its own.
    backup::restore_file(&backup, &path, NOW).unwrap();
    let address = Address::Sqlite(folder.path().join("empty.db"));
    open(&address).close();
    backup::restore(&address, &mut text.as_slice(), NOW).unwrap();
    let ledger = open(&address);
    assert!(ledger.audit_full().unwrap().is_sound());
    ledger.close();
}
