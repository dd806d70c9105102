//! Bonds: locked, given back, lost; each once, and by whom it may be.

use crate::deal::{Deal, audit};
use crate::party::now;
use crate::service::{Reply, Service};
use imagxp_broker::{Actor, Amount, Asset, Bond, Command, Lock, Owner, Reference, Request, Slash};
use imagxp_storage::{Address, Ledger, Options};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn part(owner: &str, amount: &str, memo: Option<&str>) -> Value {
    json!({"owner": owner, "bond": "crawl-1", "amount": amount, "memo": memo})
}

/// What stands in the owner's bond, and what can be spent.
fn held(service: &Service, owner: &str) -> (String, String) {
    let list = service.get(&format!("/v1/accounts/{owner}"), &service.token).is(200);
    let of = |kind: &str, name: &str| {
        let accounts = list["accounts"].as_array().unwrap();
        let found = accounts.iter().find(|account| account["kind"] == kind);
        found.map_or_else(|| "0".to_owned(), |account| account[name].as_str().unwrap().to_owned())
    };
    (of("LOCKED", "balance"), of("AVAILABLE", "available"))
}

#[test]
fn a_bond_is_locked_given_back_and_lost() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let agent = deal.agent.name();
    let stranger = deal.publisher.name();

    // The owner locks what is its own, and nobody else's; the same key again is the same lock.
    let own = json!({"bond": "crawl-1", "amount": "4"}).to_string();
    let lock = |key: &str, body: &str| {
        let lines = [("idempotency-key", key), ("content-type", "application/json")];
        deal.agent.ask(&service, "POST", "/v1/bonds/lock", &lines, body.as_bytes())
    };
    let first = lock("bond-0000000000000001", &own).is(201);
    assert_eq!((&first["code"], &first["reference"]), (&json!("LOCK"), &json!("crawl-1")));
    assert_eq!(lock("bond-0000000000000001", &own).is(200), first);
    lock("bond-0000000000000001", &own.replace('4', "5")).refuses(409, "idempotency.mismatch");
    assert_eq!(held(&service, agent), ("4".into(), "6".into()));
    let others = part(stranger, "1", None).to_string();
    lock("bond-0000000000000002", &others).refuses(404, "account.not_found");
    lock("bond-0000000000000003", &own.replace('4', "6.01")).refuses(402, "account.insufficient");
    let body = json!({"resource": deal.origin(), "amount": "6.5"});
    deal.agent.post(&service, "/v1/visas", &body).refuses(402, "account.insufficient");

    // What is given back can be spent again; the owner cannot take it.
    let unlock = |body: &Value| service.post("/v1/bonds/unlock", &service.token, body);
    deal.agent.post(&service, "/v1/bonds/unlock", &part(agent, "1", None)).refuses(403, "auth.forbidden");
    assert_eq!(unlock(&part(agent, "1", None)).is(201)["code"], "UNLOCK");
    unlock(&json!({"bond": "crawl-1", "amount": "1"})).refuses(400, "json.malformed");
    unlock(&part(agent, "3.5", None)).refuses(402, "account.insufficient");
    assert_eq!(held(&service, agent), ("3".into(), "7".into()));

    // What is lost is the treasury's, also of a frozen owner, and the log says why.
    let slash = |body: &Value| service.post("/v1/bonds/slash", &service.token, body);
    slash(&part(agent, "2", None)).refuses(400, "json.malformed");
    service.post(&format!("/v1/accounts/{agent}/freeze"), &service.token, &json!({})).is(200);
    let lost = slash(&part(agent, "2", Some("crawled what was denied"))).is(201);
    assert_eq!((&lost["code"], &lost["memo"]), (&json!("SLASH"), &json!("crawled what was denied")));
    assert_eq!(held(&service, agent), ("1".into(), "7".into()));
    slash(&part(agent, "2", Some("again"))).refuses(402, "account.insufficient");
    for path in ["lock", "unlock", "slash"] {
        let keyless =
            [("authorization", &*format!("Bearer {}", service.token)), ("content-type", "application/json")];
        let body = part(agent, "1", Some("x")).to_string();
        let reply = service.send("POST", &format!("/v1/bonds/{path}"), &keyless, body.as_bytes());
        reply.refuses(400, "idempotency.missing");
    }
    audit(&service);
}

/// All members of a list, page by page.
fn paged(name: &str, mut page: impl FnMut(&str) -> Reply) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = page(&cursor).is(200);
        found.extend(answer[name].as_array().unwrap().iter().cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// An owner of more bonds than a page has sees each of them, and all that moved in them.
#[test]
fn an_owner_of_many_bonds_misses_none() {
    const BONDS: usize = 600;
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    let agent = deal.agent.name();
    service.stop();
    let address = Address::Sqlite(service.data().join("ledger.db"));
    let ledger = Ledger::open(&address, Options::default(), now().as_millis()).unwrap();
    let bond = |number: usize| Bond {
        id: None,
        asset: Asset::USD,
        owner: Owner::parse(agent).unwrap(),
        bond: Reference::parse(&format!("bond-{number}")).unwrap(),
        amount: Amount::from_units(10),
        memo: None,
    };
    let admin = Actor::Operator(Owner::parse("dev").unwrap());
    let request = |command: Command| Request::new(command, admin.clone(), now().as_millis());
    let locked = (0..BONDS).map(|number| ledger.submit(request(Lock(bond(number)).into())).unwrap());
    locked.collect::<Vec<_>>().into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
    // What is slashed touches no account of the owner but the bond's.
    let lost = (0..BONDS).map(|number| ledger.submit(request(Slash(bond(number)).into())).unwrap());
    lost.collect::<Vec<_>>().into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
    ledger.close();
    service.run();

    let get = |path: String| deal.agent.get(&service, &path);
    for limit in ["", "&limit=250"] {
        let accounts = paged("accounts", |cursor| {
            get(format!("/v1/accounts/{agent}?{}", &format!("{limit}{cursor}").trim_start_matches('&')))
        });
        let ids: BTreeSet<_> = accounts.iter().map(|account| account["id"].as_str().unwrap()).collect();
        assert_eq!((accounts.len(), ids.len()), (BONDS + 1, BONDS + 1));
        assert!(accounts.iter().any(|account| account["kind"] == "AVAILABLE"));
    }
    let transfers = paged("transfers", |cursor| get(format!("/v1/transfers?limit=500{cursor}")));
    assert_eq!(transfers.len(), 1 + 2 * BONDS);
    let mut lines = 0;
    for from in (0..1 + 2 * BONDS).step_by(500) {
        let answer = get(format!("/v1/log/entries?limit=500&from={from}")).is(200);
        let entries = answer["entries"].as_array().unwrap();
        lines += entries
            .iter()
            .filter(|entry| entry["transfer"]["code"] == "SLASH" && !entry["line"].is_null())
            .count();
    }
    assert_eq!(lines, BONDS);
    let client = crate::client::client(&service.issuer, &deal.agent);
    assert_eq!(
        client.account(None).unwrap().get("accounts").and_then(|list| list.as_array()).unwrap().len(),
        BONDS + 1
    );
    deal.agent.get(&service, &format!("/v1/accounts/{agent}?cursor=x")).refuses(400, "cursor.malformed");
    audit(&service);
}
