//! The books: totals by day and host, and open purchases. Exact, bounded, and never freed by a clock that steps back.

use super::Caps;
use super::purchase::{Open, Phase, Purchase, RECONCILE_S, Reserved, Settlement};
use crate::amount::Amount;
use crate::claim::is_nonce;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::Money;
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Days with payments that are kept apart. The totals keep everything.
pub(super) const MAX_DAYS: usize = 35;
/// Sums of hosts that are kept apart, over all days.
pub(super) const MAX_HOSTS: usize = 50_000;
/// Purchases that may be open at once.
pub(super) const MAX_OPEN: usize = 10_000;

const DAY_S: i64 = 86_400;

/// What may be spent and what has been spent. Time is an argument; the state is saved with [`Spend::to_json`].
///
/// The budget of a day is what its cap leaves after everything that was spent on that day *and on later ones*: when a clock steps
/// back, what was spent before the step still counts.
#[derive(Clone, Debug, Default)]
pub struct Spend {
    pub(super) caps: BTreeMap<String, Caps>,
    pub(super) total: BTreeMap<String, Amount>,
    pub(super) days: BTreeMap<i64, Day>,
    /// The latest day whose sums were dropped: earlier times count as the day after.
    pub(super) floor: Option<i64>,
    pub(super) open: BTreeMap<String, Open>,
}

/// What was spent in a day, by currency, and by host and currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) spent: BTreeMap<String, Amount>,
    pub(super) hosts: BTreeMap<(String, String), Amount>,
}

impl Spend {
    /// Empty books with these caps, one for each currency; of two for the same currency the last counts.
    pub fn new(caps: impl IntoIterator<Item = Caps>) -> Self {
        Self { caps: by_currency(caps), ..Self::default() }
    }

    /// Replaces the caps; what has been spent stays.
    #[must_use]
    pub fn with_caps(mut self, caps: impl IntoIterator<Item = Caps>) -> Self {
        self.caps = by_currency(caps);
        self
    }

    /// Holds every cap against the price and sets it aside, or names the earlier purchase that must be asked about first.
    ///
    /// Errors: `spend.limit` when a cap would be passed, `spend.unknown` when the earlier purchase is being asked about just now,
    /// `usage.argument` for an id that is malformed or taken.
    pub fn reserve(&mut self, purchase: &Purchase, now: Timestamp) -> Result<Reserved> {
        if !is_nonce(&purchase.id) || self.open.contains_key(&purchase.id) {
            return Err(Error::argument("a purchase needs an id of its own, of 16 to 128 characters"));
        }
        let host = purchase.host()?;
        self.open.retain(|_, open| open.phase != Phase::Unknown || is_recent(open, now));
        let same = |open: &&mut Open| {
            open.phase != Phase::Reserved
                && open.purchase.agent_id == purchase.agent_id
                && open.purchase.issuer == purchase.issuer
                && open.purchase.audience == purchase.audience
        };
        if let Some(open) = self.open.values_mut().find(same) {
            if open.phase == Phase::Asking {
                return Err(Error::new(
                    ErrorKind::SpendUnknown,
                    format!("an earlier payment for `{}` is being asked about", purchase.audience),
                ));
            }
            open.phase = Phase::Asking;
            return Ok(Reserved::Again(open.purchase.clone()));
        }
        let day = self.day_of(now);
        self.hold_caps(purchase, &host, day)?;
        self.add(purchase, &host, day)?;
        let open = Open { purchase: purchase.clone(), phase: Phase::Reserved, at: now, day };
        self.open.insert(purchase.id.clone(), open);
        Ok(Reserved::New)
    }

    /// Ends a purchase, or marks its end as unknown. An id that is not open stays as it is.
    pub fn settle(&mut self, id: &str, settlement: Settlement) {
        match settlement {
            Settlement::Unknown => {
                if let Some(open) = self.open.get_mut(id) {
                    open.phase = Phase::Unknown;
                }
            }
            Settlement::Spent => {
                self.open.remove(id);
            }
            Settlement::Released => {
                if let Some(open) = self.open.remove(id) {
                    self.subtract(&open);
                }
            }
        }
    }

    /// After a restart nobody knows what became of the purchases that were under way: they are unknown.
    pub fn abandon(&mut self) {
        for open in self.open.values_mut() {
            open.phase = Phase::Unknown;
        }
    }

    /// The caps in a currency.
    pub fn caps(&self, currency: &str) -> Option<&Caps> {
        self.caps.get(currency)
    }

    /// What counts against the cap of the day, reservations and unknown payments included.
    pub fn spent_in_day(&self, currency: &str, now: Timestamp) -> Amount {
        self.since(self.day_of(now), |day| day.spent.get(currency).copied())
    }

    /// What was spent ever, reservations and unknown payments included.
    pub fn spent(&self, currency: &str) -> Amount {
        self.total.get(currency).copied().unwrap_or(Amount::ZERO)
    }

    /// The purchases without an end.
    pub fn open(&self) -> impl ExactSizeIterator<Item = &Open> {
        self.open.values()
    }

    fn hold_caps(&self, purchase: &Purchase, host: &str, day: i64) -> Result<()> {
        let (amount, currency) = (purchase.price.amount, &purchase.price.currency);
        let Some(caps) = self.caps.get(currency) else {
            return Err(limit(format!("there is no budget in {currency}")));
        };
        if self.open.len() >= MAX_OPEN {
            return Err(limit(format!("{MAX_OPEN} payments have no known end")));
        }
        let key = (host.to_owned(), currency.clone());
        let checks = [
            ("one read", Some(caps.per_request), Amount::ZERO),
            ("this host and day", caps.per_host, self.since(day, |day| day.hosts.get(&key).copied())),
            ("the day", caps.per_day, self.since(day, |day| day.spent.get(currency).copied())),
            ("everything", caps.total, self.spent(currency)),
        ];
        for (what, cap, spent) in checks {
            let Some(cap) = cap else { continue };
            if spent.checked_add(amount).is_none_or(|sum| sum > cap) {
                return Err(limit(format!(
                    "{amount} {currency} with the {spent} spent pass the cap of {cap} for {what}"
                )));
            }
        }
        Ok(())
    }

    /// The sum of something over a day and all later ones; what does not fit counts as the greatest amount.
    fn since(&self, day: i64, amount: impl Fn(&Day) -> Option<Amount>) -> Amount {
        let days = self.days.range(day..).filter_map(|(_, day)| amount(day));
        days.fold(Amount::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(Amount::MAX))
    }

    fn add(&mut self, purchase: &Purchase, host: &str, day: i64) -> Result<()> {
        let (amount, currency) = (purchase.price.amount, &purchase.price.currency);
        let beyond = || limit("the sum of all payments does not fit".to_owned());
        let total = self.spent(currency).checked_add(amount).ok_or_else(beyond)?;
        self.make_room(day)?;
        let day = self.days.entry(day).or_default();
        let key = (host.to_owned(), currency.clone());
        // The sums of a day are parts of the total: they fit when it does.
        for sum in [day.spent.entry(currency.clone()).or_default(), day.hosts.entry(key).or_default()] {
            *sum = sum.checked_add(amount).ok_or_else(beyond)?;
        }
        self.total.insert(currency.clone(), total);
        Ok(())
    }

    fn subtract(&mut self, open: &Open) {
        let Money { amount, currency } = &open.purchase.price;
        if let Some(total) = self.total.get_mut(currency) {
            *total = total.saturating_sub(*amount);
        }
        let Some(day) = self.days.get_mut(&open.day) else { return };
        if let Some(sum) = day.spent.get_mut(currency) {
            *sum = sum.saturating_sub(*amount);
        }
        if let Ok(host) = open.purchase.host()
            && let Some(sum) = day.hosts.get_mut(&(host, currency.clone()))
        {
            *sum = sum.saturating_sub(*amount);
        }
    }

    /// Drops the earliest days, by count and never by the clock: one wild step forward must not forget today.
    fn make_room(&mut self, day: i64) -> Result<()> {
        loop {
            let hosts: usize = self.days.values().map(|day| day.hosts.len()).sum();
            let days = self.days.len() + usize::from(!self.days.contains_key(&day));
            if days <= MAX_DAYS && hosts < MAX_HOSTS {
                return Ok(());
            }
            match self.days.first_key_value() {
                Some((&first, _)) if first < day => {
                    self.days.pop_first();
                    self.floor = Some(self.floor.map_or(first, |floor| floor.max(first)));
                }
                _ => return Err(limit(format!("payments to {MAX_HOSTS} hosts are remembered already"))),
            }
        }
    }

    fn day_of(&self, now: Timestamp) -> i64 {
        let day = now.as_secs().div_euclid(DAY_S);
        self.floor.map_or(day, |floor| day.max(floor.saturating_add(1)))
    }
}

fn by_currency(caps: impl IntoIterator<Item = Caps>) -> BTreeMap<String, Caps> {
    caps.into_iter().map(|caps| (caps.currency.clone(), caps)).collect()
}

/// Whether the broker still remembers the purchase. One from the future, by a clock that stepped back, is recent.
fn is_recent(open: &Open, now: Timestamp) -> bool {
    now.millis_since(open.at) < RECONCILE_S * 1000
}

fn limit(message: String) -> Error {
    Error::new(ErrorKind::SpendLimit, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_id::AgentId;
    use crate::purpose::Purpose;
    use proptest::prelude::*;

    const NOON: i64 = 1_800_000_000 / DAY_S * DAY_S + DAY_S / 2;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(NOON + secs)
    }

    fn caps() -> Caps {
        let caps = Caps::new("USD", "1").unwrap().with_per_host("2").unwrap();
        caps.with_per_day("3").unwrap().with_total("5").unwrap()
    }

    fn purchase(id: u32, host: &str, amount: &str) -> Purchase {
        Purchase {
            id: format!("purchase-{id:016}"),
            agent_id: AgentId::parse("agent.example", false).unwrap(),
            issuer: "https://broker.example".into(),
            audience: format!("https://{host}"),
            purpose: Purpose::Summary,
            price: Money { amount: Amount::parse(amount).unwrap(), currency: "USD".into() },
        }
    }

    fn pay(spend: &mut Spend, id: u32, host: &str, amount: &str, now: Timestamp) -> Result<()> {
        assert_eq!(spend.reserve(&purchase(id, host, amount), now)?, Reserved::New);
        spend.settle(&purchase(id, host, amount).id, Settlement::Spent);
        Ok(())
    }

    fn refused(spend: &mut Spend, id: u32, host: &str, amount: &str, now: Timestamp) {
        let before = spend.to_json();
        let error = spend.reserve(&purchase(id, host, amount), now).unwrap_err();
        assert_eq!(error.code(), "spend.limit", "{error}");
        assert_eq!(spend.to_json(), before, "a refusal changes nothing");
    }

    #[test]
    fn each_cap_holds_exactly() {
        let spend = &mut Spend::new([caps()]);
        refused(spend, 1, "a.example", "1.000000000000000001", at(0));
        pay(spend, 1, "a.example", "1", at(0)).unwrap();
        pay(spend, 2, "a.example", "0.999999999999999999", at(1)).unwrap();
        refused(spend, 3, "a.example", "0.000000000000000002", at(2));
        pay(spend, 3, "a.example", "0.000000000000000001", at(2)).unwrap();
        pay(spend, 4, "b.example", "1", at(3)).unwrap();
        refused(spend, 5, "b.example", "0.000000000000000001", at(4));
        assert_eq!(spend.spent_in_day("USD", at(4)).to_string(), "3");
        pay(spend, 5, "b.example", "1", at(DAY_S)).unwrap();
        pay(spend, 6, "b.example", "1", at(DAY_S)).unwrap();
        refused(spend, 7, "c.example", "0.1", at(2 * DAY_S));
        assert_eq!(spend.spent("USD").to_string(), "5");
        let mut other = purchase(8, "c.example", "0.1");
        other.price.currency = "EUR".into();
        assert_eq!(spend.reserve(&other, at(0)).unwrap_err().code(), "spend.limit");
    }

    #[test]
    fn a_port_is_no_other_host_and_a_day_ends_in_utc() {
        let spend = &mut Spend::new([caps()]);
        pay(spend, 1, "a.example", "1", at(0)).unwrap();
        pay(spend, 2, "a.example:8443", "1", at(0)).unwrap();
        refused(spend, 3, "a.example:9000", "0.1", at(DAY_S / 2 - 1));
        pay(spend, 3, "a.example:9000", "0.1", at(DAY_S / 2)).unwrap();
    }

    #[test]
    fn released_comes_back_and_unknown_does_not() {
        let spend = &mut Spend::new([caps()]);
        let first = purchase(1, "a.example", "1");
        spend.reserve(&first, at(0)).unwrap();
        assert_eq!(spend.spent("USD").to_string(), "1", "a reservation counts");
        spend.settle(&first.id, Settlement::Released);
        assert!(spend.spent("USD").is_zero() && spend.spent_in_day("USD", at(0)).is_zero());

        spend.reserve(&first, at(0)).unwrap();
        spend.settle(&first.id, Settlement::Unknown);
        assert_eq!(spend.spent("USD").to_string(), "1");
        let second = purchase(2, "a.example", "0.5");
        assert_eq!(spend.reserve(&second, at(1)).unwrap(), Reserved::Again(first.clone()));
        let error = spend.reserve(&second, at(1)).unwrap_err();
        assert_eq!(error.code(), "spend.unknown", "only one asks at a time");
        spend.settle(&first.id, Settlement::Unknown);
        assert_eq!(spend.reserve(&second, at(2)).unwrap(), Reserved::Again(first.clone()));
        spend.settle(&first.id, Settlement::Spent);
        spend.settle(&first.id, Settlement::Released);
        assert_eq!(spend.spent("USD").to_string(), "1", "what has an end keeps it");
        assert_eq!(spend.reserve(&second, at(3)).unwrap(), Reserved::New);
        assert_eq!(
            spend.reserve(&purchase(2, "b.example", "0.5"), at(3)).unwrap_err().code(),
            "usage.argument"
        );
    }

    #[test]
    fn unknown_ends_when_the_broker_forgets_and_stays_spent() {
        let spend = &mut Spend::new([caps()]);
        let first = purchase(1, "a.example", "1");
        spend.reserve(&first, at(0)).unwrap();
        spend.abandon();
        let last = at(RECONCILE_S).saturating_add_millis(-1);
        assert_eq!(
            spend.reserve(&purchase(2, "a.example", "1"), last).unwrap(),
            Reserved::Again(first.clone())
        );
        spend.settle(&first.id, Settlement::Unknown);
        assert_eq!(
            spend.reserve(&purchase(2, "a.example", "1"), at(-9_999)).unwrap(),
            Reserved::Again(first)
        );
        spend.abandon();
        assert_eq!(spend.reserve(&purchase(2, "a.example", "1"), at(RECONCILE_S)).unwrap(), Reserved::New);
        assert_eq!(spend.spent("USD").to_string(), "2");
        assert_eq!(spend.open().len(), 1);
    }

    #[test]
    fn a_clock_that_steps_frees_nothing() {
        let spend = &mut Spend::new([Caps { total: None, per_host: None, ..caps() }]);
        for id in 0..3 {
            pay(spend, id, "a.example", "1", at(0)).unwrap();
        }
        for back in [1, DAY_S, 1000 * DAY_S, NOON + 7] {
            refused(spend, 9, "a.example", "0.1", at(-back));
        }
        refused(spend, 9, "a.example", "0.1", Timestamp::from_millis(i64::MIN));
        // One wild step forward has a budget of its own, and does not forget today.
        pay(spend, 10, "a.example", "1", Timestamp::from_millis(i64::MAX)).unwrap();
        refused(spend, 11, "a.example", "0.1", at(0));
        pay(spend, 11, "a.example", "1", at(DAY_S)).unwrap();
    }

    #[test]
    fn sums_are_bounded() {
        let huge = Caps::new("USD", "340282366920938463463").unwrap();
        let spend = &mut Spend::new([huge]);
        pay(spend, 1, "a.example", "340282366920938463463", at(0)).unwrap();
        refused(spend, 2, "b.example", "1", at(0));

        let spend = &mut Spend::new([Caps::new("USD", "1").unwrap()]);
        for day in 0..2 * i64::try_from(MAX_DAYS).unwrap() {
            pay(spend, u32::try_from(day).unwrap(), "a.example", "1", at(day * DAY_S)).unwrap();
        }
        assert_eq!(spend.days.len(), MAX_DAYS);
        assert_eq!(spend.floor, Some(spend.days.keys().next().unwrap() - 1));
        assert_eq!(spend.spent_in_day("USD", at(0)).to_string(), "35", "dropped days open no budget");
        assert_eq!(spend.spent("USD").to_string(), "70");
    }

    proptest! {
        /// Whatever happens in whatever order, what may have been paid never passes a cap, and the saved state is the state.
        #[test]
        fn caps_hold_in_every_order(steps in prop::collection::vec((0_u8..4, 0_u32..4, 1_u32..120, -3_i64..4), 1..60)) {
            let mut spend = Spend::new([Caps { total: Some(Amount::parse("5").unwrap()), ..caps() }]);
            let mut under_way: Vec<(String, Amount)> = Vec::new();
            let mut paid = Amount::ZERO;
            for (index, (kind, host, cents, day)) in steps.into_iter().enumerate() {
                let index = u32::try_from(index).unwrap();
                match kind {
                    0 | 1 => {
                        let amount = format!("{}.{:02}", cents / 100, cents % 100);
                        let purchase = purchase(index, &format!("h{host}.example"), &amount);
                        if spend.reserve(&purchase, at(day * DAY_S)).is_ok_and(|reserved| reserved == Reserved::New) {
                            under_way.push((purchase.id, purchase.price.amount));
                        }
                    }
                    _ => if let Some((id, amount)) = under_way.pop() {
                        let end = [Settlement::Spent, Settlement::Released, Settlement::Unknown][cents as usize % 3];
                        spend.settle(&id, end);
                        if end != Settlement::Released {
                            paid = paid.checked_add(amount).unwrap();
                        }
                    }
                }
                let open = under_way.iter().fold(paid, |sum, (_, amount)| sum.checked_add(*amount).unwrap());
                prop_assert_eq!(spend.spent("USD"), open);
                prop_assert!(open <= Amount::parse("5").unwrap());
                let saved = spend.to_json();
                let mut read = Spend::from_json(&saved).unwrap();
                prop_assert_eq!(read.to_json(), saved);
                read.abandon();
                prop_assert_eq!(read.spent("USD"), open);
            }
        }
    }
}
