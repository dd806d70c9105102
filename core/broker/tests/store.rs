//! What is asked of a store: faults, contradictions, pages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;

use common::{available, issue, memory, owner, party, pay, reference, units};
use imagxp_broker::memory::Contradiction;
use imagxp_broker::*;

/// A store that fails at one call.
struct Faulty {
    inner: Memory,
    fails: &'static str,
    open: bool,
}

impl Faulty {
    fn call(&self, name: &str) -> Result<(), &'static str> {
        if self.fails == name { Err(self.fails) } else { Ok(()) }
    }
}

impl Store for Faulty {
    type Error = &'static str;

    fn is_conflict(error: &&'static str) -> bool {
        *error == "write"
    }

    fn begin(&mut self) -> Result<(), &'static str> {
        self.call("begin")?;
        self.open = true;
        self.inner.begin().map_err(|_| "inner")
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded, &'static str> {
        self.call("load")?;
        self.inner.load(keys).map_err(|_| "inner")
    }

    fn write(&mut self, changes: &Changes) -> Result<(), &'static str> {
        self.open = false;
        if self.call("write").is_err() {
            self.inner.abort();
            return Err("write");
        }
        self.inner.write(changes).map_err(|_: Contradiction| "inner")
    }

    fn abort(&mut self) {
        self.open = false;
        self.inner.abort();
    }
}

#[test]
fn a_store_that_fails_acknowledges_nothing_and_is_left_closed() {
    let mut world = memory();
    world.fund("a", 100);
    let before = world.everything();
    let mut store = Faulty { inner: world.store, fails: "", open: false };
    let requests = [Request::new(pay("a", "b", 10), party("a"), world.now)];
    for fails in ["begin", "load", "write"] {
        store.fails = fails;
        assert_eq!(apply(&mut store, &world.rules, &requests, &mut world.ids).unwrap_err(), fails);
        assert!(!store.open, "{fails}");
        assert_eq!(Faulty::is_conflict(&fails), fails == "write");
    }
    store.fails = "";
    let refused = [Request::new(pay("b", "a", 1_000), party("b"), world.now)];
    assert!(apply(&mut store, &world.rules, &refused, &mut world.ids).unwrap().changes.is_empty());
    assert!(!store.open, "nothing to write is no open transaction");
    world.store = store.inner;
    assert_eq!(world.everything(), before);
    world.batch(&requests);
    assert_eq!(world.balance(&available("b")), (10, 0));
    world.audit();
}

/// A store that forgets an account.
struct Forgetful(Memory, AccountId);

impl Store for Forgetful {
    type Error = Contradiction;

    fn is_conflict(_: &Contradiction) -> bool {
        false
    }

    fn begin(&mut self) -> Result<(), Contradiction> {
        self.0.begin()
    }

    fn load(&mut self, keys: &Keys) -> Result<Loaded, Contradiction> {
        let mut loaded = self.0.load(keys)?;
        loaded.accounts.remove(&self.1);
        Ok(loaded)
    }

    fn write(&mut self, changes: &Changes) -> Result<(), Contradiction> {
        self.0.write(changes)
    }

    fn abort(&mut self) {
        self.0.abort();
    }
}

#[test]
fn rows_that_contradict_each_other_are_not_written_over() {
    let mut world = memory();
    world.fund("a", 100);
    let jti = world.run(&party("a"), issue("a", "p", 10)).unwrap().visa.unwrap().jti;
    world.now += 700_000;
    let mut store = Forgetful(world.store, available("p").id());
    let requests = [Request::new(Due { jti }, Actor::Clock, world.now)];
    let done = apply(&mut store, &world.rules, &requests, &mut world.ids).unwrap();
    assert_eq!(done.results[0].as_ref().unwrap_err().code(), RefusalCode::LedgerBroken);
    assert!(done.changes.is_empty());
}

#[test]
fn memory_refuses_what_a_database_would() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let changes = world.batch(&[Request::new(pay("a", "b", 10), party("a"), now)]).changes;
    let mut store = world.store;
    assert!(store.write(&changes).is_err(), "no transaction");
    assert!(store.load(&Keys::default()).is_err());
    for spoil in [
        |_: &mut Changes, _: u64| {},
        |changes: &mut Changes, size: u64| changes.size_before = size,
        |changes: &mut Changes, size: u64| {
            changes.size_before = size;
            changes.transfers[0].id = common::id(3);
            changes.leaves.clear();
        },
        |changes: &mut Changes, size: u64| {
            changes.size_before = size;
            changes.transfers[0].id = common::id(3);
            changes.head.size = size + 1;
            changes.accounts[0].kind = Kind::Available;
            changes.accounts[0].debits_posted = Amount::MAX;
        },
        // As many leaves as entries, and a head that says otherwise.
        |changes: &mut Changes, size: u64| {
            changes.size_before = size;
            changes.transfers[0].id = common::id(3);
            changes.head.size = size;
        },
        |changes: &mut Changes, size: u64| {
            changes.size_before = size;
            changes.transfers[0].id = common::id(3);
            changes.head.size = size + 1;
            changes.head.last_at -= 1;
        },
    ] {
        let mut spoilt = changes.clone();
        let head = store.head().unwrap();
        spoil(&mut spoilt, head.size);
        store.begin().unwrap();
        assert!(store.begin().is_err());
        assert!(store.write(&spoilt).is_err());
        assert_eq!(store.head().unwrap(), head);
    }
}

#[test]
fn reading_pages() {
    let mut world = memory();
    world.fund("a", 1_000);
    let jtis: Vec<Id> = (1..=5)
        .map(|amount| world.run(&party("a"), issue("a", "p", amount)).unwrap().visa.unwrap().jti)
        .collect();
    let filter = VisaFilter { party: Some(owner("p")), state: Some(VisaState::Issued) };
    let page = world.store.visas(&filter, None, 2).unwrap();
    assert_eq!(page.iter().map(|visa| visa.jti).collect::<Vec<_>>(), [jtis[4], jtis[3]]);
    let page = world.store.visas(&filter, Some(jtis[3]), 2).unwrap();
    assert_eq!(page.iter().map(|visa| visa.jti).collect::<Vec<_>>(), [jtis[2], jtis[1]]);
    let nobody = VisaFilter { party: Some(owner("x")), state: None };
    assert!(world.store.visas(&nobody, None, 9).unwrap().is_empty());
    let theirs = owner("p");
    let page = world.store.statement(&theirs, None, 2).unwrap();
    assert_eq!(page.iter().map(|transfer| transfer.id).collect::<Vec<_>>(), [jtis[4], jtis[3]]);
    let page = world.store.statement(&theirs, Some(page[1].seq), 9).unwrap();
    assert_eq!(page.iter().map(|transfer| transfer.id).collect::<Vec<_>>(), [jtis[2], jtis[1], jtis[0]]);
    let spent = world.store.statement(&owner("a"), None, 2).unwrap();
    assert_eq!(spent.iter().map(|transfer| transfer.id).collect::<Vec<_>>(), [jtis[4], jtis[3]]);
    assert_eq!(world.store.statement(&owner("x"), None, 9).unwrap(), []);
    let all = world.store.accounts(None, None, 9).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(world.store.accounts(None, Some(all[0].id), 1).unwrap(), all[1..2]);
    let named = [all[2].id, available("x").id()].into();
    assert_eq!(world.store.accounts_named(&named).unwrap(), all[2..]);
    assert_eq!(world.store.accounts(Some(&owner("p")), None, 9).unwrap()[0].id, available("p").id());
    assert_eq!(world.store.transfer(jtis[0]).unwrap().unwrap().amount, units(1));
    let later = world.store.due(i64::MAX, None, 3).unwrap();
    assert!(later.is_sorted());
    let mut names: Vec<Id> = later.iter().map(|due| due.jti).collect();
    names.sort();
    assert_eq!(names, jtis[..3]);
    assert_eq!(world.store.due(i64::MAX, Some(later[0]), 2).unwrap(), later[1..]);
}

/// Whoever decided on rows that another one has changed meanwhile.
#[test]
fn memory_resolves_what_is_pending_once() {
    let mut world = memory();
    world.fund("a", 100);
    let jti = world.run(&party("a"), issue("a", "p", 10)).unwrap().visa.unwrap().jti;
    world.now += 700_000;
    let done = world.batch(&[Request::new(Due { jti }, Actor::Clock, world.now)]);
    assert_eq!(done.changes.transfers[0].pending_id, Some(jti));
    let mut again = done.changes.clone();
    let head = world.store.head().unwrap();
    again.transfers[0].id = common::id(3);
    again.size_before = head.size;
    again.head.size = head.size + again.leaves.len() as u64;
    world.store.begin().unwrap();
    let refused = world.store.write(&again).unwrap_err();
    assert!(refused.to_string().contains("resolved"), "{refused}");
}

#[test]
fn something_of_any_kind_is_not_nothing() {
    assert!(Keys::default().is_empty() && Changes::default().is_empty());
    let mut world = memory();
    world.fund("a", 100);
    let key = reference("one");
    let request = Request::new(pay("a", "b", 10), party("a"), world.now).with_idempotency(key, [1; 32]);
    let changes = world.batch(&[request]).changes;
    let used = UseAssertion { agent: owner("a"), jti: reference("assertion-1"), expires_at: world.now };
    let once = world.batch(&[Request::new(used, Actor::Clock, world.now)]).changes.once;
    let (idempotency, jti) = (changes.idempotency, common::id(1));
    let visas = world.batch(&[Request::new(issue("a", "p", 1), party("a"), world.now)]).changes;
    for some in [
        Changes { accounts: changes.accounts, ..Changes::default() },
        Changes { transfers: changes.transfers, ..Changes::default() },
        Changes { visas: visas.visas, ..Changes::default() },
        Changes { events: visas.events, ..Changes::default() },
        Changes { idempotency: idempotency.clone(), ..Changes::default() },
        Changes { once: once.clone(), ..Changes::default() },
    ] {
        assert!(!some.is_empty(), "{some:?}");
    }
    for some in [
        Keys { accounts: [available("a").id()].into(), ..Keys::default() },
        Keys { transfers: [jti].into(), ..Keys::default() },
        Keys { visas: [jti].into(), ..Keys::default() },
        Keys {
            idempotency: idempotency.iter().map(|record| record.key.clone()).collect(),
            ..Keys::default()
        },
        Keys { once: once.iter().map(|once| once.key.clone()).collect(), ..Keys::default() },
        Keys { events: [1].into(), ..Keys::default() },
    ] {
        assert!(!some.is_empty(), "{some:?}");
    }
}
