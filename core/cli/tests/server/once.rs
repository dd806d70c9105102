//! The same request twice has one effect.

use crate::deal::{Deal, audit};
use crate::party::nonce;
use crate::service::Service;
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn a_key_names_one_request() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let buy = |key: &str, amount: &str| {
        let body = json!({"resource": deal.origin(), "amount": amount}).to_string();
        deal.agent.ask(&service, "POST", "/v1/visas", &[("idempotency-key", key)], body.as_bytes())
    };
    let first = buy("k1", "1").is(201);
    let second = buy("k1", "1").is(200);
    assert_eq!(first["access_token"], second["access_token"]);
    buy("k1", "2").refuses(409, "idempotency.mismatch");
    buy("", "1").refuses(400, "idempotency.malformed");
    buy(&"k".repeat(256), "1").refuses(400, "idempotency.malformed");
    // Another's key is another key.
    let other = Deal::new(&service);
    let body = json!({"resource": deal.origin(), "amount": "1"}).to_string();
    other.agent.ask(&service, "POST", "/v1/visas", &[("idempotency-key", "k1")], body.as_bytes()).is(201);
    // What may be otherwise next time is not remembered.
    buy("k2", "1000").refuses(402, "account.insufficient");
    deal.deposit(&service, "5000", &nonce()).is(201);
    buy("k2", "1000").is(201);
    buy("k3", "1000").is(201);
    assert_eq!(deal.balance(&service, &deal.agent).1, "3009");
    audit(&service);
}

#[test]
fn a_reference_names_one_deposit() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let first = deal.deposit(&service, "1", "bank-1").is(201);
    let again = deal.deposit(&service, "1", "bank-1").is(200);
    assert_eq!(first["id"], again["id"]);
    deal.deposit(&service, "2", "bank-1").refuses(409, "idempotency.mismatch");
    assert_eq!(deal.balance(&service, &deal.agent).0, "11");
}

/// A webhook that names no asset means the first that is configured, whatever is configured after it.
#[test]
fn a_reference_without_an_asset_names_one_deposit_when_assets_are_added() {
    let mut service = Service::start(&["--set", "money.assets=USD:6"]);
    let deal = Deal::without_money();
    let body = json!({"owner": deal.agent.name(), "amount": "25", "reference": "bank-4712"});
    let first = service.post("/v1/deposits", &service.token, &body).is(201);
    service.stop();
    service.more(&["--set".to_owned(), "money.assets=USD:6,EUR:2".to_owned()]);
    service.run();
    let again = service.post("/v1/deposits", &service.token, &body).is(200);
    assert_eq!((&first["id"], &first["asset"]), (&again["id"], &again["asset"]));
    let served = service.send("GET", "/.well-known/openid-configuration", &[], b"").is(200);
    assert_eq!(served["imagxp_assets"][0]["code"], "USD", "the first is told first");
    audit(&service);
}

#[test]
fn a_batch_is_remembered_visa_by_visa() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let visas: Vec<_> = (0..3)
        .map(|_| {
            let (token, _) = deal.buy(&service, "0.1");
            Deal::presented(&token, &deal.request(&token))
        })
        .collect();
    let body = json!({"visas": visas}).to_string();
    let send = || {
        deal.publisher
            .ask(&service, "POST", "/v1/visas/redeem", &[("idempotency-key", "batch")], body.as_bytes())
            .is(200)
    };
    let (first, second) = (send(), send());
    assert_eq!((&first["accepted"], &second["accepted"]), (&json!(3), &json!(3)));
    assert!(
        second["results"].as_array().unwrap().iter().all(|result| result["repeated"] == true),
        "{second}"
    );
}

#[test]
fn what_happens_twice_at_once_happens_once() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let body = json!({"resource": deal.origin(), "amount": "1"}).to_string();
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let send =
            || deal.agent.ask(&service, "POST", "/v1/visas", &[("idempotency-key", "race")], body.as_bytes());
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let created = tokens.iter().filter(|reply| reply.0.status == 201).count();
    let visas: std::collections::BTreeSet<_> = tokens
        .iter()
        .map(|reply| {
            serde_json::from_slice::<serde_json::Value>(&reply.0.body).unwrap()["access_token"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!((created, visas.len()), (1, 1));
    assert_eq!(deal.balance(&service, &deal.agent).1, "9");
}

/// What has expired is forgotten as fast as it came, all of it, and those who pay do not wait for that.
#[test]
fn what_has_expired_is_forgotten() {
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    service.stop();
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    let rows = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)";
    let twenty_thousand = format!(
        "BEGIN; \
         INSERT INTO idempotency (actor, key, request, result, created_at, expires_at) \
         {rows} SELECT 'party:a', 'k' || n, zeroblob(32), '', 0, 1 + n % 7 FROM number; \
         INSERT INTO once (scope, name, created_at, expires_at) {rows} SELECT 'assertion', 'a n' || n, 0, 1 + n % 7 FROM number; \
         COMMIT"
    );
    file.execute_batch(&twenty_thousand).unwrap();
    let left = || {
        let count = |table: &str| -> i64 {
            let select = format!("SELECT count(*) FROM {table} WHERE expires_at < 10");
            file.query_row(&select, [], |row| row.get(0)).unwrap()
        };
        (count("idempotency"), count("once"))
    };
    assert_eq!(left(), (20_000, 20_000));
    service.run();
    let begun = Instant::now();
    let mut waited = Vec::new();
    while left() != (0, 0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", left());
        let asked = Instant::now();
        deal.deposit(&service, "1", &nonce()).is(201);
        waited.push(asked.elapsed());
    }
    // One may have come just when the machine had much else to do.
    waited.sort_unstable();
    let (usual, longest) = (waited[waited.len() / 2], waited[waited.len() - 1]);
    assert!(usual < Duration::from_secs(2) && longest < Duration::from_secs(10), "{waited:?}");
    audit(&service);
}
