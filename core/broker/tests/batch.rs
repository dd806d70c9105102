//! Batches: neighbours, idempotency, client assertions, faults of the store, and the log.

mod common;

use common::{HOUR, available, issue, memory, operator, owner, party, reference, units};
use imagxp::audit::proof::{Plan, verify_inclusion};
use imagxp::audit::tree::leaf_hash;
use imagxp_broker::memory::Contradiction;
use imagxp_broker::*;

fn pay(from: &str, to: &str, amount: u128) -> Pay {
    let asset = Asset::USD;
    Pay {
        id: None,
        asset,
        from: owner(from),
        to: owner(to),
        amount: units(amount),
        reference: None,
        memo: None,
    }
}

fn keyed(command: impl Into<Command>, actor: Actor, now: i64, key: &str, body: u8) -> Request {
    Request::new(command, actor, now).with_idempotency(reference(key), [body; 32])
}

#[test]
fn a_refused_command_does_not_touch_its_neighbours() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let request = |from: &str, to: &str, amount| Request::new(pay(from, to, amount), party(from), now);
    let done = world.batch(&[
        request("a", "b", 60),
        request("a", "b", 60),
        request("b", "c", 60),
        request("c", "a", 61),
        request("a", "c", 40),
    ]);
    let codes: Vec<_> = done.results.iter().map(|result| result.as_ref().err().map(Refusal::code)).collect();
    let poor = Some(RefusalCode::AccountInsufficient);
    assert_eq!(codes, [None, poor, None, poor, None]);
    let seqs: Vec<_> = done.changes.transfers.iter().map(|transfer| transfer.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(["a", "b", "c"].map(|name| world.balance(&available(name)).0), [0, 0, 100]);
    world.audit();
}

#[test]
fn the_same_key_and_body_have_one_effect_and_one_answer() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let first = world.request(keyed(pay("a", "b", 10), party("a"), now, "k", 1)).unwrap();
    assert!(!first.repeated);
    let again = world.request(keyed(pay("a", "b", 10), party("a"), now + 24 * HOUR, "k", 1)).unwrap();
    assert_eq!(Outcome { repeated: false, ..again.clone() }, first);
    assert!(again.repeated);
    let other = world.request(keyed(pay("a", "b", 11), party("a"), now, "k", 2)).unwrap_err();
    assert_eq!(other.code(), RefusalCode::IdempotencyMismatch);
    // Another actor's key is another key.
    let mine = world.request(keyed(pay("a", "b", 10), operator("x"), now, "k", 1)).unwrap();
    assert!(!mine.repeated);
    assert_eq!(world.balance(&available("b")), (20, 0));
    // In one batch too.
    let twice = keyed(pay("a", "b", 1), party("a"), now, "k2", 1);
    let done = world.batch(&[twice.clone(), twice]);
    assert_eq!(done.changes.transfers.len(), 1);
    assert!(done.results[1].as_ref().unwrap().repeated);
    // Forgotten after 24 h on clocks that are 48 h apart.
    let late = world.request(keyed(pay("a", "b", 10), party("a"), now + 72 * HOUR, "k", 2)).unwrap();
    assert!(!late.repeated);
    world.audit();
}

#[test]
fn the_answer_is_that_of_the_first_time() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let request = keyed(issue("a", "p", 10), party("a"), now, "k", 1);
    let first = world.request(request.clone()).unwrap();
    let jti = first.visa.as_ref().unwrap().jti;
    world.run(&party("p"), Redeem { jti, request_jkt: Some(common::key('a')) }).unwrap();
    let again = world.request(request).unwrap();
    assert_eq!(again.visa, first.visa, "as it was issued, not as it is");
}

#[test]
fn refusals_are_remembered_under_a_key() {
    let mut world = memory();
    let now = world.now;
    let poor = keyed(pay("a", "b", 10), party("a"), now, "k", 1);
    let first = world.request(poor.clone()).unwrap_err();
    world.fund("a", 100);
    assert_eq!(world.request(poor.clone()).unwrap_err(), first);
    let mismatch =
        Request { idempotency: Some(Idempotency { key: reference("k"), request_sha256: [2; 32] }), ..poor };
    assert_eq!(world.request(mismatch).unwrap_err().code(), RefusalCode::IdempotencyMismatch);
    assert_eq!(world.balance(&available("b")), (0, 0));
    assert_eq!(world.store.sweep(now + 72 * HOUR - 1, 10).unwrap(), 0);
    assert_eq!(world.store.sweep(now + 72 * HOUR, 10).unwrap(), 1);
    assert_eq!(world.store.sweep(i64::MAX, 10).unwrap(), 0, "deposits are never forgotten");
}

#[test]
fn a_client_assertion_counts_once() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let assertion =
        |jti: &str| UseAssertion { agent: owner("a"), jti: reference(jti), expires_at: now + 60_000 };
    let with = |request: Request, jti: &str| Request { assertion: Some(assertion(jti)), ..request };
    let buy = keyed(issue("a", "p", 10), party("a"), now, "k", 1);
    world.request(with(buy.clone(), "j1")).unwrap();
    assert_eq!(world.request(with(buy.clone(), "j1")).unwrap_err().code(), RefusalCode::AssertionUsed);
    assert!(world.request(with(buy.clone(), "j2")).unwrap().repeated);
    assert_eq!(world.request(with(buy, "j2")).unwrap_err().code(), RefusalCode::AssertionUsed);
    // Used up though the command is refused, and by a token request without a visa.
    let poor = Request::new(pay("a", "b", 1_000), party("a"), now);
    assert_eq!(world.request(with(poor, "j3")).unwrap_err().code(), RefusalCode::AccountInsufficient);
    assert_eq!(world.refused(&party("a"), assertion("j3")), "assertion.used");
    world.run(&party("a"), assertion("j4")).unwrap();
    let request = Request::new(assertion("j4"), party("a"), now);
    assert_eq!(
        world.batch(&[request.clone(), request]).results[1].as_ref().unwrap_err().code().as_str(),
        "assertion.used"
    );
    assert_eq!(world.store.sweep(now + 60_000, 100).unwrap(), 0, "not before clocks that differ agree");
    world.now = now + 60_000 + 48 * HOUR;
    assert_eq!(world.store.sweep(world.now, 2).unwrap(), 2);
    assert_eq!(world.store.sweep(world.now, 100).unwrap(), 2);
    world.audit();
}

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
fn every_entry_can_be_proven_against_the_checkpoint() {
    let mut world = memory();
    world.fund("a", 1_000);
    for amount in 1..20 {
        world.run(&party("a"), issue("a", "p", amount)).unwrap();
    }
    let head = world.store.head().unwrap();
    let checkpoint = head.checkpoint("broker.example/ledger").unwrap();
    assert_eq!(checkpoint.size, 39);
    let leaves = world.store.leaves(0, usize::MAX).unwrap();
    let mut previous = [0; 32];
    for (entry, leaf) in world.store.entries(0, usize::MAX).unwrap() {
        let line = entry.line(&previous);
        assert_eq!(leaf_hash(&line), leaf);
        let mut plan = Plan::inclusion(entry.seq(), checkpoint.size).unwrap();
        leaves.iter().for_each(|leaf| plan.feed(leaf.hash));
        verify_inclusion(entry.seq(), checkpoint.size, &leaf, &plan.finish().unwrap(), &checkpoint.root)
            .unwrap();
        previous = leaf;
    }
    let bytes = head.nodes_to_bytes();
    assert_eq!(Head::nodes_from_bytes(&bytes), Ok(head.nodes.clone()));
    assert!(Head::nodes_from_bytes(&bytes[1..]).is_err());
    assert!(Head { size: head.size + 1, ..head }.log().is_err());
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
    let theirs = [available("p").id()].into();
    let page = world.store.statement(&theirs, None, 2).unwrap();
    assert_eq!(page.iter().map(|transfer| transfer.id).collect::<Vec<_>>(), [jtis[4], jtis[3]]);
    let page = world.store.statement(&theirs, Some(page[1].seq), 9).unwrap();
    assert_eq!(page.iter().map(|transfer| transfer.id).collect::<Vec<_>>(), [jtis[2], jtis[1], jtis[0]]);
    let all = world.store.accounts(None, None, 9).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(world.store.accounts(None, Some(all[0].id), 1).unwrap(), all[1..2]);
    assert_eq!(world.store.accounts(Some(&owner("p")), None, 9).unwrap()[0].id, available("p").id());
    assert_eq!(world.store.transfer(jtis[0]).unwrap().unwrap().amount, units(1));
    let mut later = world.store.due(i64::MAX, 3).unwrap();
    later.sort();
    assert_eq!(later, jtis[..3]);
}

#[test]
fn a_batch_knows_what_it_has_made() {
    let mut world = memory();
    let now = world.now;
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(100_000),
        reference: reference("r"),
        memo: None,
    };
    let withdraw = Withdraw {
        id: Some(common::id(5)),
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(1),
        reference: None,
        memo: None,
    };
    let (jti, nonce) = (common::id(6), Some(reference("nonce-0123456789")));
    let feedback = GiveFeedback {
        jti,
        jkt: common::key('a'),
        score: imagxp::feedback::Score::MAX,
        reason: imagxp::feedback::Reason::HighQuality,
        sha256: [0; 32],
        nonce,
    };
    let requests = [
        Request::new(deposit.clone(), operator("bank"), now),
        Request::new(deposit, operator("bank"), now),
        Request::new(withdraw, party("a"), now),
        Request::new(PostWithdrawal { id: common::id(5) }, operator("bank"), now),
        Request::new(IssueVisa { jti: Some(jti), ..issue("a", "p", 10_000) }, party("a"), now),
        Request::new(Redeem { jti, request_jkt: Some(common::key('a')) }, party("p"), now),
        Request::new(feedback, party("a"), now),
    ];
    let done = world.batch(&requests);
    let repeated: Vec<_> = done.results.into_iter().map(|result| result.unwrap().repeated).collect();
    assert_eq!(repeated, [false, true, false, false, false, false, false]);
    assert_eq!((world.balance(&available("a")).0, world.balance(&available("p")).0), (89_999, 9_800));
    world.audit();
}
