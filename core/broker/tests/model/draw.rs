//! What may happen, drawn at random: each draw becomes a command, and what it means to the reference.

use super::common::{self, HOUR, id, key, owner, units};
use super::meaning::{Meaning, Names, Needs};
use super::reference::{Reference, Visa, available, locked, plain};
use imagxp::feedback::{Reason, Score};
use imagxp_broker::*;
use proptest::prelude::*;

pub(crate) const PARTIES: usize = 5;
const ASSETS: [&str; 3] = ["USD", "EUR", "XXX"];

/// To the moment at which time changes some visa, and to the millisecond before.
const TO_THE_EDGE: i64 = -1;
const BEFORE_THE_EDGE: i64 = -2;

#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) what: u8,
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) asset: usize,
    pub(crate) amount: i128,
    pub(crate) pick: usize,
    pub(crate) actor: u8,
    pub(crate) key: Option<u8>,
    pub(crate) own_id: Option<u8>,
    pub(crate) wait: i64,
    pub(crate) end_of_batch: bool,
}

pub(crate) fn draw() -> impl Strategy<Value = Draw> {
    let amount = prop_oneof![
        1 => Just(0_i128),
        8 => 1..200_i128,
        4 => 200..100_000_i128,
        1 => Just(1_i128 << 90),
    ];
    let wait = prop_oneof![
        300 => 0..2_000_i64,
        4 => Just(TO_THE_EDGE),
        4 => Just(BEFORE_THE_EDGE),
        6 => 0..HOUR,
        1 => Just(600_000 + 59_999),
        1 => Just(600_000 + 60_000),
        1 => Just(24 * HOUR - 1),
        1 => Just(24 * HOUR),
        1 => Just(72 * HOUR),
    ];
    let asset = prop_oneof![20 => Just(0_usize), 4 => Just(1), 1 => Just(2)];
    let key = prop::option::weighted(0.2, 0..6_u8);
    let own_id = prop::option::weighted(0.15, 0..12_u8);
    let first = (0..24_u8, 0..PARTIES, 0..PARTIES, asset, amount, 0..1000_usize);
    (first, 0..40_u8, key, own_id, wait, prop::bool::weighted(0.4)).prop_map(
        |((what, a, b, asset, amount, pick), actor, key, own_id, wait, end_of_batch)| Draw {
            what,
            // The last party has only what visas and corrections bring, so that it is sometimes empty and can be closed.
            a: if what < 2 { a % (PARTIES - 1) } else { a },
            b: if what == 5 { b % (PARTIES - 1) } else { b },
            asset,
            // What comes in is more than what one command takes out.
            amount: if what < 2 { amount * 50 } else { amount },
            pick,
            actor,
            key,
            own_id,
            wait,
            end_of_batch,
        },
    )
}

impl Draw {
    pub(crate) fn time(&self, now: i64, reference: &Reference) -> i64 {
        if self.wait >= 0 {
            return now + self.wait;
        }
        let edge = |visa: &Visa| match visa.state {
            "ISSUED" => Some(visa.expires + 60_000),
            "REDEEMED" => Some(visa.redeemed + 24 * HOUR),
            "WITHHELD" => Some(visa.withheld + 72 * HOUR),
            _ => None,
        };
        let before = i64::from(self.wait == BEFORE_THE_EDGE);
        let edges = reference.visas.iter().filter_map(edge).map(|edge| edge - before);
        edges.filter(|edge| *edge > now).min().unwrap_or(now)
    }

    pub(crate) fn actor(&self, names: &Names, reference: &Reference) -> Actor {
        match self.actor {
            0 => Actor::Clock,
            1..=3 => Actor::Operator(owner("alice")),
            4 => Actor::Operator(owner("bob")),
            5 => Actor::Party(owner(&format!("p{}.example", self.b))),
            _ => match self.what {
                3 | 4 | 7..=12 => {
                    Actor::Operator(owner(if self.actor.is_multiple_of(2) { "alice" } else { "bob" }))
                }
                15..=17 | 20 => self.of_visa(names, reference, |visa| visa.publisher),
                18 | 19 => self.of_visa(names, reference, |visa| visa.agent),
                21 | 22 => Actor::Operator(owner("alice")),
                23 => Actor::Clock,
                0 | 1 => Actor::Operator(owner("alice")),
                _ => Actor::Party(owner(&format!("p{}.example", self.a))),
            },
        }
    }

    fn of_visa(&self, names: &Names, reference: &Reference, who: fn(&Visa) -> usize) -> Actor {
        let who = self.visa(names, reference).map_or(0, |(_, index)| who(&reference.visas[index]));
        Actor::Party(owner(&format!("p{who}.example")))
    }

    /// A visa, mostly one of the newest that the command is meant for.
    fn visa(&self, names: &Names, reference: &Reference) -> Option<(Id, usize)> {
        let wanted: &[&str] = match self.what {
            15..=17 => &["ISSUED"],
            18 | 19 => &["REDEEMED"],
            20 => &["WITHHELD"],
            21 | 22 => &["DISPUTED"],
            _ => &["ISSUED", "REDEEMED", "WITHHELD"],
        };
        let meant = |index: &usize| wanted.contains(&reference.visas[*index].state);
        let all = 0..names.jtis.len();
        let mut fitting: Vec<usize> = all.clone().filter(meant).collect();
        if fitting.is_empty() || self.pick % 5 == 4 {
            fitting = all.collect();
        }
        let index = *newest(&fitting, self.pick)?;
        Some((names.jtis[index], index))
    }

    fn pending(&self, names: &Names, reference: &Reference) -> Option<(Id, usize)> {
        let wanted = if self.what < 5 { "WITHDRAW" } else { "CORRECTION" };
        let meant = |(_, of): &&(Id, usize)| reference.list[*of].code == wanted && reference.is_open(*of);
        let mut fitting: Vec<(Id, usize)> = names.pending.iter().filter(meant).copied().collect();
        if fitting.is_empty() || self.pick % 5 == 4 {
            fitting.clone_from(&names.pending);
        }
        newest(&fitting, self.pick).copied()
    }

    pub(crate) fn command(&self, names: &Names, reference: &Reference) -> (Command, Meaning) {
        let asset_name = ASSETS[self.asset];
        let asset = Asset::parse(asset_name).unwrap();
        let own = |number: u8| id(1_000 + u128::from(number));
        let (chosen, amount) = (self.own_id.map(own), units(self.amount.unsigned_abs()));
        let (a, b) = (owner(&format!("p{}.example", self.a)), owner(&format!("p{}.example", self.b)));
        let bond = common::reference("bond");
        let (mine, theirs) = (available(asset_name, self.a), available(asset_name, self.b));
        let movement = |code, pending, from, to, needs| Meaning::Move {
            code,
            pending,
            from,
            to,
            amount: self.amount,
            needs,
        };
        match self.what {
            0 | 1 => {
                let reference = common::reference(&format!("bank-{}", self.pick % 250));
                let meaning = movement("DEPOSIT", false, plain(asset_name, "OUTSIDE"), mine, Needs::Operator);
                (Deposit { id: chosen, asset, owner: a, amount, reference, memo: None }.into(), meaning)
            }
            2 => {
                let meaning =
                    movement("WITHDRAW", true, mine, plain(asset_name, "OUTSIDE"), Needs::Owner(self.a));
                (
                    Withdraw { id: chosen, asset, owner: a, amount, reference: None, memo: None }.into(),
                    meaning,
                )
            }
            3 | 4 => {
                let id = self.own_or(|| self.pending(names, reference).map(|(id, _)| id));
                let meaning = Meaning::End { id, code: "WITHDRAW", post: self.what == 3 };
                let command =
                    if self.what == 3 { PostWithdrawal { id }.into() } else { VoidWithdrawal { id }.into() };
                (command, meaning)
            }
            5 => {
                let meaning = movement("PAY", false, mine, theirs, Needs::Owner(self.a));
                (
                    Pay { id: chosen, asset, from: a, to: b, amount, reference: None, memo: None }.into(),
                    meaning,
                )
            }
            6 => {
                let meaning = movement("LOCK", false, mine, locked(asset_name, self.a), Needs::Owner(self.a));
                (Lock(Bond { id: chosen, asset, owner: a, bond, amount, memo: None }).into(), meaning)
            }
            7 => {
                let meaning = movement("UNLOCK", false, locked(asset_name, self.a), mine, Needs::Operator);
                (Unlock(Bond { id: chosen, asset, owner: a, bond, amount, memo: None }).into(), meaning)
            }
            8 => {
                let to = plain(asset_name, "TREASURY");
                let meaning = movement("SLASH", false, locked(asset_name, self.a), to, Needs::Operator);
                (Slash(Bond { id: chosen, asset, owner: a, bond, amount, memo: None }).into(), meaning)
            }
            9 => {
                let memo = Memo::parse("wrong").unwrap();
                let (debit, from) = self.any_account(self.pick, self.a);
                let (credit, to) = self.any_account(self.pick / 5, self.b);
                let meaning = movement("CORRECTION", true, from, to, Needs::Operator);
                (Correct { id: chosen, debit, credit, amount, reference: None, memo }.into(), meaning)
            }
            10 | 11 => {
                let id = self.own_or(|| self.pending(names, reference).map(|(id, _)| id));
                let meaning = Meaning::End { id, code: "CORRECTION", post: self.what == 10 };
                let command = if self.what == 10 {
                    ApproveCorrection { id }.into()
                } else {
                    RejectCorrection { id }.into()
                };
                (command, meaning)
            }
            12 => {
                let (account, name) = self.any_account(self.pick, self.a);
                match self.pick % 17 {
                    0..=4 => (
                        Freeze { account, memo: None }.into(),
                        Meaning::Standing { account: name, what: "freeze" },
                    ),
                    // The accounts that most of the rest needs are not closed.
                    5..=11 if self.a == PARTIES - 1 => (
                        Close { account, memo: None }.into(),
                        Meaning::Standing { account: name, what: "close" },
                    ),
                    _ => (
                        Unfreeze { account, memo: None }.into(),
                        Meaning::Standing { account: name, what: "unfreeze" },
                    ),
                }
            }
            13 | 14 => {
                let letter = [None, Some('a'), Some('b')][self.pick % 3];
                let lifetime_s = [600, 600, 3_600, 3_600, 3_600, 3_600, 3_601][self.pick % 7];
                let command = IssueVisa {
                    jti: chosen,
                    agent: a,
                    publisher: b,
                    asset,
                    amount,
                    jkt: letter.map(key),
                    purposes: None,
                    paths: None,
                    lifetime_s,
                };
                let meaning = Meaning::Issue {
                    agent: self.a,
                    publisher: self.b,
                    asset: asset_name,
                    amount: self.amount,
                    key: letter,
                    lifetime: lifetime_s,
                };
                (command.into(), meaning)
            }
            _ => self.on_visa(names, reference),
        }
    }

    fn on_visa(&self, names: &Names, known: &Reference) -> (Command, Meaning) {
        let (jti, visa) =
            self.visa(names, known).map_or((id(u128::MAX), None), |(jti, index)| (jti, Some(index)));
        let bound = visa.map(|index| &known.visas[index]).and_then(|visa| visa.request_key.or(visa.key));
        let letter = if self.pick % 9 == 8 { 'b' } else { bound.unwrap_or('a') };
        match self.what {
            15..=17 => {
                let request = if self.pick % 11 == 10 { None } else { Some(letter) };
                let command = Redeem { jti, request_jkt: request.map(key) };
                (command.into(), Meaning::Redeem { jti, key: request })
            }
            18 | 19 => {
                let millionths = [0, 499_999, 500_000, 1_000_000][self.pick % 4];
                let nonce = self.pick.is_multiple_of(5).then_some((self.pick % 3) as u8);
                let command = GiveFeedback {
                    jti,
                    jkt: key(letter),
                    score: Score::from_millionths(millionths).unwrap(),
                    reason: Reason::Other,
                    sha256: [9; 32],
                    nonce: nonce.map(|nonce| common::reference(&format!("nonce-{nonce}"))),
                };
                (command.into(), Meaning::Feedback { jti, key: letter, millionths, nonce })
            }
            20 => {
                let command = Contest { jti, statement: Memo::parse("it was good").unwrap() };
                (command.into(), Meaning::Contest { jti })
            }
            21 | 22 => {
                let (decision, part) = match self.pick % 4 {
                    0 => (Decision::Release, Some(-1)),
                    1 => (Decision::Refund, None),
                    _ => (Decision::Split { amount: units(self.amount.unsigned_abs()) }, Some(self.amount)),
                };
                (Decide { jti, decision, memo: None }.into(), Meaning::Decide { jti, part })
            }
            _ => (Due { jti }.into(), Meaning::Due { jti }),
        }
    }

    /// Sometimes an id that callers choose, which may have been chosen just before in the same batch.
    fn own_or(&self, found: impl FnOnce() -> Option<Id>) -> Id {
        match self.pick % 12 {
            7 => id(1_000 + (self.pick / 12 % 12) as u128),
            _ => found().unwrap_or_else(|| id(u128::MAX)),
        }
    }

    fn any_account(&self, pick: usize, who: usize) -> (AccountKey, String) {
        let name = ASSETS[self.asset];
        let asset = Asset::parse(name).unwrap();
        let whose = owner(&format!("p{who}.example"));
        match pick % 10 {
            0 => (AccountKey::outside(asset), plain(name, "OUTSIDE")),
            1 => (AccountKey::treasury(asset), plain(name, "TREASURY")),
            2 => (AccountKey::rewards(asset), plain(name, "REWARDS")),
            3 => (AccountKey::locked(asset, whose, common::reference("bond")), locked(name, who)),
            _ => (AccountKey::available(asset, whose), available(name, who)),
        }
    }
}

fn newest<T>(all: &[T], pick: usize) -> Option<&T> {
    if pick % 50 == 49 { None } else { all.iter().rev().nth(pick % all.len().clamp(1, 6)) }
}
