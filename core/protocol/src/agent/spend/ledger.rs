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
mod tests;
