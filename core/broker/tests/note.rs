//! What happens around the ledger: a log that was accepted, operators who come and go.
#![cfg(test)]

mod common;

use common::*;
use imagxp_broker::{AcceptLog, Actor, Beginning, EventKind, Memo, NoteOperator};

fn accept(missing: Option<Beginning>) -> AcceptLog {
    AcceptLog { memo: Memo::parse("an old backup").unwrap(), missing }
}

#[test]
fn an_operator_accepts_a_log_that_lacks_something() {
    let mut world = memory();
    world.fund("a", 10);
    let missing = Some(Beginning { size: 7, root: [0xab; 32] });
    let alice = operator("alice");
    assert_eq!(world.refused(&alice, accept(None)), "log.continues");
    assert_eq!(world.refused(&party("a"), accept(missing)), "actor.denied");
    assert_eq!(world.refused(&Actor::Clock, accept(missing)), "actor.denied");
    let event = world.run(&alice, accept(missing)).unwrap().event.unwrap();
    assert_eq!((event.kind, &event.actor), (EventKind::LogAccepted, &alice));
    assert!(
        event.body.contains(r#""missing_size":"7""#) && event.body.contains("an old backup"),
        "{}",
        event.body
    );
    assert!(event.body.contains(&"ab".repeat(32)), "{}", event.body);
    assert!(world.audit().is_sound());
}

#[test]
fn the_broker_alone_notes_its_operators() {
    let mut world = memory();
    world.fund("a", 10);
    let note = |role: Option<&str>| NoteOperator { name: owner("bob"), role: role.map(reference) };
    for actor in [operator("alice"), party("a")] {
        assert_eq!(world.refused(&actor, note(Some("admin"))), "actor.denied");
    }
    let added = world.run(&Actor::Clock, note(Some("admin"))).unwrap().event.unwrap();
    assert_eq!(added.kind, EventKind::OperatorAdded);
    assert!(added.body.contains(r#""operator":"bob","role":"admin""#), "{}", added.body);
    let removed = world.run(&Actor::Clock, note(None)).unwrap().event.unwrap();
    assert_eq!(removed.kind, EventKind::OperatorRemoved);
    assert!(!removed.body.contains("role"), "{}", removed.body);
    assert!(world.audit().is_sound());
}
