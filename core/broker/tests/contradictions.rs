//! Rows that contradict each other, as no command leaves them: what is broken is said to be, and nothing is decided on it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::*;
use imagxp_broker::*;
use std::convert::Infallible;

/// What comes of a command on rows that somebody has changed behind the broker's back.
fn spoilt(
    world: &mut World<Memory>,
    actor: &Actor,
    command: impl Into<Command>,
    spoil: impl Fn(&mut Loaded),
) -> Result<Outcome, Refusal> {
    let request = Request::new(command, actor.clone(), world.now);
    world.store.begin().unwrap();
    let load = |keys: &Keys| {
        let mut loaded = world.store.load(keys).unwrap();
        spoil(&mut loaded);
        Ok::<_, Infallible>(loaded)
    };
    let Ok(mut done) = decide(load, &world.rules, &[request], &mut world.ids);
    world.store.abort();
    done.results.remove(0)
}

fn code(result: Result<Outcome, Refusal>) -> Option<&'static str> {
    result.err().map(|refusal| refusal.code().as_str())
}

fn deposit(id: Option<Id>) -> Deposit {
    Deposit {
        id,
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(5),
        reference: reference("bank-1"),
        memo: None,
    }
}

#[test]
fn an_account_that_is_overdrawn_is_not_written_over() {
    let mut world = memory();
    world.fund("a", 10);
    let overdrawn = |loaded: &mut Loaded| {
        for account in loaded.accounts.values_mut().filter(|account| account.kind == Kind::Available) {
            account.debits_posted = units(100);
        }
    };
    let bank = operator("bank");
    assert_eq!(code(spoilt(&mut world, &bank, deposit(None), overdrawn)), Some("ledger.broken"));
    assert_eq!(code(spoilt(&mut world, &bank, deposit(None), |_| ())), None);
}

#[test]
fn a_visa_without_money_is_not_redeemed() {
    let mut world = memory();
    world.fund("a", 100);
    let jti = world.run(&party("a"), issue("a", "p", 10)).unwrap().visa.unwrap().jti;
    let redeem = || Redeem { jti, request_jkt: Some(key('a')) };
    let posted = |loaded: &mut Loaded| {
        for transfer in loaded.transfers.values_mut() {
            transfer.phase = Phase::Single;
        }
    };
    assert_eq!(code(spoilt(&mut world, &party("p"), redeem(), posted)), Some("ledger.broken"));
    let ended = |loaded: &mut Loaded| loaded.resolutions.extend(loaded.transfers.clone());
    assert_eq!(code(spoilt(&mut world, &party("p"), redeem(), ended)), Some("ledger.broken"));
    assert_eq!(code(spoilt(&mut world, &party("p"), redeem(), |_| ())), None);
}

#[test]
fn money_that_is_missing_is_not_moved() {
    let mut world = memory();
    world.fund("a", 100);
    let jti = world.run(&party("a"), issue("a", "p", 10)).unwrap().visa.unwrap().jti;
    let redeem = || Redeem { jti, request_jkt: Some(key('a')) };
    world.run(&party("p"), redeem()).unwrap();
    world.idle(30 * 24 * HOUR);
    let end = || Due { jti };
    let nothing_pending = |loaded: &mut Loaded| {
        for account in loaded.accounts.values_mut() {
            (account.debits_pending, account.credits_pending) = (units(0), units(0));
        }
    };
    let settled = |loaded: &mut Loaded| {
        for visa in loaded.visas.values_mut() {
            visa.state = VisaState::Released;
        }
    };
    for spoil in [nothing_pending as fn(&mut Loaded), settled] {
        assert_eq!(code(spoilt(&mut world, &Actor::Clock, end(), spoil)), Some("ledger.broken"));
    }
    assert_eq!(code(spoilt(&mut world, &Actor::Clock, end(), |_| ())), None);
    // A withdrawal whose accounts are gone.
    let asked = Withdraw {
        id: Some(id(9)),
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(5),
        reference: None,
        memo: None,
    };
    world.run(&operator("bank"), asked).unwrap();
    let post = || PostWithdrawal { id: id(9) };
    let gone = |loaded: &mut Loaded| loaded.accounts.clear();
    assert_eq!(code(spoilt(&mut world, &operator("other"), post(), gone)), Some("ledger.broken"));
    assert_eq!(code(spoilt(&mut world, &operator("other"), post(), |_| ())), None);
    // A reference that names no deposit.
    world.run(&operator("bank"), deposit(None)).unwrap();
    let nameless = |loaded: &mut Loaded| loaded.once.values_mut().for_each(|once| once.transfer = None);
    assert_eq!(code(spoilt(&mut world, &operator("bank"), deposit(None), nameless)), Some("ledger.broken"));
}

#[test]
fn a_visa_that_is_not_of_its_money_is_no_answer_to_who_asks_again() {
    let mut world = memory();
    world.fund("a", 100);
    let again = || IssueVisa { jti: Some(id(7)), ..issue("a", "p", 10) };
    world.run(&party("a"), again()).unwrap();
    let other = |loaded: &mut Loaded| {
        for visa in loaded.visas.values_mut() {
            visa.amount = units(11);
        }
    };
    assert_eq!(code(spoilt(&mut world, &party("a"), again(), other)), Some("idempotency.mismatch"));
    assert!(spoilt(&mut world, &party("a"), again(), |_| ()).unwrap().repeated);
}

/// The booking counts by its own id when its reference was lost.
#[test]
fn a_deposit_is_not_made_twice_when_its_reference_was_lost() {
    let mut world = memory();
    let bank = operator("bank");
    world.run(&bank, deposit(Some(id(7)))).unwrap();
    let lost = spoilt(&mut world, &bank, deposit(Some(id(7))), |loaded| loaded.once.clear()).unwrap();
    assert!(lost.repeated);
    assert_eq!(lost.transfers[0].id, id(7));
}
