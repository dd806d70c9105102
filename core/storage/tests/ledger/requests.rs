//! What is asked of a ledger here, and what it holds afterwards.

use crate::NOW;
use imagxp_broker::*;
use imagxp_storage::Ledger;

pub(crate) fn owner(name: &str) -> Owner {
    Owner::parse(name).unwrap()
}

pub(crate) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

pub(crate) fn operator() -> Actor {
    Actor::Operator(owner("alice"))
}

pub(crate) fn deposit(to: &str, units: u128, booking: &str) -> Request {
    let deposit = Deposit {
        id: None,
        asset: Asset::USD,
        owner: owner(to),
        amount: Amount::from_units(units),
        reference: reference(booking),
        memo: None,
    };
    Request::new(deposit, operator(), NOW)
}

pub(crate) fn pay(from: &str, to: &str, units: u128) -> Request {
    let pay = Pay {
        id: None,
        asset: Asset::USD,
        from: owner(from),
        to: owner(to),
        amount: Amount::from_units(units),
        reference: None,
        memo: Some(Memo::parse("für Ωμέγα").unwrap()),
    };
    Request::new(pay, Actor::Party(owner(from)), NOW)
}

pub(crate) fn issue(agent: &str, publisher: &str, units: u128) -> Request {
    let issue = IssueVisa {
        jti: None,
        agent: owner(agent),
        publisher: owner(publisher),
        asset: Asset::USD,
        amount: Amount::from_units(units),
        jkt: None,
        purposes: None,
        paths: Some(vec!["/a/*".to_owned()]),
        lifetime_s: 600,
    };
    Request::new(issue, Actor::Party(owner(agent)), NOW)
}

pub(crate) fn redeem(publisher: &str, jti: Id) -> Request {
    Request::new(Redeem { jti, request_jkt: None }, Actor::Party(owner(publisher)), NOW)
}

pub(crate) fn account(ledger: &Ledger, name: &str) -> Account {
    let id = AccountKey::available(Asset::USD, owner(name)).id();
    let accounts = ledger.read().unwrap().accounts(Some(&owner(name)), None, 100).unwrap();
    accounts.into_iter().find(|account| account.id == id).unwrap()
}

/// Every invariant of BROKER §1, by the broker's own audit of everything that is stored.
pub(crate) fn sound(ledger: &Ledger) {
    let report = ledger.audit_full().unwrap();
    assert!(report.is_sound(), "{report:?}");
}
