//! What somebody changes behind the ledger's back is refused by the database or found by the audit; what stands still does not stop the rest.

#![cfg(test)]

#[path = "support/mod.rs"]
mod support;

use imagxp_broker::*;
use imagxp_storage::{Address, Ledger, Options};
use std::path::Path;
use std::sync::Arc;
use support::Postgres;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;

fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

fn deposit(to: &str, units: u128, booking: &str) -> Request {
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner(to),
        amount: Amount::from_units(units),
        reference: Reference::parse(booking).unwrap(),
        memo: None,
    };
    Request::new(deposit, Actor::Operator(owner("alice")), NOW)
}

fn issue(asset: Asset, units: u128) -> Request {
    let issue = IssueVisa {
        jti: None,
        agent: owner("agent"),
        publisher: owner("pub"),
        asset,
        amount: Amount::from_units(units),
        jkt: None,
        purposes: None,
        paths: None,
        lifetime_s: 60,
    };
    Request::new(issue, Actor::Party(owner("agent")), NOW)
}

fn redeem(jti: Id) -> Request {
    Request::new(Redeem { jti, request_jkt: None }, Actor::Party(owner("pub")), NOW)
}

fn place() -> (TempDir, Ledger) {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&Address::Sqlite(folder.path().join("l.db")), Options::default(), NOW).unwrap();
    (folder, ledger)
}

/// Another program, which knows nothing of the broker.
fn stranger(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("l.db")).unwrap()
}

/// One who may alter the schema as well: the triggers of these tables are gone.
fn without_guards(folder: &TempDir, tables: &[&str]) -> rusqlite::Connection {
    let connection = stranger(folder);
    for table in tables {
        let mut names = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1")
            .unwrap();
        let names: Vec<String> =
            names.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for name in names {
            connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
    }
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    let covers = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("imagxp_covers", 3, covers, |_| Ok(true)).unwrap();
    connection
}

/// What the audit says, also when it cannot read a row.
fn is_sound(ledger: &Ledger) -> bool {
    match ledger.audit_full() {
        Ok(report) => report.is_sound(),
        Err(error) => {
            assert_eq!(error.code(), "storage.damaged");
            false
        }
    }
}

#[test]
fn a_deposit_is_not_booked_twice() {
    let (folder, ledger) = place();
    ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
    assert!(stranger(&folder).execute("DELETE FROM once WHERE scope = 'deposit'", []).is_err());
    assert!(is_sound(&ledger));
    let altered = without_guards(&folder, &["once"]);
    assert_eq!(altered.execute("DELETE FROM once WHERE scope = 'deposit'", []).unwrap(), 1);
    assert!(!is_sound(&ledger), "the booking could be booked again");
    assert!(ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).is_err());
    let accounts = ledger.read().unwrap().accounts(Some(&owner("agent")), None, 9).unwrap();
    assert_eq!(accounts[0].credits_posted.units(), 1000);
}

#[test]
fn the_terms_of_a_visa_are_in_the_log() {
    for change in [
        "row = replace(row, '\"fee_bps\":200', '\"fee_bps\":10000')",
        "row = replace(row, '\"redeemed_at\":null', '\"redeemed_at\":1')",
        "due_at = NULL",
        "state = 'REDEEMED'",
        "version = version + 9",
    ] {
        let (folder, ledger) = place();
        ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
        let jti = ledger.submit_and_wait(issue(Asset::USD, 1000)).unwrap().visa.unwrap().jti;
        assert!(is_sound(&ledger));
        assert!(
            stranger(&folder).execute("REPLACE INTO visa SELECT * FROM visa", []).is_err(),
            "no other program replaces a visa"
        );
        let altered = without_guards(&folder, &["visa"]);
        assert_eq!(altered.execute(&format!("UPDATE visa SET {change}"), []).unwrap(), 1);
        assert!(!is_sound(&ledger), "{change} of {jti}");
    }
}

#[test]
fn strangers_replace_nothing() {
    let (folder, ledger) = place();
    ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
    ledger.submit_and_wait(issue(Asset::USD, 10)).unwrap();
    let connection = stranger(&folder);
    for statement in [
        "UPDATE transfer SET memo = 'x'",
        "DELETE FROM leaf",
        "REPLACE INTO transfer SELECT seq, id, asset, code, phase, pending_id, debit, credit, amount, reference, 'forged', actor, created_at FROM transfer",
        "REPLACE INTO event SELECT * FROM event",
        "REPLACE INTO leaf SELECT * FROM leaf",
        "REPLACE INTO visa SELECT * FROM visa",
        "REPLACE INTO once SELECT * FROM once",
        "REPLACE INTO account SELECT * FROM account",
        "REPLACE INTO head VALUES (1, 0, x'', zeroblob(32), 0)",
        "UPDATE head SET last_at = 0",
    ] {
        assert!(connection.execute(statement, []).is_err(), "{statement}");
    }
    assert!(is_sound(&ledger));
}

/// Rows that are in no log: under the number of an event, and beyond the end.
#[test]
fn phantom_transfers_are_refused_and_found() {
    let phantoms = [
        "INSERT INTO transfer SELECT (SELECT max(seq) FROM event), randomblob(16), asset, code, 'void', id, debit, credit, amount, reference, \
         memo, actor, created_at FROM transfer WHERE phase = 'pending'",
        "INSERT INTO transfer SELECT 1000000, randomblob(16), asset, code, phase, NULL, debit, credit, amount, 'bank-9', memo, actor, created_at \
         FROM transfer WHERE code = 'DEPOSIT'",
        "INSERT INTO event SELECT 1000000, kind, jti, account, actor, created_at, body FROM event LIMIT 1",
        "INSERT INTO leaf SELECT 1000000, hash, subtrees FROM leaf WHERE seq = 0",
    ];
    for (number, phantom) in phantoms.into_iter().enumerate() {
        let (folder, ledger) = place();
        ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
        let jti = ledger.submit_and_wait(issue(Asset::USD, 400)).unwrap().visa.unwrap().jti;
        if number < 3 {
            assert!(stranger(&folder).execute(phantom, []).is_err(), "{phantom}");
            let late = Request::new(Due { jti }, Actor::Clock, NOW + HOUR);
            assert_eq!(ledger.submit_and_wait(late).unwrap().visa.unwrap().state, VisaState::Expired);
        }
        assert!(is_sound(&ledger));
        let altered = without_guards(&folder, &["transfer", "event"]);
        if number == 0 {
            altered.execute_batch("DROP INDEX transfer_resolves_once").unwrap();
        }
        assert_eq!(altered.execute(phantom, []).unwrap(), 1, "{phantom}");
        assert!(!is_sound(&ledger), "{phantom}");
    }
}

/// Visas of an asset that is no longer configured are settled, and one that is refused does not hold up the others.
#[test]
fn settlement_does_not_ask_the_configuration() {
    let folder = TempDir::new().unwrap();
    let address = Address::Sqlite(folder.path().join("l.db"));
    let eur = Asset::parse("EUR").unwrap();
    let rules = Rules { assets: Assets::new([(Asset::USD, 6), (eur, 6)]).unwrap(), fee_bps: 200 };
    let ledger = Ledger::open(&address, Options { rules, ..Options::default() }, NOW).unwrap();
    let mut euros = deposit("agent", 1_000_000, "x");
    if let Command::Deposit(deposit) = &mut euros.command {
        deposit.asset = eur;
    }
    ledger.submit_and_wait(euros).unwrap();
    ledger.submit_and_wait(deposit("agent", 1_000_000, "y")).unwrap();
    for asset in [eur, eur, eur, Asset::USD] {
        let jti = ledger.submit_and_wait(issue(asset, 1000)).unwrap().visa.unwrap().jti;
        ledger.submit_and_wait(redeem(jti)).unwrap();
    }
    ledger.close();
    let ledger = Ledger::open(&address, Options::default(), NOW).unwrap();
    let mut after = None;
    let mut settled = 0;
    loop {
        let page = ledger.read().unwrap().due(NOW + 30 * HOUR, after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for due in page {
            let request = Request::new(Due { jti: due.jti }, Actor::Clock, NOW + 30 * HOUR);
            assert_eq!(ledger.submit_and_wait(request).unwrap().visa.unwrap().state, VisaState::Released);
            settled += 1;
        }
    }
    assert_eq!(settled, 4);
    assert_eq!(ledger.submit_and_wait(issue(eur, 1)).unwrap_err().code(), RefusalCode::AssetUnknown);
    assert!(is_sound(&ledger));
}

#[test]
fn maintenance_does_not_lock_out() {
    let (folder, ledger) = place();
    ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
    ledger.close();
    stranger(&folder).execute_batch("ANALYZE").unwrap();
    let address = Address::Sqlite(folder.path().join("l.db"));
    Ledger::open(&address, Options::default(), NOW).unwrap().close();
}

/// One entry of another server's clock, a moment behind: the log's times do not go back, and a statement is whole.
#[test]
fn statements_do_not_depend_on_skew() {
    let (_folder, ledger) = place();
    let requests: Vec<_> = (0..700)
        .map(|number| {
            let mut request = deposit("agent", 1, &format!("b{number}"));
            request.now_ms = if number == 300 { NOW - 1 } else { NOW + number };
            ledger.submit(request).unwrap()
        })
        .collect();
    requests.into_iter().for_each(|request| drop(request.wait().unwrap()));
    let id = AccountKey::available(Asset::USD, owner("agent")).id();
    let statement = ledger.read().unwrap().period(None, id, NOW, NOW + 10_000, 10_000).unwrap().unwrap();
    assert_eq!((statement.transfers.len(), statement.opening, statement.closing), (700, 0, 700));
    assert!(is_sound(&ledger));
}

#[test]
fn a_fee_of_more_than_everything_is_refused() {
    let rules = Rules { fee_bps: 10_001, ..Rules::default() };
    let error = Ledger::open(&Address::Memory, Options { rules, ..Options::default() }, NOW).unwrap_err();
    assert_eq!(error.code(), "storage.config");
}

fn postgres() -> Option<(Arc<Postgres>, String)> {
    let server = Postgres::shared()?;
    let address = server.database();
    Some((server, address))
}

#[test]
fn a_database_without_its_guards_is_not_opened() {
    let altered = [
        "DROP INDEX transfer_resolves_once",
        "DROP INDEX transfer_deposit_once",
        "ALTER TABLE account DROP CONSTRAINT account_covered; ALTER TABLE account ADD CONSTRAINT account_covered CHECK (true)",
        "ALTER TABLE transfer DROP CONSTRAINT transfer_id_key; ALTER TABLE transfer ADD CONSTRAINT transfer_id_key UNIQUE (seq, id)",
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; DROP TRIGGER transfer_stays ON transfer; \
         CREATE TRIGGER transfer_stays BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION nothing()",
        "ALTER DOMAIN units DROP CONSTRAINT units_check",
        "ALTER TABLE transfer DISABLE TRIGGER transfer_fits",
    ];
    for statement in altered {
        let Some((_server, address)) = postgres() else { return };
        let parsed = Address::parse(&address).unwrap();
        Ledger::open(&parsed, Options::default(), NOW).unwrap().close();
        Ledger::open(&parsed, Options::default(), NOW).unwrap().close();
        let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
        client.batch_execute(statement).unwrap();
        let error = Ledger::open(&parsed, Options::default(), NOW).unwrap_err();
        assert_eq!(error.code(), "storage.schema", "{statement}");
    }
}

/// PostgreSQL adds up itself: no balance without its transfers, not even by one unit.
#[test]
fn no_balance_without_its_transfers() {
    let Some((_server, address)) = postgres() else { return };
    let ledger = Ledger::open(&Address::parse(&address).unwrap(), Options::default(), NOW).unwrap();
    ledger.submit_and_wait(deposit("agent", 1000, "b1")).unwrap();
    let mut client = postgres::Client::connect(&address, postgres::NoTls).unwrap();
    for statement in [
        "UPDATE account SET credits_posted = credits_posted + 1000000, version = version + 1 WHERE owner = 'agent'",
        "UPDATE account SET credits_pending = credits_pending + 1, version = version + 1 WHERE owner = 'agent'",
        "INSERT INTO account SELECT decode(repeat('11', 16), 'hex'), asset, kind, 'thief', reference, debits_pending, debits_posted, \
         credits_pending, credits_posted, frozen, closed, created_at, version FROM account WHERE owner = 'agent'",
    ] {
        assert!(client.execute(statement, &[]).is_err(), "{statement}");
    }
    assert!(is_sound(&ledger));
    // A transfer, and a balance that says more.
    let mut transaction = client.transaction().unwrap();
    transaction
        .batch_execute(
            "INSERT INTO leaf SELECT size, last, last FROM head; \
             INSERT INTO transfer SELECT h.size, decode(repeat('22', 16), 'hex'), asset, code, phase, NULL, debit, credit, 1, 'b2', memo, actor, \
             created_at FROM transfer, head h",
        )
        .unwrap();
    let more = "UPDATE account SET credits_posted = credits_posted + CASE WHEN kind = 'OUTSIDE' THEN 0 ELSE 2 END, \
                debits_posted = debits_posted + CASE WHEN kind = 'OUTSIDE' THEN 1 ELSE 0 END, version = version + 1";
    assert!(transaction.execute(more, &[]).is_err());
    drop(transaction);
    ledger.submit_and_wait(deposit("agent", 5, "b2")).unwrap();
    assert!(is_sound(&ledger));
}

/// A backup that was restored is audited as any other, and `restore` does not stumble over the guards.
#[test]
fn a_copy_is_as_guarded() {
    let (folder, ledger) = place();
    ledger.submit_and_wait(deposit("agent", 1000, "bank-1")).unwrap();
    let copy = folder.path().join("copy.db");
    ledger.backup_file(&copy).unwrap();
    assert!(Path::new(&copy).is_file());
    let connection = rusqlite::Connection::open(&copy).unwrap();
    assert!(connection.execute("DELETE FROM once", []).is_err());
}

/// Readers that overlap all the time do not let the write-ahead log grow without end.
#[test]
fn the_log_of_sqlite_stays_short() {
    let (folder, ledger) = place();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (ledger, stop) = (ledger.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut reading = ledger.read().unwrap();
                    let held = reading.consistent(|reading| {
                        let head = reading.head();
                        std::thread::sleep(std::time::Duration::from_millis(30));
                        head
                    });
                    held.unwrap();
                }
            })
        })
        .collect();
    let longest = (0..2000)
        .map(|number| {
            ledger.submit_and_wait(deposit("agent", 1, &format!("b{number}"))).unwrap();
            std::fs::metadata(folder.path().join("l.db-wal")).unwrap().len()
        })
        .max();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert!(longest.unwrap() < 40 << 20, "{longest:?}");
}
