//! The ledger's clock on every database: memory, SQLite, PostgreSQL.

#![cfg(test)]

#[path = "support/mod.rs"]
mod support;

use imagxp_broker::*;
use imagxp_storage::{Address, Clock, Ledger, Options, backup};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::Postgres;
use tempfile::TempDir;

const HOUR: i64 = 3_600_000;
const YEAR: i64 = 365 * 24 * HOUR;

fn everywhere(test: impl Fn(&Address)) {
    test(&Address::Memory);
    let folder = TempDir::new().unwrap();
    test(&Address::Sqlite(folder.path().join("ledger.db")));
    if let Some(server) = Postgres::shared() {
        test(&Address::parse(&server.database()).unwrap());
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn open(address: &Address, clock: Clock) -> Ledger {
    Ledger::open(address, Options { clock, ..Options::default() }, now()).unwrap()
}

fn operator(name: &str) -> Actor {
    Actor::Operator(Owner::parse(name).unwrap())
}

fn deposit(booking: &str, at: i64) -> Request {
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: Owner::parse("a").unwrap(),
        amount: Amount::from_units(100),
        reference: Reference::parse(booking).unwrap(),
        memo: None,
    };
    Request::new(deposit, operator("bank"), at)
}

fn trust(name: &str, dispute: Option<u64>, at: i64) -> Request {
    Request::new(TrustClock { memo: Memo::parse("why").unwrap(), dispute }, operator(name), at)
}

fn code(result: Result<Outcome, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code().as_str(), |_| "ok")
}

#[test]
fn the_ledgers_own_clock_counts() {
    everywhere(|address| {
        let ledger = open(address, Clock::System);
        for (number, off) in [0, 73 * YEAR, -50 * YEAR, 24 * HOUR].into_iter().enumerate() {
            let begun = now();
            let done = ledger.submit_and_wait(deposit(&format!("b{number}"), now() + off)).unwrap();
            let at = done.transfers[0].created_at;
            // The way to PostgreSQL's clock takes its time.
            assert!((begun - 1000..=now() + 1000).contains(&at), "{off}: {at} is not about {begun}");
        }
        assert!(ledger.time(0).unwrap().abs_diff(now()) < 1000);
        assert!(ledger.audit_full().unwrap().is_sound());
        ledger.close();
    });
    let ledger = open(&Address::Memory, Clock::Given);
    assert_eq!(ledger.time(7).unwrap(), 7);
}

/// A log that a clock years ahead has written: right clocks are refused, until two operators have put its time back.
#[test]
fn a_poisoned_log_is_put_right() {
    everywhere(|address| {
        let ledger = open(address, Clock::Given);
        ledger.submit_and_wait(deposit("before", now() - HOUR)).unwrap();
        ledger.submit_and_wait(trust("alice", None, now() + 73 * YEAR)).unwrap();
        ledger.submit_and_wait(deposit("late", now() + 73 * YEAR)).unwrap();
        let ledger = match address {
            Address::Memory => ledger,
            _ => {
                ledger.close();
                open(address, Clock::System)
            }
        };
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now()))), "clock.wrong");
        if !matches!(address, Address::Memory) {
            assert_eq!(ledger.time(0).unwrap_err().code().as_str(), "clock.wrong");
        }
        let dispute = ledger.submit_and_wait(trust("alice", None, now())).unwrap().event.unwrap();
        assert_eq!(dispute.kind, EventKind::ClockDisputed);
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now()))), "clock.wrong");
        assert_eq!(
            code(ledger.submit_and_wait(trust("alice", Some(dispute.seq), now()))),
            "admin.second_needed"
        );
        let reset =
            ledger.submit_and_wait(trust("bob", Some(dispute.seq), now() + 1)).unwrap().event.unwrap();
        assert_eq!(reset.kind, EventKind::ClockReset);
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now() + 1))), "ok");
        assert!(ledger.time(now()).unwrap().abs_diff(now()) < 1000);
        assert_eq!(code(ledger.submit_and_wait(trust("bob", Some(dispute.seq), now()))), "clock.dispute");
        assert!(ledger.audit_full().unwrap().is_sound());

        // Each transfer is in the statement of its own time, once, and opening and closing add up.
        let account = AccountKey::available(Asset::USD, Owner::parse("a").unwrap()).id();
        let period = |from: i64, until: i64| {
            let statement = ledger.read().unwrap().period(None, account, from, until, 99).unwrap().unwrap();
            (statement.opening, statement.closing, statement.transfers.len())
        };
        let t = now();
        assert_eq!(period(0, t - HOUR / 2), (0, 100, 1));
        assert_eq!(period(t - HOUR / 2, t + HOUR), (100, 200, 1));
        assert_eq!(period(t + HOUR, t + 72 * YEAR), (200, 200, 0));
        assert_eq!(period(t + 72 * YEAR, t + 74 * YEAR), (200, 300, 1));
        assert_eq!(period(0, i64::MAX), (0, 300, 3));

        // It can be backed up and restored as it is.
        let mut dump = Vec::new();
        let made = ledger.dump(&mut dump, now()).unwrap();
        let folder = TempDir::new().unwrap();
        let copy = Address::Sqlite(folder.path().join("copy.db"));
        assert_eq!(backup::restore(&copy, &mut dump.as_slice(), now()).unwrap(), made);
        let copy = open(&copy, Clock::System);
        assert_eq!(code(copy.submit_and_wait(deposit("b2", 0))), "ok");
        copy.close();
        ledger.close();
    });
}

/// The answer to an operator's word is given again for a day and more: it is no word about the clock as it is by then.
#[test]
fn a_word_that_is_repeated_makes_no_clock_right() {
    everywhere(|address| {
        if matches!(address, Address::Memory) {
            return;
        }
        let ledger = open(address, Clock::Given);
        ledger.submit_and_wait(deposit("b0", now() - 30 * 24 * HOUR)).unwrap();
        ledger.close();
        let ledger = open(address, Clock::System);
        let say = || {
            let key = Reference::parse("the-clock-is-right").unwrap();
            ledger.submit_and_wait(trust("alice", None, now()).with_idempotency(key, [7; 32])).unwrap()
        };
        assert!(!say().repeated);
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now()))), "ok");
        // Another process writes by a clock that is years ahead: the one here cannot be right any more.
        let other = open(address, Clock::Given);
        other.submit_and_wait(trust("alice", None, now() + 73 * YEAR)).unwrap();
        other.close();
        let until = Instant::now() + Duration::from_secs(20);
        while ledger.time(0).is_ok() {
            assert!(Instant::now() < until, "the clock is not looked at");
            thread::sleep(Duration::from_millis(100));
        }
        assert!(say().repeated);
        assert_eq!(ledger.time(0).unwrap_err().code(), RefusalCode::ClockWrong);
        ledger.close();
    });
}

/// An idle broker that starts again after more than a week asks an operator; one is enough.
#[test]
fn a_stop_of_weeks_takes_an_operator() {
    everywhere(|address| {
        let ledger = open(address, Clock::Given);
        ledger.submit_and_wait(deposit("b0", now() - 30 * 24 * HOUR)).unwrap();
        let ledger = match address {
            Address::Memory => ledger,
            _ => {
                ledger.close();
                open(address, Clock::System)
            }
        };
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now()))), "clock.wrong");
        assert_eq!(ledger.sweep(now(), 10).unwrap(), 0);
        let told = ledger.submit_and_wait(trust("alice", None, now())).unwrap().event.unwrap();
        assert_eq!(told.kind, EventKind::ClockTrusted);
        assert_eq!(code(ledger.submit_and_wait(deposit("b1", now()))), "ok");
        assert!(ledger.audit_full().unwrap().is_sound());
        ledger.close();
    });
}
