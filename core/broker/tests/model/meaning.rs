//! What a draw means in the reference's terms, and what the specification says of it.

use super::common::{HOUR, owner};
use super::reference::{Reference, Step, Visa, available};
use imagxp_broker::{Actor, Id};
use std::collections::BTreeSet;

/// What the draw means, in the reference's terms.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Move {
        code: &'static str,
        pending: bool,
        from: String,
        to: String,
        amount: i128,
        needs: Needs,
    },
    End {
        id: Id,
        code: &'static str,
        post: bool,
    },
    Standing {
        account: String,
        what: &'static str,
    },
    Issue {
        agent: usize,
        publisher: usize,
        asset: &'static str,
        amount: i128,
        key: Option<char>,
        lifetime: u32,
    },
    Redeem {
        jti: Id,
        key: Option<char>,
    },
    Feedback {
        jti: Id,
        key: char,
        millionths: u32,
        nonce: Option<u8>,
    },
    Contest {
        jti: Id,
    },
    Decide {
        jti: Id,
        part: Option<i128>,
    },
    Due {
        jti: Id,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    Operator,
    Owner(usize),
}

/// What the driver knows of what the broker has made: names of visas and of pending transfers.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) jtis: Vec<Id>,
    pub(crate) pending: Vec<(Id, usize)>,
    pub(crate) made: BTreeSet<Id>,
}

impl Names {
    pub(crate) fn visa(&self, jti: Id) -> Option<usize> {
        self.jtis.iter().position(|known| *known == jti)
    }

    pub(crate) fn transfer(&self, id: Id) -> Option<usize> {
        self.pending.iter().find(|(known, _)| *known == id).map(|(_, of)| *of)
    }
}

/// What the specification says: the reference after it, or all reasons against it.
pub(crate) fn predict(
    reference: &mut Reference,
    names: &Names,
    meaning: &Meaning,
    actor: &Actor,
    now: i64,
) -> Result<(), Vec<&'static str>> {
    let is_operator = matches!(actor, Actor::Operator(_));
    let is = |who: usize| *actor == Actor::Party(owner(&format!("p{who}.example")));
    let name = actor.to_string();
    let mut reasons = Vec::new();
    match meaning {
        Meaning::Move { code, pending, from, to, amount, needs } => {
            let allowed = match needs {
                Needs::Operator => is_operator,
                Needs::Owner(who) => is_operator || is(*who),
            };
            if !allowed {
                reasons.push("actor.denied");
            }
            reasons.extend(reference.reasons(code, from, to, *amount));
            if reasons.is_empty() {
                let step = if *pending { Step::Pending } else { Step::Single };
                reference.push(code, step, from.clone(), to.clone(), *amount, &name);
            }
        }
        Meaning::End { id, code, post } => {
            if !is_operator {
                reasons.push("actor.denied");
            }
            let Some(of) = names.transfer(*id) else {
                let made = names.made.contains(id);
                reasons.push(if made { "transfer.not_pending" } else { "transfer.not_found" });
                return Err(reasons);
            };
            if reference.list[of].code != *code {
                reasons.push("transfer.not_pending");
            } else if *post && reference.list[of].actor == name {
                reasons.push("admin.second_needed");
            }
            if !reference.is_open(of) {
                reasons.push("transfer.already_resolved");
            }
            if reasons.is_empty() {
                let amount = reference.list[of].amount;
                reference.end(of, post.then_some(amount), &name);
            }
        }
        Meaning::Standing { account, what } => {
            if !is_operator {
                reasons.push("actor.denied");
            }
            let sums = reference.sums().get(account).copied();
            match sums {
                None => reasons.push("account.not_found"),
                Some(sums) if *what == "close" => {
                    if !account.contains("AVAILABLE") && !account.contains("LOCKED") {
                        reasons.push("transfer.illegal");
                    }
                    if sums.left() != 0 || sums.debit_pending != 0 || sums.credit_pending != 0 {
                        reasons.push("account.not_empty");
                    }
                }
                Some(_) => {}
            }
            if reference.closed.contains(account) {
                reasons.push("account.closed");
            }
            if reasons.is_empty() {
                match *what {
                    "freeze" => reference.frozen.insert(account.clone()),
                    "unfreeze" => reference.frozen.remove(account),
                    _ => reference.closed.insert(account.clone()),
                };
            }
        }
        Meaning::Issue { agent, publisher, asset, amount, key, lifetime } => {
            if !is_operator && !is(*agent) {
                reasons.push("actor.denied");
            }
            if *lifetime > 3_600 {
                reasons.push("visa.lifetime");
            }
            let (from, to) = (available(asset, *agent), available(asset, *publisher));
            reasons.extend(reference.reasons("VISA", &from, &to, *amount));
            if reasons.is_empty() {
                let movement = reference.list.len();
                reference.push("VISA", Step::Pending, from, to, *amount, &name);
                reference.visas.push(Visa {
                    agent: *agent,
                    publisher: *publisher,
                    asset,
                    amount: *amount,
                    movement,
                    state: "ISSUED",
                    key: *key,
                    request_key: None,
                    expires: (now / 1000 + i64::from(*lifetime)) * 1000,
                    redeemed: 0,
                    withheld: 0,
                    scored: false,
                    contested: false,
                });
            }
        }
        Meaning::Redeem { jti, .. }
        | Meaning::Feedback { jti, .. }
        | Meaning::Contest { jti }
        | Meaning::Decide { jti, .. }
        | Meaning::Due { jti } => match names.visa(*jti) {
            Some(index) => return on_visa(reference, index, meaning, actor, now),
            None => reasons.extend(["visa.not_found", "actor.denied"]),
        },
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn on_visa(
    reference: &mut Reference,
    index: usize,
    meaning: &Meaning,
    actor: &Actor,
    now: i64,
) -> Result<(), Vec<&'static str>> {
    let is_operator = matches!(actor, Actor::Operator(_));
    let is = |who: usize| *actor == Actor::Party(owner(&format!("p{who}.example")));
    let name = actor.to_string();
    let mut reasons = Vec::new();
    match meaning {
        Meaning::Redeem { key, .. } => {
            let visa = &mut reference.visas[index];
            if !is(visa.publisher) {
                reasons.push("visa.not_yours");
            }
            if visa.key.is_some() && visa.key != *key {
                reasons.push("visa.wrong_key");
            }
            match visa.state {
                "ISSUED" if now < visa.expires + 60_000 => {}
                "ISSUED" | "EXPIRED" => reasons.push("visa.expired"),
                _ => reasons.push("visa.state"),
            }
            if reasons.is_empty() {
                visa.state = "REDEEMED";
                visa.redeemed = now;
                visa.request_key = *key;
            }
        }
        Meaning::Feedback { key, millionths, nonce, .. } => {
            let visa = &mut reference.visas[index];
            if !is(visa.agent) {
                reasons.push("visa.not_yours");
            }
            if ["ISSUED", "EXPIRED"].contains(&visa.state) {
                reasons.push("visa.state");
            } else {
                if visa.request_key.or(visa.key).is_some_and(|bound| bound != *key) {
                    reasons.push("feedback.wrong_key");
                }
                if visa.scored {
                    reasons.push("feedback.already_given");
                } else if visa.state != "REDEEMED" || now >= visa.redeemed + 24 * HOUR {
                    reasons.push("feedback.closed");
                }
            }
            let nonce = nonce.map(|nonce| (*key, nonce));
            let used = nonce.and_then(|nonce| reference.nonces.get(&nonce));
            if used.is_some_and(|used| now < used + 72 * HOUR) {
                reasons.push("feedback.already_given");
            }
            if reasons.is_empty() {
                visa.scored = true;
                reference.nonces.extend(nonce.map(|nonce| (nonce, now)));
                if *millionths * 2 >= 1_000_000 {
                    let amount = visa.amount;
                    reference.settle(index, "RELEASED", Some(amount), &name);
                } else {
                    visa.state = "WITHHELD";
                    visa.withheld = now;
                }
            }
        }
        Meaning::Contest { .. } => {
            let visa = &mut reference.visas[index];
            if !is(visa.publisher) {
                reasons.push("visa.not_yours");
            }
            match visa.state {
                "WITHHELD" if now < visa.withheld + 72 * HOUR => {}
                "WITHHELD" => reasons.push("contest.closed"),
                "REFUNDED" if !visa.contested => reasons.push("contest.closed"),
                _ => reasons.push("visa.state"),
            }
            if reasons.is_empty() {
                visa.state = "DISPUTED";
                visa.contested = true;
            }
        }
        Meaning::Decide { part, .. } => {
            let visa = &reference.visas[index];
            if !is_operator {
                reasons.push("actor.denied");
            }
            if visa.state != "DISPUTED" {
                reasons.push("visa.state");
            }
            if part.is_some_and(|part| part == 0 || part >= visa.amount) {
                reasons.push("amount.range");
            }
            if reasons.is_empty() {
                let all = visa.amount;
                match part {
                    Some(-1) => reference.settle(index, "RELEASED", Some(all), &name),
                    Some(part) => reference.settle(index, "SPLIT", Some(*part), &name),
                    None => reference.settle(index, "REFUNDED", None, &name),
                }
            }
        }
        Meaning::Due { .. } => {
            let visa = &reference.visas[index];
            if matches!(actor, Actor::Party(_)) {
                reasons.push("actor.denied");
            } else {
                let all = visa.amount;
                match visa.state {
                    "ISSUED" if now >= visa.expires + 60_000 => {
                        reference.settle(index, "EXPIRED", None, &name)
                    }
                    "REDEEMED" if now >= visa.redeemed + 24 * HOUR => {
                        reference.settle(index, "RELEASED", Some(all), &name);
                    }
                    "WITHHELD" if now >= visa.withheld + 72 * HOUR => {
                        reference.settle(index, "REFUNDED", None, &name);
                    }
                    _ => {}
                }
            }
        }
        other => panic!("{other:?} is not on a visa"),
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}
