//! Each kind of row, changed in each way that matters.

use crate::common::{self, HOUR, id, issue, key, memory, operator, owner, party, units};
use crate::rows::Rows;
use crate::spoil::collected;
use imagxp::feedback::{Reason, Score};
use imagxp_broker::*;

/// A ledger in which each kind of transfer, event and state occurs.
fn rows() -> Rows {
    let mut world = memory();
    let admin = operator("alice");
    world.fund("a", 1_000_000);
    let asset = Asset::USD;
    for wanted in 0..8 {
        let jti = world.run(&party("a"), issue("a", "p", 10_000 + wanted)).unwrap().visa.unwrap().jti;
        if wanted < 2 {
            continue;
        }
        world.run(&party("p"), Redeem { jti, request_jkt: Some(key('a')) }).unwrap();
        if wanted < 3 {
            continue;
        }
        let score = Score::from_millionths(if wanted == 3 { 700_000 } else { 1 }).unwrap();
        let good =
            GiveFeedback { jti, jkt: key('a'), score, reason: Reason::Other, sha256: [1; 32], nonce: None };
        world.run(&party("a"), good).unwrap();
        if wanted >= 5 {
            world.run(&party("p"), Contest { jti, statement: Memo::parse("no").unwrap() }).unwrap();
        }
        let decision = if wanted == 7 { Decision::Split { amount: units(5_000) } } else { Decision::Refund };
        if wanted >= 6 {
            world.run(&admin, Decide { jti, decision, memo: None }).unwrap();
        }
    }
    let expired = world.store.due(world.now + HOUR, None, 1).unwrap()[0].jti;
    let due = Request::new(Due { jti: expired }, Actor::Clock, world.now + HOUR);
    world.request(due).unwrap();
    let bond = common::reference("bond");
    world
        .run(&admin, Lock(Bond { id: None, asset, owner: owner("a"), bond, amount: units(5), memo: None }))
        .unwrap();
    let withdraw = |amount| Withdraw {
        id: None,
        asset,
        owner: owner("a"),
        amount: units(amount),
        reference: None,
        memo: None,
    };
    world.run(&party("a"), withdraw(9)).unwrap();
    let paid = world.run(&party("a"), withdraw(8)).unwrap().transfers[0].id;
    world.run(&admin, PostWithdrawal { id: paid }).unwrap();
    world.run(&admin, Freeze { account: common::available("p"), memo: None }).unwrap();
    let report = world.audit();
    assert_eq!((report.accounts, report.visas), (5, 8));
    assert_eq!(report.head.size, report.transfers + report.events);
    let rows =
        Rows { visas: world.store.visas(&VisaFilter::default(), None, 99).unwrap(), ..collected(&mut world) };
    assert_eq!(rows.once.len(), 1);
    for state in VisaState::ALL {
        assert!(rows.visas.iter().any(|visa| visa.state == state), "{state:?}");
    }
    rows
}

/// Whoever changes rows but not the log: it is always the log that tells, beside what else is wrong.
#[test]
fn changed_rows_are_found() {
    let sound = rows();
    assert!(sound.clone().kinds().is_empty());
    let more = |amount: &mut Amount| *amount = amount.checked_add(units(1)).unwrap();
    type Spoil<'a> = &'a dyn Fn(&mut Rows);
    let cases: &[(&str, Spoil<'_>, &[&str])] = &[
        (
            "balance",
            &|rows| more(&mut rows.account(Kind::Available).credits_posted),
            &["ledger.account", "ledger.unbalanced"],
        ),
        (
            "money made",
            &|rows| {
                more(&mut rows.account(Kind::Available).credits_posted);
                more(&mut rows.account(Kind::Outside).debits_posted);
            },
            &["ledger.account"],
        ),
        (
            "overdrawn",
            &|rows| rows.account(Kind::Treasury).debits_posted = units(1 << 80),
            &["ledger.account", "ledger.overdrawn", "ledger.unbalanced"],
        ),
        ("frozen", &|rows| rows.account(Kind::Locked).frozen = true, &["ledger.account"]),
        (
            "thawed",
            &|rows| rows.accounts.iter_mut().for_each(|account| account.frozen = false),
            &["ledger.account"],
        ),
        (
            "owner",
            &|rows| rows.account(Kind::Locked).owner = Some(owner("b")),
            &["ledger.account", "ledger.transfer"],
        ),
        (
            "no account",
            &|rows| rows.accounts.retain(|account| account.kind != Kind::Locked),
            &["ledger.transfer", "ledger.unbalanced", "ledger.account"],
        ),
        (
            "amount",
            &|rows| more(&mut rows.transfer(TransferCode::Deposit, Phase::Single).amount),
            &["ledger.account", "ledger.log"],
        ),
        (
            "memo",
            &|rows| rows.transfer(TransferCode::Lock, Phase::Single).memo = Some(Memo::parse("x").unwrap()),
            &["ledger.log"],
        ),
        ("time", &|rows| rows.transfer(TransferCode::Lock, Phase::Single).created_at += 1, &["ledger.log"]),
        ("event body", &|rows| rows.event(EventKind::VisaDisputed).body = "{}".into(), &["ledger.log"]),
        (
            "event by another",
            &|rows| rows.event(EventKind::AccountFrozen).actor = operator("mallory"),
            &["ledger.log"],
        ),
        (
            "event of another visa",
            &|rows| rows.event(EventKind::VisaDisputed).jti = Some(id(9)),
            &["ledger.log", "ledger.visa"],
        ),
        (
            "event of another account",
            &|rows| rows.event(EventKind::AccountFrozen).account = Some(common::available("a").id()),
            &["ledger.log", "ledger.account"],
        ),
        ("event column", &|rows| rows.event(EventKind::VisaDisputed).created_at += 1, &["ledger.log"]),
        ("last entry", &|rows| drop(rows.entries.pop()), &["ledger.log", "ledger.account"]),
        ("swapped", &|rows| rows.entries.swap(3, 4), &["ledger.log", "ledger.visa"]),
        ("head", &|rows| rows.head.last = [1; 32], &["ledger.log"]),
        ("leaf", &|rows| rows.entries[5].1.hash = [1; 32], &["ledger.log"]),
        ("subtree", &|rows| rows.entries[5].1.subtrees = vec![[1; 32]], &["ledger.log"]),
        ("subtrees", &|rows| rows.entries[7].1.subtrees.clear(), &["ledger.log"]),
        ("visa state", &|rows| rows.visa(VisaState::Withheld).state = VisaState::Redeemed, &["ledger.visa"]),
        (
            "visa refunded",
            &|rows| rows.visa(VisaState::Released).state = VisaState::Refunded,
            &["ledger.visa"],
        ),
        ("visa amount", &|rows| more(&mut rows.visa(VisaState::Issued).amount), &["ledger.visa"]),
        ("visa part", &|rows| more(&mut rows.visa(VisaState::Split).released), &["ledger.visa"]),
        ("visa fee", &|rows| more(&mut rows.visa(VisaState::Released).fee), &["ledger.visa"]),
        ("visa parties", &|rows| rows.visa(VisaState::Issued).publisher = owner("q"), &["ledger.visa"]),
        ("visa clock", &|rows| rows.visa(VisaState::Redeemed).due_at = None, &["ledger.visa"]),
        ("visa fee rate", &|rows| rows.visa(VisaState::Issued).fee_bps = 10_000, &["ledger.visa"]),
        ("visa expiry", &|rows| rows.visa(VisaState::Issued).expires_at += 1000, &["ledger.visa"]),
        ("visa key", &|rows| rows.visa(VisaState::Issued).jkt = Some(key('z')), &["ledger.visa"]),
        (
            "visa limits",
            &|rows| rows.visa(VisaState::Issued).paths = Some(vec!["/".into()]),
            &["ledger.visa"],
        ),
        ("visa released", &|rows| rows.visa(VisaState::Released).released = units(1), &["ledger.visa"]),
        ("visa waiting", &|rows| rows.visa(VisaState::Released).due_at = Some(1), &["ledger.visa"]),
        ("visa twice", &|rows| rows.visas.push(rows.visas[0].clone()), &["ledger.visa"]),
        (
            "no world",
            &|rows| rows.accounts.retain(|account| account.kind != Kind::Outside),
            &["ledger.transfer", "ledger.unbalanced", "ledger.account", "ledger.overdrawn"],
        ),
        ("visa due", &|rows| *rows.visa(VisaState::Redeemed).due_at.as_mut().unwrap() += 1, &["ledger.visa"]),
        ("visa redeemed", &|rows| rows.visa(VisaState::Redeemed).redeemed_at = None, &["ledger.visa"]),
        ("visa feedback", &|rows| rows.visa(VisaState::Withheld).feedback = None, &["ledger.visa"]),
        ("visa beside", &|rows| rows.counts.visas += 1, &["ledger.visa"]),
        ("transfer beside", &|rows| rows.counts.transfers += 1, &["ledger.log"]),
        ("leaf beside", &|rows| rows.counts.leaves += 1, &["ledger.log"]),
        ("booking forgotten", &|rows| rows.once.clear(), &["ledger.id"]),
        ("booking of another", &|rows| rows.once[0].transfer = Some(id(9)), &["ledger.id"]),
        ("visa gone", &|rows| drop(rows.visas.pop()), &["ledger.visa"]),
        ("visa invented", &|rows| rows.visas[0].jti = id(7), &["ledger.visa"]),
    ];
    for (name, spoil, expected) in cases {
        let mut rows = sound.clone();
        spoil(&mut rows);
        assert_eq!(rows.kinds(), expected.iter().copied().collect(), "{name}");
    }
}

/// Whoever rewrites the log and the head as well is found by the checkpoints that others hold, and by what does not add up.
#[test]
fn rewritten_logs_do_not_add_up() {
    let sound = rows();
    type Spoil<'a> = &'a dyn Fn(&mut Rows);
    let cases: &[(&str, Spoil<'_>, &[&str])] = &[
        ("nothing", &|_| {}, &[]),
        (
            "zero",
            &|rows| rows.transfer(TransferCode::Lock, Phase::Single).amount = Amount::ZERO,
            &["ledger.account", "ledger.transfer"],
        ),
        (
            "shape",
            &|rows| rows.transfer(TransferCode::Lock, Phase::Single).code = TransferCode::Pay,
            &["ledger.transfer"],
        ),
        (
            "itself",
            &|rows| {
                let transfer = rows.transfer(TransferCode::Lock, Phase::Single);
                transfer.credit = transfer.debit;
            },
            &["ledger.account", "ledger.transfer"],
        ),
        (
            "same id",
            &|rows| {
                let id = rows.transfer(TransferCode::Deposit, Phase::Single).id;
                rows.transfer(TransferCode::Lock, Phase::Single).id = id;
            },
            &["ledger.id"],
        ),
        (
            "post too much",
            &|rows| {
                let post = rows.transfer(TransferCode::Visa, Phase::Post);
                post.amount = post.amount.checked_add(units(1)).unwrap();
            },
            &["ledger.resolution", "ledger.account", "ledger.visa", "ledger.overdrawn"],
        ),
        (
            "post of nothing",
            &|rows| rows.transfer(TransferCode::Withdraw, Phase::Post).pending_id = None,
            &["ledger.resolution", "ledger.account"],
        ),
        (
            "post of another",
            &|rows| rows.transfer(TransferCode::Withdraw, Phase::Post).pending_id = Some(id(9)),
            &["ledger.resolution", "ledger.account"],
        ),
        (
            "void twice",
            &|rows| {
                let mut again = rows.transfer(TransferCode::Visa, Phase::Void).clone();
                again.id = id(99);
                again.created_at = rows.entries.last().unwrap().0.created_at();
                rows.entries.push((Entry::Transfer(again), Leaf::default()));
            },
            &["ledger.resolution"],
        ),
        (
            "fee of nothing",
            &|rows| rows.transfer(TransferCode::Fee, Phase::Single).reference = None,
            &["ledger.transfer", "ledger.visa"],
        ),
        ("deposit gone", &|rows| drop(rows.entries.remove(0)), &["ledger.account", "ledger.overdrawn"]),
        (
            "event gone",
            &|rows| {
                rows.entries.retain(|(entry, _)| !matches!(entry, Entry::Event(event) if event.kind == EventKind::AccountFrozen))
            },
            &["ledger.account"],
        ),
        (
            "void between others",
            &|rows| {
                let void = rows.transfer(TransferCode::Visa, Phase::Void);
                core::mem::swap(&mut void.debit, &mut void.credit);
            },
            &["ledger.resolution", "ledger.visa"],
        ),
        (
            "another asset",
            &|rows| rows.transfer(TransferCode::Lock, Phase::Single).asset = Asset::parse("EUR").unwrap(),
            &["ledger.transfer"],
        ),
        (
            "beyond counting",
            &|rows| {
                let mut again = rows.transfer(TransferCode::Deposit, Phase::Single).clone();
                (again.id, again.amount) = (id(99), Amount::MAX);
                again.created_at = rows.entries.last().unwrap().0.created_at();
                rows.entries.push((Entry::Transfer(again), Leaf::default()));
            },
            &["ledger.id", "ledger.overdrawn"],
        ),
        (
            "nothing is due",
            &|rows| {
                let visa = rows.visa(VisaState::Withheld);
                visa.due_at = None;
                let jti = visa.jti;
                let told = rows.entries.iter_mut().find_map(|(entry, _)| match entry {
                    Entry::Event(event)
                        if (event.kind, event.jti) == (EventKind::VisaWithheld, Some(jti)) =>
                    {
                        Some(event)
                    }
                    _ => None,
                });
                let body = &mut told.unwrap().body;
                let (before, rest) = body.split_once("\"due\":\"").unwrap();
                *body = format!("{before}{}", rest.split_once("\",").unwrap().1);
            },
            &["ledger.visa"],
        ),
        (
            "event not canonical",
            &|rows| {
                let event = rows.event(EventKind::AccountFrozen);
                event.body = event.body.replacen(',', ", ", 1);
            },
            &["ledger.log"],
        ),
        (
            "event of a stranger",
            &|rows| {
                let event = rows.event(EventKind::AccountFrozen);
                let stranger = common::available("stranger").id();
                event.body = event.body.replace(&event.account.unwrap().to_string(), &stranger.to_string());
                event.account = Some(stranger);
            },
            &["ledger.account", "ledger.log"],
        ),
    ];
    for (name, spoil, expected) in cases {
        let mut rows = sound.clone();
        let head = rows.head.clone();
        spoil(&mut rows);
        rows.rewrite_log();
        assert_eq!(rows.head == head, expected.is_empty(), "{name}: the checkpoint tells");
        let mut kinds = rows.kinds();
        // A shorter log leaves versions behind, which is not what this is about.
        kinds.retain(|kind| expected.contains(kind) || *kind != "ledger.account");
        assert_eq!(kinds, expected.iter().copied().collect(), "{name}");
    }
}

#[test]
fn balances_are_checked_without_the_transfers() {
    let mut rows = rows();
    rows.entries.clear();
    assert!(audit::balances(&mut rows).unwrap().is_sound());
    rows.account(Kind::Treasury).credits_pending = units(1);
    let report = audit::balances(&mut rows).unwrap();
    assert_eq!(
        report.findings[0].to_string(),
        "ledger.unbalanced: the pending debits of USD are not its pending credits"
    );
}
