//! Clocks that are wrong, and how the log's time is put right again.

#![cfg(test)]

mod common;

use common::*;
use imagxp_broker::*;

const YEAR: i64 = 365 * 24 * HOUR;

fn trust(dispute: Option<u64>) -> TrustClock {
    TrustClock { memo: Memo::parse("seen on two watches").unwrap(), dispute }
}

fn last_at(world: &mut World<Memory>) -> i64 {
    world.store.head().unwrap().last_at
}

/// A ledger whose first entry was written by a clock that was years ahead, and whose clock is right now.
fn poisoned() -> World<Memory> {
    let mut world = memory();
    world.now = NOW + 73 * YEAR;
    world.fund("a", 100);
    world.now = NOW;
    world
}

#[test]
fn a_clock_years_ahead_writes_nothing() {
    let mut world = memory();
    world.fund("a", 100);
    let pay = || Pay {
        id: None,
        asset: Asset::USD,
        from: owner("a"),
        to: owner("b"),
        amount: units(1),
        reference: None,
        memo: None,
    };
    for ahead in [73 * YEAR, 7 * 24 * HOUR + 1] {
        world.now = NOW + ahead;
        assert_eq!(world.refused(&party("a"), pay()), "clock.wrong");
        assert_eq!(
            world.refused(&operator("bank"), Freeze { account: available("a"), memo: None }),
            "clock.wrong"
        );
        assert_eq!(
            world.refused(&Actor::Clock, NoteTime),
            "clock.wrong",
            "the service does not vouch for itself"
        );
        assert_eq!(world.refused(&party("a"), trust(None)), "actor.denied");
        assert_eq!(world.refused(&Actor::Clock, trust(None)), "actor.denied");
    }
    world.now = NOW;
    world.run(&party("a"), pay()).unwrap();
    // A broker that was idle is told so, by one operator, once.
    world.now = NOW + 30 * 24 * HOUR;
    let told = world.run(&operator("alice"), trust(None)).unwrap().event.unwrap();
    assert_eq!((told.kind, told.created_at), (EventKind::ClockTrusted, world.now));
    world.run(&party("a"), pay()).unwrap();
    world.audit();
}

#[test]
fn the_time_is_noted_while_nothing_happens() {
    let mut world = memory();
    world.run(&Actor::Clock, NoteTime).unwrap();
    assert_eq!(world.store.head().unwrap().size, 0, "an empty log stays empty");
    world.fund("a", 100);
    assert_eq!(world.refused(&operator("alice"), NoteTime), "actor.denied");
    for day in 1..30 {
        world.now = NOW + day * 24 * HOUR;
        for _ in 0..3 {
            world.run(&Actor::Clock, NoteTime).unwrap();
        }
        assert_eq!(last_at(&mut world), world.now);
    }
    assert_eq!(world.store.head().unwrap().size, 30, "once a day");
    world.fund("a", 100);
    world.audit();
}

#[test]
fn two_operators_put_the_time_back() {
    let mut world = poisoned();
    let (alice, bob) = (operator("alice"), operator("bob"));
    let late = last_at(&mut world);
    assert_eq!(world.refused(&party("a"), issue("a", "p", 1)), "clock.wrong");
    assert_eq!(world.refused(&bob, trust(Some(0))), "clock.dispute", "a transfer is no dispute");
    assert_eq!(world.refused(&bob, trust(Some(99))), "clock.dispute");
    let dispute = world.run(&alice, trust(None)).unwrap().event.unwrap();
    assert_eq!((dispute.kind, dispute.created_at), (EventKind::ClockDisputed, late));
    assert_eq!(last_at(&mut world), late, "one operator changes nothing");
    assert_eq!(world.refused(&party("a"), issue("a", "p", 1)), "clock.wrong");
    assert_eq!(world.refused(&alice, trust(Some(dispute.seq))), "admin.second_needed");
    assert_eq!(world.refused(&party("a"), trust(Some(dispute.seq))), "actor.denied");
    for moved in [24 * HOUR + 1, -1] {
        world.now = NOW + moved;
        assert_eq!(
            world.refused(&bob, trust(Some(dispute.seq))),
            "clock.dispute",
            "another clock, or a day later"
        );
    }
    world.now = NOW + HOUR;
    let reset = world.run(&bob, trust(Some(dispute.seq))).unwrap().event.unwrap();
    assert_eq!((reset.kind, reset.created_at), (EventKind::ClockReset, world.now));
    assert_eq!(last_at(&mut world), world.now);
    // It counts once.
    assert_eq!(world.refused(&bob, trust(Some(dispute.seq))), "clock.dispute");
    assert_eq!(world.refused(&operator("carol"), trust(Some(dispute.seq))), "clock.dispute");
    world.run(&party("a"), issue("a", "p", 1)).unwrap();
    assert!(world.audit().is_sound());
    // And again, should it happen again.
    world.now += 6 * 24 * HOUR;
    world.fund("a", 1);
    world.now -= 6 * 24 * HOUR;
    let dispute = world.run(&bob, trust(None)).unwrap().event.unwrap();
    world.run(&alice, trust(Some(dispute.seq))).unwrap();
    world.run(&party("a"), issue("a", "p", 1)).unwrap();
    assert!(world.audit().is_sound());
}

/// Both in one batch, as a server may do it.
#[test]
fn one_batch_is_enough() {
    let mut world = poisoned();
    let done = world.batch(&[
        Request::new(trust(None), operator("alice"), NOW),
        Request::new(trust(Some(1)), operator("bob"), NOW),
        Request::new(issue("a", "p", 1), party("a"), NOW + 5),
    ]);
    assert!(done.results.iter().all(Result::is_ok), "{:?}", done.results);
    assert_eq!(last_at(&mut world), NOW + 5);
    assert!(world.audit().is_sound());
}
