//! An owner of many accounts.

use crate::NOW;
use crate::place::everywhere;
use crate::requests::*;
use imagxp_broker::*;
use std::collections::BTreeSet;

/// Also what moved in accounts that are not among the first: each transfer once, newest first, and nobody else's.
#[test]
fn an_owner_of_many_accounts_sees_all_that_moved() {
    const BONDS: usize = 700;
    everywhere(|place| {
        let ledger = place.open();
        ledger.submit_and_wait(deposit("a", 10_000, "a1")).unwrap();
        ledger.submit_and_wait(deposit("b", 10_000, "b1")).unwrap();
        let bond = |number: usize| Bond {
            id: None,
            asset: Asset::USD,
            owner: owner("a"),
            bond: reference(&format!("bond-{number}")),
            amount: Amount::from_units(1),
            memo: None,
        };
        let requests = (0..BONDS).map(|number| Request::new(Lock(bond(number)), operator(), NOW));
        let lost = (0..BONDS).map(|number| Request::new(Slash(bond(number)), operator(), NOW));
        let tickets: Vec<_> = requests.chain(lost).map(|request| ledger.submit(request).unwrap()).collect();
        tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
        ledger.submit_and_wait(pay("b", "c", 5)).unwrap();
        let mut reading = ledger.read().unwrap();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = reading.statement(&owner("a"), before, 500).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            seen.extend(page.iter().map(|transfer| transfer.seq));
        }
        let expected: Vec<u64> = (2..2 + 2 * BONDS as u64).rev().chain([0]).collect();
        assert_eq!(seen, expected);
        assert_eq!(reading.statement(&owner("x"), None, 9).unwrap(), []);
        let (mine, nobodys) = (
            AccountKey::locked(Asset::USD, owner("a"), reference("bond-7")).id(),
            AccountKey::locked(Asset::USD, owner("a"), reference("none")).id(),
        );
        let named = reading.accounts_named(&BTreeSet::from([mine, nobodys])).unwrap();
        assert_eq!(named.iter().map(|account| account.id).collect::<Vec<_>>(), [mine]);
        drop(reading);
        ledger.close();
    });
}
