//! What takes two operators, and what an account that was closed no longer takes.

use crate::common::{self, id, memory, operator, party, units};
use crate::rows::Rows;
use crate::spoil::collected;
use imagxp_broker::*;

/// A ledger in which an operator has disputed the log's time, and a second one has put it back.
fn disputed() -> Rows {
    let mut world = memory();
    world.fund("a", 1_000);
    let trust = |dispute| TrustClock { memo: Memo::parse("seen on two watches").unwrap(), dispute };
    world.now -= 600_000;
    let dispute = world.run(&operator("alice"), trust(None)).unwrap().event.unwrap();
    world.run(&operator("bob"), trust(Some(dispute.seq))).unwrap();
    collected(&mut world)
}

/// Who may say what about the log's time, and of whom an event of the broker tells.
#[test]
fn the_time_goes_back_by_two_operators_only() {
    let sound = disputed();
    let retold = |event: &mut Event, actor: Actor| {
        event.body = event.body.replace(&event.actor.to_string(), &actor.to_string());
        event.actor = actor;
    };
    let about = |event: &mut Event, member: &str| {
        let account = common::available("a").id();
        let named = if member == "jti" {
            event.jti = Some(id(9));
            id(9).to_string()
        } else {
            event.account = Some(account);
            account.to_string()
        };
        let mut body =
            imagxp::json::parse_object(event.body.as_bytes(), &imagxp::json::Limits::CLAIM).unwrap();
        body.insert(member, named);
        event.body = String::from_utf8(imagxp::json::object_to_canonical(&body)).unwrap();
    };
    type Spoil<'a> = &'a dyn Fn(&mut Rows);
    let cases: &[(&str, Spoil<'_>, bool)] = &[
        ("nothing", &|_| {}, true),
        ("by a party", &|rows| retold(rows.event(EventKind::ClockReset), party("a")), false),
        ("by the first", &|rows| retold(rows.event(EventKind::ClockReset), operator("alice")), false),
        ("by a third", &|rows| retold(rows.event(EventKind::ClockReset), operator("carol")), true),
        ("a dispute by a party", &|rows| retold(rows.event(EventKind::ClockDisputed), party("a")), false),
        ("of a visa", &|rows| rows.event(EventKind::ClockReset).jti = Some(id(9)), false),
        (
            "of an account",
            &|rows| rows.event(EventKind::ClockReset).account = Some(common::available("a").id()),
            false,
        ),
        // The row and the text agree on what it is about, and it is about nothing.
        ("told of a visa", &|rows| about(rows.event(EventKind::ClockReset), "jti"), false),
        ("told of an account", &|rows| about(rows.event(EventKind::ClockReset), "account"), false),
        ("retold", &|rows| rows.event(EventKind::ClockReset).actor = operator("carol"), false),
        (
            "of another time",
            &|rows| {
                let mut later = rows.transfer(TransferCode::Deposit, Phase::Single).clone();
                later.id = id(99);
                later.created_at += 1;
                rows.entries.insert(2, (Entry::Transfer(later), Leaf::default()));
            },
            false,
        ),
    ];
    for (name, spoil, good) in cases {
        let mut rows = sound.clone();
        spoil(&mut rows);
        rows.rewrite_log();
        assert_eq!(rows.kinds().contains("ledger.log"), !good, "{name}");
    }
}

/// Money that an operator has asked for goes out when another one says so.
#[test]
fn a_withdrawal_by_an_operator_takes_two() {
    let mut world = memory();
    world.fund("a", 1_000);
    let asked = Withdraw {
        id: None,
        asset: Asset::USD,
        owner: common::owner("a"),
        amount: units(10),
        reference: None,
        memo: None,
    };
    let asked = world.run(&operator("alice"), asked).unwrap().transfers[0].id;
    world.run(&operator("bob"), PostWithdrawal { id: asked }).unwrap();
    let sound = collected(&mut world);
    for (poster, expected) in [("bob", None), ("carol", None), ("alice", Some("ledger.resolution"))] {
        let mut rows = sound.clone();
        rows.transfer(TransferCode::Withdraw, Phase::Post).actor = operator(poster);
        rows.rewrite_log();
        let kinds = rows.kinds();
        assert_eq!(expected.is_none(), kinds.is_empty(), "{poster}: {kinds:?}");
        assert!(expected.is_none_or(|kind| kinds.contains(kind)), "{poster}: {kinds:?}");
    }
}

/// A correction is asked for by one operator and made by another, and nothing happens to an account that was closed.
#[test]
fn a_correction_takes_two_and_a_closed_account_takes_nothing() {
    let mut world = memory();
    ["a", "c"].into_iter().for_each(|name| world.fund(name, 1_000));
    let (a, c) = (common::available("a"), common::available("c"));
    let memo = Memo::parse("booked twice").unwrap();
    let correct = Correct {
        id: None,
        debit: c.clone(),
        credit: a.clone(),
        amount: units(1_000),
        reference: None,
        memo,
    };
    let asked = world.run(&operator("alice"), correct).unwrap().transfers[0].id;
    world.run(&operator("bob"), ApproveCorrection { id: asked }).unwrap();
    world.run(&operator("bob"), Close { account: c.clone(), memo: None }).unwrap();
    let sound = collected(&mut world);
    type Spoil<'a> = &'a dyn Fn(&mut Rows);
    let cases: &[(&str, Spoil<'_>, Option<&str>)] = &[
        ("nothing", &|_| {}, None),
        (
            "made by who asked",
            &|rows| rows.transfer(TransferCode::Correction, Phase::Post).actor = operator("alice"),
            Some("ledger.resolution"),
        ),
        ("to a closed account", &|rows| rows.book(&a, &c), Some("ledger.transfer")),
        ("from a closed account", &|rows| rows.book(&c, &a), Some("ledger.transfer")),
    ];
    for (name, spoil, expected) in cases {
        let mut rows = sound.clone();
        spoil(&mut rows);
        rows.rewrite_log();
        let kinds = rows.kinds();
        assert_eq!(expected.is_none(), kinds.is_empty(), "{name}: {kinds:?}");
        assert!(expected.is_none_or(|kind| kinds.contains(kind)), "{name}: {kinds:?}");
    }
}
