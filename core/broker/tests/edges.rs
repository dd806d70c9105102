//! Limits at their edges, and what a batch says of what it changed: each once changed by mutation testing (scripts/mutants.sh) without a test
//! that noticed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::*;
use imagxp_broker::*;

const DAY: i64 = 24 * HOUR;

fn trust(dispute: Option<u64>) -> TrustClock {
    TrustClock { memo: Memo::parse("seen on two watches").unwrap(), dispute }
}

fn withdrawal(amount: u128) -> Withdraw {
    Withdraw {
        id: None,
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(amount),
        reference: None,
        memo: None,
    }
}

/// The times that BROKER fixes, in milliseconds: a constant that is written by another factor is another protocol.
#[test]
fn the_times_are_those_of_the_protocol() {
    assert_eq!(rules::FEEDBACK_WINDOW_MS, 86_400_000);
    assert_eq!(rules::CONTEST_WINDOW_MS, 259_200_000);
    assert_eq!(rules::CLOCK_SKEW_MS, 172_800_000);
    assert_eq!(rules::CLOCK_AHEAD_MS, 604_800_000);
    assert_eq!(rules::NOTE_EVERY_MS, 86_400_000);
    assert_eq!(rules::DISPUTE_MS, 86_400_000);
    assert_eq!(idempotency::KEPT_MS, 259_200_000);
    assert_eq!((rules::EXPIRY_GRACE_MS, rules::MAX_LIFETIME_S), (60_000, 3600));
}

#[test]
fn a_clock_is_wrong_from_the_first_millisecond_on() {
    let mut world = memory();
    assert!(world.store.head().unwrap().check_clock(NOW + 1_000 * DAY).is_ok(), "an empty log knows no time");
    world.fund("a", 1);
    let head = world.store.head().unwrap();
    for (off, good) in [(7 * DAY, true), (7 * DAY + 1, false), (-2 * DAY, true), (-2 * DAY - 1, false)] {
        assert_eq!(head.check_clock(NOW + off).is_ok(), good, "{off}");
    }
}

#[test]
fn a_dispute_is_about_a_log_that_is_ahead_and_as_it_stood() {
    // A minute is no dispute; a millisecond more is one.
    for (behind, kind) in [(60_000, EventKind::ClockTrusted), (60_001, EventKind::ClockDisputed)] {
        let mut world = memory();
        world.fund("a", 1);
        world.now = NOW - behind;
        assert_eq!(world.run(&operator("alice"), trust(None)).unwrap().event.unwrap().kind, kind, "{behind}");
    }
    // Once the clock has come to the log's time there is nothing to put back.
    for (now, code) in [(NOW, Some("clock.dispute")), (NOW - 1, None)] {
        let mut world = memory();
        world.fund("a", 1);
        world.now = NOW - 120_000;
        let dispute = world.run(&operator("alice"), trust(None)).unwrap().event.unwrap();
        world.now = now;
        let said = world.run(&operator("bob"), trust(Some(dispute.seq)));
        assert_eq!(said.err().map(|refusal| refusal.code().as_str()), code, "{now}");
    }
    // The log has gone on: the dispute was about another time.
    let mut world = memory();
    world.fund("a", 1);
    world.now = NOW - 120_000;
    let dispute = world.run(&operator("alice"), trust(None)).unwrap().event.unwrap();
    world.now = NOW + 5;
    world.fund("a", 1);
    world.now = NOW - 110_000;
    assert_eq!(world.refused(&operator("bob"), trust(Some(dispute.seq))), "clock.dispute");
}

#[test]
fn names_and_fees_have_their_limits() {
    for (name, good) in [("E", false), ("EU", true), ("ABCDEFGHIJ12", true), ("ABCDEFGHIJ123", false)] {
        assert_eq!(Asset::parse(name).is_ok(), good, "{name}");
    }
    for (fee_bps, good) in [(0, true), (10_000, true), (10_001, false), (u16::MAX, false)] {
        assert_eq!(Rules { fee_bps, ..Rules::default() }.check().is_ok(), good, "{fee_bps}");
    }
}

#[test]
fn what_was_used_once_counts_until_it_expires() {
    let used = UseAssertion { agent: owner("a"), jti: reference("assertion-1"), expires_at: NOW };
    // Two days longer than it says, for the sake of clocks that differ.
    for (later, code) in [(2 * DAY - 1, Some("assertion.used")), (2 * DAY, None)] {
        let mut world = memory();
        world.run(&Actor::Clock, used.clone()).unwrap();
        world.now = NOW + later;
        let again = world.run(&Actor::Clock, used.clone());
        assert_eq!(again.err().map(|refusal| refusal.code().as_str()), code, "{later}");
    }
}

#[test]
fn what_ends_a_withdrawal_has_its_own_place_and_no_memo() {
    let mut world = memory();
    world.fund("a", 100);
    let memo = Some(Memo::parse("rent").unwrap());
    let pending = world
        .run(&party("a"), Withdraw { memo: memo.clone(), ..withdrawal(10) })
        .unwrap()
        .transfers
        .remove(0);
    let made = world.run(&operator("bank"), PostWithdrawal { id: pending.id }).unwrap().transfers.remove(0);
    assert_eq!((pending.memo, made.memo, made.pending_id), (memo, None, Some(pending.id)));
    assert_eq!((pending.seq, made.seq), (1, 2));
    world.audit();
}

#[test]
fn a_batch_says_what_is_new_and_as_of_which_entry() {
    let mut world = memory();
    let deposit = |number: u32| Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner("a"),
        amount: units(10),
        reference: reference(&format!("deposit-{number}")),
        memo: None,
    };
    let mut step = |command: Command, actor: &Actor| {
        let done = world.batch(&[Request::new(command, actor.clone(), NOW)]);
        assert!(done.results[0].is_ok(), "{:?}", done.results);
        let size = world.store.head().unwrap().size;
        assert!(
            done.changes.accounts.iter().all(|account| account.version == size),
            "{:?}",
            done.changes.accounts
        );
        assert!(done.changes.visas.iter().all(|visa| visa.version == size), "{:?}", done.changes.visas);
        let outcome = done.results[0].clone().unwrap();
        (done.changes, outcome)
    };
    let (first, _) = step(deposit(1).into(), &operator("bank"));
    assert!(first.opened.contains(&available("a").id()));
    let (second, _) = step(deposit(2).into(), &operator("bank"));
    assert!(second.opened.is_empty() && !second.accounts.is_empty());
    let (issued, outcome) = step(issue("a", "p", 3).into(), &party("a"));
    let jti = outcome.visa.unwrap().jti;
    assert!(issued.issued.contains(&jti) && !issued.opened.contains(&available("a").id()));
    // An event about a visa or an account is told by these; the outcome's own is one of the broker.
    let (_, outcome) = step(Freeze { account: available("a"), memo: None }.into(), &operator("bank"));
    assert_eq!(outcome.event, None);
    let (_, outcome) = step(trust(None).into(), &operator("bank"));
    assert_eq!(outcome.event.unwrap().kind, EventKind::ClockTrusted);
}

#[test]
fn memory_takes_no_transfer_twice() {
    let mut world = memory();
    world.fund("a", 100);
    let first = world.batch(&[Request::new(withdrawal(1), party("a"), NOW)]).changes;
    let mut ahead = memory();
    ahead.fund("a", 100);
    ahead.batch(&[Request::new(withdrawal(1), party("a"), NOW)]);
    let mut next = ahead.batch(&[Request::new(withdrawal(2), party("a"), NOW)]).changes;
    // Whole, but for an id that is there already.
    next.transfers[0].id = first.transfers[0].id;
    world.store.begin().unwrap();
    assert_eq!(world.store.write(&next).unwrap_err().to_string(), "the transfer's id exists");
    // The same id twice in one batch.
    let mut both = ahead
        .batch(&[Request::new(withdrawal(3), party("a"), NOW), Request::new(withdrawal(4), party("a"), NOW)])
        .changes;
    both.transfers[1].id = both.transfers[0].id;
    let size = ahead.store.head().unwrap().size;
    assert_eq!(both.size_before + 2, size);
    let mut earlier = memory();
    earlier.fund("a", 100);
    for amount in [1, 2] {
        earlier.batch(&[Request::new(withdrawal(amount), party("a"), NOW)]);
    }
    earlier.store.begin().unwrap();
    assert_eq!(earlier.store.write(&both).unwrap_err().to_string(), "the transfer's id exists");
}

#[test]
fn ids_hold_the_time_and_count_on_when_it_stands_still() {
    let ids = |random: u128, times: &[i64]| {
        let mut ids = TimeOrdered::new(move || random);
        times.iter().map(|now| ids.next(*now).as_u128()).collect::<Vec<_>>()
    };
    // The latest time that there is, and what is beyond it or before the first.
    for (now, time) in
        [((1 << 48) - 1, (1_u128 << 48) - 1), (1 << 48, (1 << 48) - 1), (i64::MAX, (1 << 48) - 1), (-1, 0)]
    {
        assert_eq!(ids(0, &[now])[0] >> 80, time, "{now}");
    }
    // 74 random bits beside version and variant, whatever the source gives.
    assert_eq!(ids(u128::MAX, &[5])[0], 5 << 80 | 0x7fff_bfff_ffff_ffff_ffff);
    assert_eq!(ids(0, &[5])[0], 5 << 80 | 0x7000_8000_0000_0000_0000);
    // One more at least; and 32 random bits more at most.
    assert_eq!(ids(0, &[5, 5])[1] - ids(0, &[5])[0], 1);
    let many = ids(0xffff_fff0, &[5, 5, 4]);
    assert_eq!((many[1] - many[0], many[2] - many[1]), (0xffff_fff1, 0xffff_fff1));
    // The last of the 62 bits is one; after it the time goes on.
    let low = (1_u128 << 62) - 1;
    let last = ids(low - 0xffff_ffff, &[5, 5]);
    assert_eq!(
        (last[1] & low, last[1] >> 80),
        (low - 0xffff_ffff + ((low - 0xffff_ffff) & 0xffff_ffff | 1), 5)
    );
    let over = ids(low, &[5, 5]);
    assert_eq!((over[0] & low, over[1] >> 80), (low, 6));
    // To the number: one more than all the bits is another time.
    let mut random = [u128::MAX, 0, 0, 0].into_iter();
    let mut exact = TimeOrdered::new(move || random.next().unwrap());
    let (first, second) = (exact.next(5).as_u128(), exact.next(5).as_u128());
    assert_eq!((first & low, second), (low, 6 << 80 | 0x7000_8000_0000_0000_0000));
}

#[test]
fn the_heads_nodes_are_one_column() {
    let mut world = memory();
    for _ in 0..3 {
        world.fund("a", 1);
    }
    let head = world.store.head().unwrap();
    assert_eq!(head.nodes_to_bytes(), [head.nodes[0], head.nodes[1]].concat());
    assert_eq!((head.size, head.nodes_to_bytes().len()), (3, 64));
}
