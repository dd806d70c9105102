//! Deposits, withdrawals, payments, bonds, corrections and the standing of accounts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;

use common::{available, id, memory, operator, owner, party, pay, reference, units};
use imagxp_broker::*;

fn deposit(name: &str, amount: u128, bank: &str) -> Deposit {
    Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner(name),
        amount: units(amount),
        reference: reference(bank),
        memo: None,
    }
}

fn withdraw(name: &str, amount: u128) -> Withdraw {
    Withdraw {
        id: None,
        asset: Asset::USD,
        owner: owner(name),
        amount: units(amount),
        reference: None,
        memo: None,
    }
}

#[test]
fn a_deposit_counts_once_per_external_reference() {
    let mut world = memory();
    let bank = operator("bank");
    let first = world.run(&bank, deposit("a", 500, "r1")).unwrap();
    assert!(!first.repeated);
    // Whenever it is asked again.
    world.idle(1_000_000_000_000);
    let head = world.store.head().unwrap();
    let again = world.run(&bank, deposit("a", 500, "r1")).unwrap();
    assert!(again.repeated);
    assert_eq!(again.transfers, first.transfers);
    assert_eq!(world.store.head().unwrap(), head);
    assert_eq!(
        world.refused(&operator("other"), deposit("a", 500, "r1")),
        "idempotency.mismatch",
        "another bank's"
    );
    assert_eq!(world.refused(&bank, deposit("a", 501, "r1")), "idempotency.mismatch");
    assert_eq!(world.refused(&bank, deposit("b", 500, "r1")), "idempotency.mismatch");
    let other_id = Deposit { id: Some(id(9)), ..deposit("a", 500, "r1") };
    assert_eq!(world.refused(&bank, other_id), "idempotency.mismatch");
    assert_eq!(world.refused(&party("a"), deposit("a", 500, "r2")), "actor.denied");
    assert_eq!(world.refused(&bank, deposit("A", 500, "r2")), "text.malformed", "no identity can be that");
    assert_eq!(world.refused(&bank, deposit("a", 0, "r2")), "amount.range");
    let unknown = Deposit { asset: Asset::parse("GBP").unwrap(), ..deposit("a", 5, "r2") };
    assert_eq!(world.refused(&bank, unknown), "asset.unknown");
    assert_eq!(world.balance(&available("a")), (500, 0));
    let outside = world.account(&AccountKey::outside(Asset::USD));
    assert_eq!((outside.debits_posted.units(), outside.spendable()), (500, None));
    world.audit();
}

#[test]
fn ids_of_the_caller_are_unique() {
    let mut world = memory();
    world.fund("a", 100);
    let command = Pay { id: Some(id(77)), ..pay("a", "b", 10) };
    let first = world.run(&party("a"), command.clone()).unwrap();
    assert_eq!(first.transfers[0].id, id(77));
    let again = world.run(&party("a"), command.clone()).unwrap();
    assert!(again.repeated && again.transfers == first.transfers);
    assert_eq!(world.balance(&available("b")), (10, 0));
    assert_eq!(world.refused(&operator("x"), command.clone()), "idempotency.mismatch");
    let more = Pay { amount: units(11), ..command.clone() };
    assert_eq!(world.refused(&party("a"), more), "idempotency.mismatch");
    let noted = Pay { memo: Some(Memo::parse("x").unwrap()), ..command.clone() };
    assert_eq!(world.refused(&party("a"), noted), "idempotency.mismatch");
    // Also within one batch, where no store can know yet.
    let twice = Pay { id: Some(id(78)), ..pay("a", "b", 10) };
    let request = Request::new(twice, party("a"), world.now);
    let done = world.batch(&[request.clone(), request]);
    assert_eq!(done.changes.transfers.len(), 1);
    assert!(done.results[1].as_ref().unwrap().repeated);
    world.audit();
}

#[test]
fn payments_need_money_and_two_owners() {
    let mut world = memory();
    world.fund("a", 100);
    assert_eq!(world.refused(&party("a"), pay("a", "b", 101)), "account.insufficient");
    assert_eq!(world.refused(&party("b"), pay("b", "a", 1)), "account.insufficient");
    assert_eq!(world.refused(&party("a"), pay("a", "a", 1)), "transfer.illegal");
    assert_eq!(world.refused(&party("b"), pay("a", "b", 1)), "actor.denied");
    assert_eq!(world.refused(&Actor::Clock, pay("a", "b", 1)), "actor.denied");
    world.run(&party("a"), pay("a", "b", 100)).unwrap();
    assert_eq!((world.balance(&available("a")), world.balance(&available("b"))), ((0, 0), (100, 0)));
    world.audit();
}

#[test]
fn totals_never_overflow() {
    let mut world = memory();
    let bank = operator("bank");
    world.run(&bank, deposit("a", u128::MAX - 1, "r1")).unwrap();
    assert_eq!(world.refused(&bank, deposit("b", 2, "r2")), "amount.range");
    world.run(&bank, deposit("b", 1, "r3")).unwrap();
    // What is pending is promised: another credit that would make posting it overflow is refused.
    world.run(&party("a"), withdraw("a", u128::MAX - 1)).unwrap();
    let back = world.run(&party("b"), withdraw("b", 1)).unwrap().transfers[0].id;
    world.run(&bank, VoidWithdrawal { id: back }).unwrap();
    assert_eq!(world.balance(&available("b")), (1, 0));
    world.audit();
}

#[test]
fn a_withdrawal_is_reserved_until_the_bank_has_answered() {
    let mut world = memory();
    let bank = operator("bank");
    world.fund("a", 100);
    assert_eq!(world.refused(&party("b"), withdraw("a", 60)), "actor.denied");
    let first = world.run(&party("a"), withdraw("a", 60)).unwrap().transfers[0].id;
    assert_eq!(world.balance(&available("a")), (40, 0));
    assert_eq!(world.refused(&party("a"), withdraw("a", 41)), "account.insufficient");
    assert_eq!(world.refused(&party("a"), PostWithdrawal { id: first }), "actor.denied");
    assert_eq!(world.refused(&bank, PostWithdrawal { id: id(5) }), "transfer.not_found");
    let posted = world.run(&bank, PostWithdrawal { id: first }).unwrap();
    assert_eq!((posted.transfers[0].phase, posted.transfers[0].pending_id), (Phase::Post, Some(first)));
    for id in [first, first] {
        assert_eq!(world.refused(&bank, PostWithdrawal { id }), "transfer.already_resolved");
        assert_eq!(world.refused(&bank, VoidWithdrawal { id }), "transfer.already_resolved");
    }
    let post = posted.transfers[0].id;
    assert_eq!(world.refused(&bank, VoidWithdrawal { id: post }), "transfer.not_pending");
    let second = world.run(&party("a"), withdraw("a", 40)).unwrap().transfers[0].id;
    world.run(&bank, VoidWithdrawal { id: second }).unwrap();
    assert_eq!(world.balance(&available("a")), (40, 0));
    // Two answers in one batch: one effect.
    let third = world.run(&party("a"), withdraw("a", 40)).unwrap().transfers[0].id;
    let now = world.now;
    let done = world.batch(&[
        Request::new(VoidWithdrawal { id: third }, bank.clone(), now),
        Request::new(PostWithdrawal { id: third }, bank, now),
    ]);
    assert_eq!(done.results[1].as_ref().unwrap_err().code(), RefusalCode::TransferAlreadyResolved);
    assert_eq!(world.balance(&available("a")), (40, 0));
    world.audit();
}

#[test]
fn a_withdrawal_that_an_operator_asks_for_is_posted_by_another() {
    let mut world = memory();
    let (alice, bob) = (operator("alice"), operator("bob"));
    world.fund("a", 100);
    let first = world.run(&alice, withdraw("a", 60)).unwrap().transfers[0].id;
    assert_eq!(world.refused(&alice, PostWithdrawal { id: first }), "admin.second_needed");
    // Also in the batch in which it is asked for, where no reader has seen it.
    let own = Withdraw { id: Some(id(7)), ..withdraw("a", 10) };
    let now = world.now;
    let done = world.batch(&[
        Request::new(own, alice.clone(), now),
        Request::new(PostWithdrawal { id: id(7) }, alice.clone(), now),
    ]);
    assert_eq!(done.results[1].as_ref().unwrap_err().code(), RefusalCode::AdminSecondNeeded);
    assert_eq!(world.balance(&available("a")), (30, 0));
    world.run(&bob, PostWithdrawal { id: first }).unwrap();
    // The one who asked may give it up.
    world.run(&alice, VoidWithdrawal { id: id(7) }).unwrap();
    assert_eq!(world.balance(&available("a")), (40, 0));
    world.audit();
}

#[test]
fn bonds_are_locked_given_back_and_lost() {
    let mut world = memory();
    let (asset, bond) = (Asset::USD, reference("stake"));
    let admin = operator("alice");
    world.fund("a", 100);
    let lock =
        Lock(Bond { id: None, asset, owner: owner("a"), bond: bond.clone(), amount: units(70), memo: None });
    assert_eq!(world.refused(&party("b"), lock.clone()), "actor.denied");
    world.run(&party("a"), lock).unwrap();
    let locked = AccountKey::locked(asset, owner("a"), bond.clone());
    assert_eq!((world.balance(&available("a")), world.balance(&locked)), ((30, 0), (70, 0)));
    let unlock = Unlock(Bond {
        id: None,
        asset,
        owner: owner("a"),
        bond: bond.clone(),
        amount: units(20),
        memo: None,
    });
    assert_eq!(world.refused(&party("a"), unlock.clone()), "actor.denied");
    world.run(&admin, unlock.clone()).unwrap();
    let slash = Slash(Bond { id: None, asset, owner: owner("a"), bond, amount: units(50), memo: None });
    assert_eq!(world.refused(&party("a"), slash.clone()), "actor.denied");
    world.run(&admin, Freeze { account: locked.clone(), memo: None }).unwrap();
    assert_eq!(world.refused(&admin, unlock), "account.frozen");
    world.run(&admin, slash.clone()).unwrap();
    assert_eq!(world.refused(&admin, slash), "account.insufficient");
    assert_eq!((world.balance(&available("a")), world.balance(&locked)), ((50, 0), (0, 0)));
    assert_eq!(world.balance(&AccountKey::treasury(asset)), (50, 0));
    world.audit();
}

#[test]
fn a_correction_takes_two_operators() {
    let mut world = memory();
    let (alice, bob) = (operator("alice"), operator("bob"));
    world.fund("a", 100);
    let correct = Correct {
        id: None,
        debit: available("a"),
        credit: AccountKey::rewards(Asset::USD),
        amount: units(30),
        reference: None,
        memo: Memo::parse("booked twice").unwrap(),
    };
    assert_eq!(world.refused(&party("a"), correct.clone()), "actor.denied");
    let first = world.run(&alice, correct.clone()).unwrap().transfers[0].id;
    assert_eq!(world.balance(&available("a")), (70, 0), "reserved meanwhile");
    assert_eq!(world.refused(&alice, ApproveCorrection { id: first }), "admin.second_needed");
    assert_eq!(world.refused(&party("alice"), ApproveCorrection { id: first }), "actor.denied");
    assert_eq!(world.refused(&bob, PostWithdrawal { id: first }), "transfer.not_pending");
    world.run(&bob, ApproveCorrection { id: first }).unwrap();
    assert_eq!(world.refused(&bob, RejectCorrection { id: first }), "transfer.already_resolved");
    let second = world.run(&bob, correct.clone()).unwrap().transfers[0].id;
    world.run(&bob, RejectCorrection { id: second }).unwrap();
    assert_eq!(world.balance(&AccountKey::rewards(Asset::USD)), (30, 0));
    assert_eq!(world.balance(&available("a")), (70, 0));
    let too_much = Correct { amount: units(71), ..correct.clone() };
    assert_eq!(world.refused(&alice, too_much), "account.insufficient");
    let euros = AccountKey::available(Asset::parse("EUR").unwrap(), owner("a"));
    assert_eq!(world.refused(&alice, Correct { credit: euros, ..correct }), "transfer.illegal");
    world.audit();
}

#[test]
fn frozen_accounts_take_in_and_give_nothing() {
    let mut world = memory();
    let admin = operator("alice");
    world.fund("a", 100);
    world.fund("b", 100);
    let pending = world.run(&party("a"), withdraw("a", 10)).unwrap().transfers[0].id;
    let freeze = Freeze { account: available("a"), memo: Some(Memo::parse("asked by the court").unwrap()) };
    assert_eq!(world.refused(&party("a"), freeze.clone()), "actor.denied");
    let frozen = world.run(&admin, freeze.clone()).unwrap().account.unwrap();
    assert_eq!(frozen, world.account(&available("a")));
    assert!(frozen.frozen);
    let size = world.store.head().unwrap().size;
    world.run(&admin, freeze).unwrap();
    assert_eq!(world.store.head().unwrap().size, size, "twice is once");
    assert_eq!(world.refused(&party("a"), pay("a", "b", 1)), "account.frozen");
    assert_eq!(world.refused(&party("a"), withdraw("a", 1)), "account.frozen");
    world.run(&party("b"), pay("b", "a", 5)).unwrap();
    world.run(&admin, PostWithdrawal { id: pending }).unwrap();
    assert_eq!(world.balance(&available("a")), (95, 0));
    let nobody = Freeze { account: available("nobody"), memo: None };
    assert_eq!(world.refused(&admin, nobody), "account.not_found");
    world.run(&admin, Unfreeze { account: available("a"), memo: None }).unwrap();
    world.run(&party("a"), pay("a", "b", 1)).unwrap();
    world.audit();
}

#[test]
fn only_empty_accounts_are_closed() {
    let mut world = memory();
    let admin = operator("alice");
    world.fund("a", 10);
    let close = Close { account: available("a"), memo: None };
    assert_eq!(world.refused(&admin, close.clone()), "account.not_empty");
    let pending = world.run(&party("a"), withdraw("a", 10)).unwrap().transfers[0].id;
    assert_eq!(world.refused(&admin, close.clone()), "account.not_empty");
    world.run(&admin, PostWithdrawal { id: pending }).unwrap();
    assert_eq!(world.refused(&party("a"), close.clone()), "actor.denied");
    assert!(world.run(&admin, close.clone()).unwrap().account.unwrap().closed);
    assert_eq!(world.refused(&admin, close), "account.closed");
    assert_eq!(world.refused(&admin, deposit("a", 1, "late")), "account.closed");
    assert_eq!(world.refused(&admin, Unfreeze { account: available("a"), memo: None }), "account.closed");
    world.fund("b", 10);
    assert_eq!(world.refused(&party("b"), pay("b", "a", 1)), "account.closed");
    let outside = Close { account: AccountKey::outside(Asset::USD), memo: None };
    assert_eq!(world.refused(&admin, outside), "transfer.illegal");
    world.audit();
}
