//! Tests of `ledger.rs`.

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
    assert_eq!(spend.reserve(&purchase(2, "b.example", "0.5"), at(3)).unwrap_err().code(), "usage.argument");
}

#[test]
fn unknown_ends_when_the_broker_forgets_and_stays_spent() {
    let spend = &mut Spend::new([caps()]);
    let first = purchase(1, "a.example", "1");
    spend.reserve(&first, at(0)).unwrap();
    spend.abandon();
    let last = at(RECONCILE_S).saturating_add_millis(-1);
    assert_eq!(spend.reserve(&purchase(2, "a.example", "1"), last).unwrap(), Reserved::Again(first.clone()));
    spend.settle(&first.id, Settlement::Unknown);
    assert_eq!(spend.reserve(&purchase(2, "a.example", "1"), at(-9_999)).unwrap(), Reserved::Again(first));
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
