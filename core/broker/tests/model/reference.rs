//! The naive reference: a list of movements, and sums over all of it whenever a number is needed. It shares no code with the broker.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Single,
    Pending,
    Post(usize),
    Void(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) code: &'static str,
    pub(crate) step: Step,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: i128,
    pub(crate) actor: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Visa {
    pub(crate) agent: usize,
    pub(crate) publisher: usize,
    pub(crate) asset: &'static str,
    pub(crate) amount: i128,
    pub(crate) movement: usize,
    pub(crate) state: &'static str,
    pub(crate) key: Option<char>,
    pub(crate) request_key: Option<char>,
    pub(crate) expires: i64,
    pub(crate) redeemed: i64,
    pub(crate) withheld: i64,
    pub(crate) scored: bool,
    pub(crate) contested: bool,
}

/// Pending and posted, debit and credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) debit_pending: i128,
    pub(crate) debit: i128,
    pub(crate) credit_pending: i128,
    pub(crate) credit: i128,
}

impl Sums {
    pub(crate) fn left(&self) -> i128 {
        self.credit - self.debit - self.debit_pending
    }
}

#[derive(Default)]
pub(crate) struct Reference {
    pub(crate) list: Vec<Movement>,
    pub(crate) visas: Vec<Visa>,
    pub(crate) frozen: BTreeSet<String>,
    pub(crate) closed: BTreeSet<String>,
    pub(crate) nonces: BTreeMap<(char, u8), i64>,
    /// The seeded fault: what is voided stays pending.
    pub(crate) keeps_voids: bool,
}

pub(crate) fn available(asset: &str, who: usize) -> String {
    format!("{asset} AVAILABLE p{who}.example ")
}

pub(crate) fn locked(asset: &str, who: usize) -> String {
    format!("{asset} LOCKED p{who}.example bond")
}

pub(crate) fn plain(asset: &str, kind: &str) -> String {
    format!("{asset} {kind}  ")
}

impl Reference {
    pub(crate) fn sums(&self) -> BTreeMap<String, Sums> {
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        for movement in &self.list {
            let (pending, posted) = match movement.step {
                Step::Single => (0, movement.amount),
                Step::Pending => (movement.amount, 0),
                Step::Post(of) => (-self.list[of].amount, movement.amount),
                Step::Void(_) if self.keeps_voids => (0, 0),
                Step::Void(of) => (-self.list[of].amount, 0),
            };
            let from = sums.entry(movement.from.clone()).or_default();
            from.debit_pending += pending;
            from.debit += posted;
            let to = sums.entry(movement.to.clone()).or_default();
            to.credit_pending += pending;
            to.credit += posted;
        }
        sums
    }

    pub(crate) fn is_open(&self, of: usize) -> bool {
        self.list[of].step == Step::Pending
            && !self.list.iter().any(|other| [Step::Post(of), Step::Void(of)].contains(&other.step))
    }

    /// All reasons why a movement cannot be made.
    pub(crate) fn reasons(&self, code: &str, from: &str, to: &str, amount: i128) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if from.starts_with("XXX") {
            reasons.push("asset.unknown");
        }
        if amount == 0 {
            reasons.push("amount.range");
        }
        if from == to || from.split(' ').next() != to.split(' ').next() {
            reasons.push("transfer.illegal");
        }
        if self.closed.contains(from) || self.closed.contains(to) {
            reasons.push("account.closed");
        }
        if self.frozen.contains(from) && !["FEE", "SLASH", "CORRECTION"].contains(&code) {
            reasons.push("account.frozen");
        }
        let left = self.sums().get(from).map_or(0, Sums::left);
        if !from.contains(" OUTSIDE ") && left < amount {
            reasons.push("account.insufficient");
        }
        reasons
    }

    pub(crate) fn push(
        &mut self,
        code: &'static str,
        step: Step,
        from: String,
        to: String,
        amount: i128,
        actor: &str,
    ) {
        self.list.push(Movement { code, step, from, to, amount, actor: actor.to_owned() });
    }

    /// Ends a pending movement: with an amount by a post, else by a void.
    pub(crate) fn end(&mut self, of: usize, amount: Option<i128>, actor: &str) {
        let held = self.list[of].clone();
        let step = if amount.is_some() { Step::Post(of) } else { Step::Void(of) };
        self.push(held.code, step, held.from, held.to, amount.unwrap_or(held.amount), actor);
    }

    pub(crate) fn settle(&mut self, visa: usize, state: &'static str, amount: Option<i128>, actor: &str) {
        let Visa { movement, publisher, asset, .. } = self.visas[visa];
        self.end(movement, amount, actor);
        self.visas[visa].state = state;
        let fee = amount.unwrap_or(0) * 2 / 100;
        if fee > 0 {
            self.push("FEE", Step::Single, available(asset, publisher), plain(asset, "TREASURY"), fee, actor);
        }
    }
}
