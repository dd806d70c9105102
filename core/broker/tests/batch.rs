//! Batches: neighbours, idempotency, client assertions, and the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;

use common::{HOUR, available, issue, memory, operator, owner, party, pay, reference, units};
use imagxp::audit::proof::{Plan, verify_inclusion};
use imagxp::audit::tree::leaf_hash;
use imagxp_broker::proof::prove;
use imagxp_broker::*;

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
fn a_key_counts_on_servers_whose_clocks_are_a_day_wrong_each_way() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let pay = |now_ms| keyed(pay("a", "b", 10), party("a"), now_ms, "k", 1);
    assert!(!world.request(pay(now - 24 * HOUR)).unwrap().repeated);
    assert!(world.request(pay(now + 24 * HOUR)).unwrap().repeated);
    assert_eq!(world.balance(&available("b")), (10, 0));
    world.audit();
}

#[test]
fn the_same_key_and_body_have_one_effect_and_one_answer() {
    let mut world = memory();
    world.fund("a", 100);
    let now = world.now;
    let first = world.request(keyed(pay("a", "b", 10), party("a"), now, "k", 1)).unwrap();
    assert!(!first.repeated);
    let again = world.request(keyed(pay("a", "b", 10), party("a"), now + 72 * HOUR - 1, "k", 1)).unwrap();
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
    // What cannot change.
    let poor = keyed(pay("a", "b", 0), party("a"), now, "k", 1);
    let first = world.request(poor.clone()).unwrap_err();
    world.fund("a", 100);
    assert_eq!(world.request(poor.clone()).unwrap_err(), first);
    // What money can change.
    let richer = keyed(pay("b", "c", 10), party("b"), now, "k", 1);
    assert_eq!(world.request(richer.clone()).unwrap_err().code(), RefusalCode::AccountInsufficient);
    world.fund("b", 10);
    assert_eq!(world.request(richer).unwrap().transfers.len(), 1);
    let mismatch =
        Request { idempotency: Some(Idempotency { key: reference("k"), request_sha256: [2; 32] }), ..poor };
    assert_eq!(world.request(mismatch).unwrap_err().code(), RefusalCode::IdempotencyMismatch);
    assert_eq!(world.balance(&available("b")), (0, 0));
    assert_eq!(world.store.sweep(now + 72 * HOUR - 1, 10).unwrap(), 0);
    assert_eq!(world.store.sweep(now + 72 * HOUR, 10).unwrap(), 2);
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
        assert_eq!(leaf_hash(&line), leaf.hash);
        let mut plan = Plan::inclusion(entry.seq(), checkpoint.size).unwrap();
        leaves.iter().for_each(|leaf| plan.feed(leaf.hash));
        let proof = plan.finish().unwrap();
        verify_inclusion(entry.seq(), checkpoint.size, &leaf.hash, &proof, &checkpoint.root).unwrap();
        let kept = prove(&mut world.store, &plan, checkpoint.size).unwrap().unwrap();
        assert_eq!((kept.size, kept.root, kept.hashes), (checkpoint.size, checkpoint.root, proof));
        previous = leaf.hash;
    }
    assert_eq!(prove(&mut world.store, &Plan::inclusion(0, 40).unwrap(), 40), Ok(None), "it is not as long");
    assert!(Head { size: head.size + 1, ..head }.log().is_err());
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

/// The treasury has taken in nearly all that can be counted, so that the fee is refused after the post has been made.
#[test]
fn a_command_that_fails_half_way_leaves_nothing() {
    let mut world = memory();
    let (alice, bob, asset) = (operator("alice"), operator("bob"), Asset::USD);
    let (amount, bond) = (units(u128::MAX - 100), reference("bond"));
    world.fund("a", amount.units());
    let lock = Lock(Bond { id: None, asset, owner: owner("a"), bond: bond.clone(), amount, memo: None });
    world.run(&alice, lock).unwrap();
    world.run(&alice, Slash(Bond { id: None, asset, owner: owner("a"), bond, amount, memo: None })).unwrap();
    let correct = Correct {
        id: None,
        debit: AccountKey::treasury(asset),
        credit: available("b"),
        amount,
        reference: None,
        memo: Memo::parse("all of it").unwrap(),
    };
    let correction = world.run(&alice, correct).unwrap().transfers[0].id;
    world.run(&bob, ApproveCorrection { id: correction }).unwrap();
    let jti = world.run(&party("b"), issue("b", "p", 10_000)).unwrap().visa.unwrap().jti;
    world.run(&party("p"), Redeem { jti, request_jkt: Some(common::key('a')) }).unwrap();
    let good = GiveFeedback {
        jti,
        jkt: common::key('a'),
        score: imagxp::feedback::Score::MAX,
        reason: imagxp::feedback::Reason::HighQuality,
        sha256: [0; 32],
        nonce: Some(reference("nonce-0123456789")),
    };
    assert_eq!(world.refused(&party("b"), good), "amount.range");
    world.audit();
}
