//! Ledgers that older programs have written are brought up to date, or left as they are when they do not add up.

use crate::backup::restore_file;
use crate::backup::table::{Column, TABLES};
use crate::ledger::{Address, Ledger, Options, open_writer};
use crate::migration::Migrate;
use crate::postgres::Postgres;
use crate::sql::{Sql, writing};
use crate::sqlite::Sqlite;
use crate::support;
use crate::value::{Row, Value};
use imagxp_broker::*;
use imagxp_database::{ErrorKind, Result};
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;
/// How many migrations there were before leaves kept subtrees.
const BEFORE: usize = 3;

fn deposits(ledger: &Ledger, numbers: core::ops::Range<u64>) {
    for number in numbers {
        let deposit = Deposit {
            id: None,
            asset: Asset::USD,
            owner: Owner::parse("a").unwrap(),
            amount: Amount::from_units(5),
            reference: Reference::parse(&format!("d{number}")).unwrap(),
            memo: None,
        };
        let operator = Actor::Operator(Owner::parse("o").unwrap());
        ledger.submit_and_wait(Request::new(deposit, operator, NOW)).unwrap();
    }
}

/// Writes the rows of a ledger into the tables of an older program, as that would have.
fn copy(from: &mut dyn Sql, to: &mut dyn Sql) {
    writing(to, |to| {
        for table in TABLES {
            let (names, types): (Vec<&str>, Vec<&str>) =
                table.columns.iter().map(|(name, column)| (*name, column_type(*column))).unzip();
            let names = names.join(", ");
            let order = table.columns[0].0;
            let rows = from.query(&format!("SELECT {names} FROM {} ORDER BY {order}", table.name), &[])?;
            let read = |mut row: Row| {
                let value = |(_, column): &(&str, Column)| match column {
                    Column::Units => row.amount().map(Value::from),
                    _ => row.next(),
                };
                table.columns.iter().map(value).collect::<Result<Vec<_>>>()
            };
            to.insert(table.name, &names, &types, rows.into_iter().map(read).collect::<Result<_>>()?)?;
        }
        let mut head = from.first("SELECT size, nodes, last, last_at FROM head", &[])?.unwrap();
        let values: Vec<Value> = (0..4).map(|_| head.next()).collect::<Result<_>>()?;
        to.execute("UPDATE head SET size = $1, nodes = $2, last = $3, last_at = $4", &values).map(drop)
    })
    .unwrap();
}

const fn column_type(column: Column) -> &'static str {
    match column {
        Column::Int => "bigint",
        Column::Text => "text",
        Column::Bytes => "bytea",
        Column::Units => "numeric",
    }
}

fn everywhere(test: impl Fn(&Address)) {
    let folder = TempDir::new().unwrap();
    test(&Address::Sqlite(folder.path().join("ledger.db")));
    if let Some(server) = support::Postgres::shared() {
        test(&Address::parse(&server.database()).unwrap());
    }
}

/// A ledger of eleven entries at this address, in the tables of an older program.
fn old(address: &Address) -> (Vec<Leaf>, Box<dyn Sql>) {
    let folder = TempDir::new().unwrap();
    let source = Address::Sqlite(folder.path().join("source.db"));
    let ledger = Ledger::open(&source, Options::default(), NOW).unwrap();
    deposits(&ledger, 0..11);
    let leaves = ledger.read().unwrap().leaves(0, 100).unwrap();
    ledger.close();
    let mut older: Box<dyn Sql> = match address {
        Address::Postgres(address) => Box::new(Postgres::open_before(address, BEFORE).unwrap()),
        Address::Sqlite(path) => Box::new(Sqlite::open_before(path, BEFORE).unwrap()),
        Address::Memory => panic!("memory keeps nothing to bring up to date"),
    };
    copy(open_writer(&source, &Options::default(), NOW).unwrap().sql().unwrap(), &mut *older);
    (leaves, older)
}

#[test]
fn an_older_ledger_gets_the_subtrees_of_its_leaves() {
    everywhere(|address| {
        let (leaves, older) = old(address);
        drop(older);
        let ledger = Ledger::open(address, Options::default(), NOW).unwrap();
        assert_eq!(ledger.read().unwrap().leaves(0, 100).unwrap(), leaves);
        assert_eq!(leaves[7].subtrees.len(), 3);
        assert!(ledger.audit_full().unwrap().is_sound());
        if let Address::Sqlite(path) = address {
            let schema = rusqlite::Connection::open(path).unwrap();
            let lists = "SELECT count(*) FROM sqlite_schema WHERE name IN ('transfer', 'visa') AND sql LIKE '%IN (%,%,%'";
            assert_eq!(
                schema.query_row(lists, [], |row| row.get::<_, i64>(0)).unwrap(),
                0,
                "rules as they are checked quickly"
            );
        }
        // And goes on with them.
        deposits(&ledger, 11..16);
        assert_eq!(ledger.read().unwrap().leaves(15, 1).unwrap()[0].subtrees.len(), 4);
        assert!(ledger.audit_full().unwrap().is_sound());
        ledger.close();
        Ledger::open(address, Options::default(), NOW).unwrap().close();
    });
}

/// A copy of the pages that an older program has made is brought up to date before it is checked: the audit reads the tables of this one.
#[test]
fn a_file_of_an_older_program_is_restored() {
    let folder = TempDir::new().unwrap();
    let (backup, path) = (folder.path().join("backup.db"), folder.path().join("ledger.db"));
    let (leaves, older) = old(&Address::Sqlite(backup.clone()));
    drop(older);
    let before = std::fs::read(&backup).unwrap();
    let summary = restore_file(&backup, &path, NOW).unwrap();
    assert_eq!((summary.head.size, summary.transfers), (11, 11));
    assert_eq!(std::fs::read(&backup).unwrap(), before, "the backup stays as it is");
    let address = Address::Sqlite(path);
    let ledger =
        Ledger::open(&address, Options { migrate: Migrate::Never, ..Options::default() }, NOW).unwrap();
    assert_eq!(ledger.read().unwrap().leaves(0, 100).unwrap(), leaves);
    deposits(&ledger, 11..13);
    assert!(ledger.audit_full().unwrap().is_sound());
    ledger.close();
    // One that does not add up is put nowhere.
    let (backup, path) = (folder.path().join("wrong.db"), folder.path().join("never.db"));
    let (_, mut older) = old(&Address::Sqlite(backup.clone()));
    older.script("UPDATE head SET size = 13").unwrap();
    drop(older);
    assert_eq!(restore_file(&backup, &path, NOW).unwrap_err().kind(), ErrorKind::Damaged);
    assert!(!path.exists());
}

/// An older program may be at work on it.
#[test]
fn an_older_ledger_stays_as_it_is_when_nobody_may_migrate() {
    everywhere(|address| {
        let open = |migrate| Ledger::open(address, Options { migrate, ..Options::default() }, NOW);
        let refused = |migrate, why: &str| {
            let error = open(migrate).unwrap_err();
            assert!(error.kind() == ErrorKind::Schema && error.message().contains(why), "{why}: {error}");
        };
        if let Address::Sqlite(path) = address {
            assert_eq!(open(Migrate::Never).unwrap_err().kind(), ErrorKind::Unavailable, "there is no file");
            assert!(!path.exists());
            std::fs::write(path, []).unwrap();
            refused(Migrate::Never, "no ledger");
            std::fs::remove_file(path).unwrap();
        } else {
            refused(Migrate::Never, "no ledger yet");
        }
        let (_, mut older) = old(address);
        for migrate in [Migrate::Never, Migrate::WhenEmpty] {
            refused(migrate, &format!("it has {BEFORE} migrations of "));
        }
        assert_eq!(older.query("SELECT 1 FROM migration", &[]).unwrap().len(), BEFORE);
        drop(older);
        open(Migrate::Always).unwrap().close();
        for migrate in [Migrate::Never, Migrate::WhenEmpty] {
            let ledger = open(migrate).unwrap();
            assert!(ledger.audit_full().unwrap().is_sound());
            ledger.close();
        }
    });
}

#[test]
fn an_empty_database_gets_its_tables() {
    everywhere(|address| {
        let options = || Options { migrate: Migrate::WhenEmpty, ..Options::default() };
        let ledger = Ledger::open(address, options(), NOW).unwrap();
        deposits(&ledger, 0..1);
        ledger.close();
    });
}

#[test]
fn an_older_ledger_that_does_not_add_up_stays_as_it_is() {
    everywhere(|address| {
        let (_, mut older) = old(address);
        for spoil in ["UPDATE head SET size = 13", "UPDATE head SET size = 16, nodes = last"] {
            older.script(spoil).unwrap();
            let error = Ledger::open(address, Options::default(), NOW).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{spoil}: {error}");
            assert_eq!(older.query("SELECT 1 FROM migration", &[]).unwrap().len(), BEFORE, "{spoil}");
        }
    });
}
