//! That the databases themselves keep what must hold: statements that no program of ours sends, on both.

use crate::ledger::{Address, Ledger, Options, open_writer};
use crate::sql::Sql;
use crate::support;
use crate::value::Value;
use imagxp_broker::*;
use imagxp_database::{ErrorKind, Result};
use std::sync::Arc;
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;

fn everywhere(test: impl Fn(&Address)) {
    let folder = TempDir::new().unwrap();
    test(&Address::Sqlite(folder.path().join("ledger.db")));
    if let Some(server) = support::Postgres::shared() {
        test(&Address::parse(&server.database()).unwrap());
    }
}

fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

/// Two owners, one visa that is settled and one that is open.
fn fill(address: &Address) {
    let ledger = Ledger::open(address, Options::default(), NOW).unwrap();
    for (to, units) in [("a", 100), ("b", 50)] {
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: owner(to),
            amount: Amount::from_units(units),
            reference: Reference::parse(to).unwrap(),
            memo: None,
        };
        ledger.submit_and_wait(Request::new(deposit, Actor::Operator(owner("o")), NOW)).unwrap();
    }
    for settle in [true, false] {
        let issue = IssueVisa {
            jti: None,
            agent: owner("a"),
            publisher: owner("b"),
            asset: Asset::USD,
            amount: Amount::from_units(10),
            jkt: None,
            purposes: None,
            paths: None,
            lifetime_s: 600,
        };
        let visa =
            ledger.submit_and_wait(Request::new(issue, Actor::Party(owner("a")), NOW)).unwrap().visa.unwrap();
        if settle {
            let late = NOW + 3_600_000;
            ledger.submit_and_wait(Request::new(Due { jti: visa.jti }, Actor::Clock, late)).unwrap();
        }
    }
    ledger.close();
}

/// Whether the database takes a statement; nothing of it stays.
fn taken(sql: &mut dyn Sql, statement: &str, parameters: &[Value]) -> Result<bool> {
    sql.begin_write()?;
    if statement.starts_with("INSERT INTO transfer") {
        sql.execute(
            "INSERT INTO leaf (seq, hash, subtrees) SELECT seq + 1024, hash, subtrees FROM leaf",
            &[],
        )?;
    }
    let result = sql.execute(statement, parameters);
    sql.rollback();
    match result {
        Ok(changed) => {
            assert!(changed > 0, "it was about no row: {statement}");
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::Failed => Ok(false),
        Err(error) => Err(error),
    }
}

/// A post or void of the open visa, with these expressions in place.
fn resolution(id: &str, phase: &str, debit: &str, credit: &str) -> String {
    format!(
        "INSERT INTO transfer (seq, id, asset, code, phase, pending_id, debit, credit, amount, actor, created_at) \
         SELECT seq + 1024, {id}, asset, code, '{phase}', id, {debit}, {credit}, $1, actor, created_at FROM transfer p \
         WHERE phase = 'pending' AND NOT EXISTS (SELECT 1 FROM transfer r WHERE r.pending_id = p.id)"
    )
}

#[test]
fn what_must_hold_is_held_by_the_database() {
    everywhere(|address| {
        fill(address);
        let mut writer = open_writer(address, &Options::default(), NOW).unwrap();
        let sql = writer.sql().unwrap();
        let mut takes = |statement: &str, parameters: &[Value]| taken(sql, statement, parameters).unwrap();
        let units = |units| Value::Units(units);
        // What is legal is taken: the statements are what they seem.
        let account = "UPDATE account SET version = version + 1, debits_pending = $1 WHERE owner = 'a'";
        assert!(!takes(account, &[units(20)]), "a balance without a transfer");
        let post = resolution("debit", "post", "debit", "credit");
        assert!(takes(&post, &[units(10)]));
        assert!(takes(&post, &[units(1)]));
        let void = resolution("debit", "void", "debit", "credit");
        assert!(takes(&void, &[units(10)]));
        assert!(takes(
            "UPDATE visa SET state = 'REDEEMED', version = version + 1 WHERE state = 'ISSUED'",
            &[]
        ));
        assert!(takes("UPDATE head SET size = size + 1", &[]));

        // The time of the log.
        let later = Value::Int(NOW + 3_600_000);
        assert!(!takes("UPDATE head SET last_at = last_at - 1", &[]), "back by itself");
        let leaf = "INSERT INTO leaf (seq, hash, subtrees) SELECT seq + 1024, hash, subtrees FROM leaf WHERE seq < 3";
        let event = |seq: u32, kind: &str, actor: &str| {
            format!(
                "INSERT INTO event (seq, kind, actor, created_at, body) VALUES ({seq}, '{kind}', '{actor}', $1, '')"
            )
        };
        let put_back = "UPDATE head SET size = 1027, last_at = last_at - 1";
        let disputed = event(1024, "clock.disputed", "operator:o");
        for (first, second, taken) in [
            (Some("operator:o"), "operator:p", true),
            (Some("operator:o"), "operator:o", false),
            (None, "operator:p", false),
        ] {
            let mut all = || -> Result<()> {
                sql.begin_write()?;
                sql.execute(leaf, &[])?;
                if first.is_some() {
                    sql.execute(&disputed, std::slice::from_ref(&later))?;
                }
                sql.execute(&event(1025, "clock.reset", second), &[Value::Int(NOW)])?;
                sql.execute(put_back, &[]).map(drop)
            };
            let done = all();
            sql.rollback();
            assert_eq!(done.is_ok(), taken, "{first:?} {second} {done:?}");
        }
        let mut takes = |statement: &str, parameters: &[Value]| taken(sql, statement, parameters).unwrap();

        // Balances.
        assert!(!takes(account, &[units(101)]), "overdrawn");
        assert!(!takes(account, &[units(u128::MAX)]), "overdrawn by more than a number holds");
        for lower in ["credits_posted", "debits_posted"] {
            let statement = format!(
                "UPDATE account SET version = version + 1, {lower} = $1 WHERE kind = 'OUTSIDE' OR owner = 'a'"
            );
            assert!(!takes(&statement, &[units(0)]), "{lower}");
        }
        assert!(
            !takes("UPDATE account SET debits_pending = $1 WHERE owner = 'a'", &[units(1)]),
            "the same version"
        );
        assert!(!takes("UPDATE account SET version = version + 1, owner = 'c' WHERE owner = 'a'", &[]));
        assert!(!takes("UPDATE account SET version = version + 1, kind = 'OUTSIDE' WHERE owner = 'a'", &[]));
        assert!(!takes("UPDATE account SET version = version + 1, frozen = 2 WHERE owner = 'a'", &[]));
        // Pending transfers.
        assert!(!takes(&post, &[units(11)]), "more than is pending");
        assert!(!takes(&post, &[units(0)]), "nothing");
        assert!(!takes(&void, &[units(9)]), "a part is not voided");
        assert!(
            !takes(&resolution("debit", "post", "credit", "debit"), &[units(10)]),
            "between other accounts"
        );
        assert!(
            !takes(&resolution("debit", "single", "debit", "credit"), &[units(10)]),
            "of no phase that resolves"
        );
        assert!(!takes(&resolution("debit", "later", "debit", "credit"), &[units(10)]), "of no phase");
        assert!(!takes(&resolution("id", "post", "debit", "credit"), &[units(10)]), "an id twice");
        assert!(!takes(&resolution("debit", "post", "debit", "id"), &[units(10)]), "to no account");
        assert!(
            !takes(
                "INSERT INTO transfer (seq, id, asset, code, phase, pending_id, debit, credit, amount, actor, created_at) \
             SELECT seq + 1024, debit, asset, code, phase, pending_id, debit, credit, amount, actor, created_at \
             FROM transfer WHERE phase = 'void'",
                &[],
            ),
            "resolved twice"
        );
        // What was written stays.
        for table in ["head", "account", "transfer", "visa", "event", "leaf"] {
            assert!(!takes(&format!("DELETE FROM {table}"), &[]), "{table}");
        }
        for (change, why) in [
            ("'EUR', 'DEPOSIT', 'single', credit, debit", "another asset"),
            ("asset, 'DEPOSIT', 'single', credit, debit", "the wrong way"),
            ("asset, 'WITHDRAW', 'pending', debit, credit", "from outside"),
            ("asset, 'DEPOSIT', 'pending', debit, credit", "pending"),
            ("asset, 'DEPOSIT', 'single', debit, credit", "the same booking"),
        ] {
            let statement = format!(
                "INSERT INTO transfer (seq, id, asset, code, phase, debit, credit, amount, reference, actor, created_at) \
                 SELECT seq + 1024, debit, {change}, $1, reference, actor, created_at FROM transfer WHERE code = 'DEPOSIT'"
            );
            assert!(!takes(&statement, &[units(1)]), "{why}");
        }
        let booking = "INSERT INTO transfer (seq, id, asset, code, phase, debit, credit, amount, reference, actor, created_at) \
             SELECT seq + 1024, credit, asset, code, phase, debit, credit, $1, 'new' || reference, actor, created_at FROM transfer \
             WHERE code = 'DEPOSIT'";
        assert!(takes(booking, &[units(1)]));
        assert!(!takes(&booking.replace("seq + 1024", "seq + 5120"), &[units(1)]), "without a leaf");
        assert!(!takes("DELETE FROM once", &[]), "the booking could be booked again");
        assert!(!takes("UPDATE once SET name = 'x'", &[]));
        assert!(
            !takes(
                "INSERT INTO event SELECT t.seq, 'x', NULL, NULL, actor, created_at, '{}' FROM transfer t",
                &[]
            ),
            "the number of a transfer"
        );
        assert!(!takes("UPDATE transfer SET memo = 'x'", &[]));
        assert!(!takes("UPDATE transfer SET seq = seq", &[]));
        assert!(!takes("UPDATE event SET body = '{}'", &[]));
        assert!(!takes("UPDATE leaf SET hash = hash", &[]));
        assert!(!takes("UPDATE head SET size = size - 1", &[]));
        assert!(!takes(
            "INSERT INTO head (id, size, nodes, last, last_at) SELECT 2, size, nodes, last, last_at FROM head",
            &[]
        ));
        assert!(!takes("UPDATE visa SET agent = 'x', version = version + 1", &[]));
        assert!(!takes("UPDATE visa SET amount = $1, version = version + 1", &[units(1)]));
        assert!(!takes(
            "UPDATE visa SET state = 'ISSUED', version = version + 1 WHERE state = 'EXPIRED'",
            &[]
        ));
        assert!(!takes("UPDATE visa SET state = 'LOST', version = version + 1 WHERE state = 'ISSUED'", &[]));
        if matches!(address, Address::Postgres(_)) {
            for table in ["head", "account", "transfer", "visa", "event", "leaf", "once"] {
                sql.begin_write().unwrap();
                assert!(sql.script(&format!("TRUNCATE {table} CASCADE")).is_err(), "{table}");
                sql.rollback();
            }
        }
    });
}

/// Nobody takes out alone what is somebody else's.
#[test]
fn a_withdrawal_is_posted_by_another_operator() {
    everywhere(|address| {
        fill(address);
        let ledger = Ledger::open(address, Options::default(), NOW).unwrap();
        let withdraw = Withdraw {
            id: None,
            asset: Asset::USD,
            owner: owner("b"),
            amount: Amount::from_units(10),
            reference: None,
            memo: None,
        };
        ledger.submit_and_wait(Request::new(withdraw, Actor::Operator(owner("o")), NOW)).unwrap();
        ledger.close();
        let mut writer = open_writer(address, &Options::default(), NOW).unwrap();
        let sql = writer.sql().unwrap();
        for (phase, actor, expected) in
            [("post", "operator:o", false), ("void", "operator:o", true), ("post", "operator:p", true)]
        {
            let statement = resolution("debit", phase, "debit", "credit")
                .replace("$1, actor", &format!("$1, '{actor}'"))
                + " AND p.code = 'WITHDRAW'";
            assert_eq!(taken(sql, &statement, &[Value::Units(10)]).unwrap(), expected, "{phase} by {actor}");
        }
    });
}

#[test]
fn schemas_are_checked_when_they_are_opened() {
    let altered: [&[&str]; 5] = [
        &["INSERT INTO migration SELECT version + 100, checksum, fingerprint, applied_at FROM migration"],
        &["UPDATE migration SET checksum = fingerprint_of"],
        &["DROP TRIGGER transfer_stays ON transfer", "DROP TRIGGER transfer_stays"],
        &["ALTER TABLE account ADD COLUMN note text"],
        &["DROP INDEX transfer_resolves_once"],
    ];
    for statements in altered {
        everywhere(|address| {
            Ledger::open(address, Options::default(), NOW).unwrap().close();
            // The same again is nothing new.
            Ledger::open(address, Options::default(), NOW).unwrap().close();
            let is_postgres = matches!(address, Address::Postgres(_));
            let mut statement =
                if is_postgres { statements[0] } else { statements[statements.len() - 1] }.to_owned();
            statement = statement
                .replace("fingerprint_of", if is_postgres { "sha256('other')" } else { "zeroblob(32)" });
            if is_postgres && statement.starts_with("DROP INDEX") {
                return;
            }
            open_writer(address, &Options::default(), NOW)
                .unwrap()
                .sql()
                .unwrap()
                .script(&statement)
                .unwrap();
            let error = Ledger::open(address, Options::default(), NOW).unwrap_err();
            assert_eq!(error.code(), "storage.schema", "{statement}: {error}");
        });
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let error = Ledger::open(&Address::Sqlite(path.clone()), Options::default(), NOW).unwrap_err();
    assert_eq!(error.code(), "storage.schema", "a database of another program: {error}");
    std::fs::write(&path, vec![0x77; 8192]).unwrap();
    let error = Ledger::open(&Address::Sqlite(path), Options::default(), NOW).unwrap_err();
    assert_eq!(error.code(), "storage.damaged", "no database: {error}");
    let nowhere = Address::Sqlite(folder.path().join("no/such/folder.db"));
    assert_eq!(Ledger::open(&nowhere, Options::default(), NOW).unwrap_err().code(), "storage.unavailable");
    let nobody = Address::parse("host=/nonexistent user=x password=s3cret dbname=y").unwrap();
    let error = Ledger::open(&nobody, Options::default(), NOW).unwrap_err();
    assert_eq!(error.code(), "storage.unavailable");
    assert!(!format!("{error:?} {nobody:?}").contains("s3cret"));
}

/// A program that does not know our functions cannot write balances: it fails closed.
#[test]
fn strangers_read_a_sqlite_ledger_and_write_no_balances() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.db");
    fill(&Address::Sqlite(path.clone()));
    let stranger = rusqlite::Connection::open(&path).unwrap();
    let count: i64 = stranger.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 3);
    assert!(
        stranger
            .execute("UPDATE account SET version = version + 1, debits_pending = debits_pending", [])
            .is_err()
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "its owner's alone");
    }
}

/// One request that the database does not take is refused; those that waited with it are done. And a database that is gone answers
/// `store.busy`, and works again when it is back.
#[test]
fn a_database_that_comes_back_is_used_again() {
    let Some(mut server) = support::Postgres::start() else { return };
    let address = Address::parse(&server.database()).unwrap();
    let reports = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&reports);
    let options = Options {
        report: Some(Arc::new(move |_| _ = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed))),
        ..Options::default()
    };
    let ledger = Ledger::open(&address, options, NOW).unwrap();
    let deposit = |number: u32| {
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: owner("a"),
            amount: Amount::from_units(1),
            reference: Reference::parse(&format!("d{number}")).unwrap(),
            memo: None,
        };
        Request::new(deposit, Actor::Operator(owner("o")), NOW)
    };
    ledger.submit_and_wait(deposit(1)).unwrap();
    drop(ledger.read().unwrap());
    server.restart_after(|| {
        let refusal = ledger.submit_and_wait(deposit(2)).unwrap_err();
        assert_eq!(refusal.code(), RefusalCode::StoreBusy);
        assert!(reports.load(std::sync::atomic::Ordering::Relaxed) > 0);
    });
    let begin = std::time::Instant::now();
    let mut number = 2;
    loop {
        match ledger.submit_and_wait(deposit(number)) {
            Ok(_) => break,
            Err(refusal) => assert_eq!(refusal.code(), RefusalCode::StoreBusy),
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(20));
        number += 1;
    }
    // The same again: nobody knew whether it was done, now it is known.
    for again in 1..=number {
        ledger.submit_and_wait(deposit(again)).unwrap();
    }
    let size = loop {
        // A connection that was lost is not given out twice.
        match ledger.read().and_then(|mut reading| reading.head()) {
            Ok(head) => break head.size,
            Err(error) => assert_eq!(error.code(), "storage.unavailable"),
        }
    };
    assert_eq!(size, u64::from(number));
    assert!(ledger.audit_full().unwrap().is_sound());
    ledger.close();
}
