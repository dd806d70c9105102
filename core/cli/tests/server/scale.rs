//! Several processes of one broker on one PostgreSQL and one Redis.

use crate::deal::{Deal, audit};
use crate::operator::{add, comings_and_goings};
use crate::party::nonce;
use crate::service::Service;
use crate::support::{Postgres, Redis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Two processes; `None` where PostgreSQL or Redis is not installed, which is said aloud.
fn pair() -> Option<(Service, Service, Redis, Arc<Postgres>)> {
    let (postgres, redis) = (Postgres::shared()?, Redis::start()?);
    let (database, replay) =
        (format!("database.url={}", postgres.database()), format!("replay.url={}", redis.url()));
    let first = Service::start(&["--set", &database, "--set", &replay]);
    let second = first.sibling();
    Some((first, second, redis, postgres))
}

#[test]
fn two_processes_race_and_one_effect_remains() {
    let Some((first, second, _redis, _postgres)) = pair() else { return };
    let deal = Deal::new(&first);
    assert_eq!(deal.balance(&second, &deal.agent).0, "10");
    let both = |send: &(dyn Fn(&Service) -> Value + Sync)| -> Vec<Value> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = [&first, &second]
                .into_iter()
                .cycle()
                .take(8)
                .map(|service| scope.spawn(move || send(service)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    // One visa.
    let (token, _) = deal.buy(&first, "1");
    let presented = Deal::presented(&token, &deal.request(&token));
    let body = json!({"visas": [presented]});
    let results =
        both(&|service| deal.publisher.post(service, "/v1/visas/redeem", &body).is(200)["accepted"].clone());
    assert_eq!(results.iter().filter(|accepted| **accepted == 1).count(), 1, "{results:?}");
    // One deposit.
    let reference = nonce();
    let ids = both(&|service| {
        let reply = deal.deposit(service, "5", &reference);
        assert!(matches!(reply.0.status, 200 | 201), "{reply:?}");
        serde_json::from_slice::<Value>(&reply.0.body).unwrap()["id"].clone()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // One idempotency key.
    let key = nonce();
    let body = json!({"resource": deal.origin(), "amount": "2"}).to_string();
    let visas = both(&|service| {
        let reply =
            deal.agent.ask(service, "POST", "/v1/visas", &[("idempotency-key", &key)], body.as_bytes());
        assert!(matches!(reply.0.status, 200 | 201), "{reply:?}");
        serde_json::from_slice::<Value>(&reply.0.body).unwrap()["visa"]["jti"].clone()
    });
    assert!(visas.iter().all(|jti| *jti == visas[0]), "{visas:?}");
    assert_eq!(deal.balance(&second, &deal.agent), ("15".into(), "12".into()));
    // One nonce.
    let url = format!("{}/v1/visas", first.issuer);
    let headers = deal.agent.headers("GET", &url, b"");
    let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    first.send("GET", "/v1/visas", &lines, b"").is(200);
    second.send("GET", "/v1/visas", &lines, b"").refuses(409, "replay.nonce_seen");
    audit(&first);
    audit(&second);
}

#[test]
fn operators_who_come_and_go_on_two_servers_are_noted_once() {
    let Some((first, second, _redis, _postgres)) = pair() else { return };
    Deal::new(&first);
    let names: Vec<String> = (0..8).map(|number| format!("op{number}")).collect();
    // Commands on two machines, beside two services that look every two seconds.
    let each = |work: &(dyn Fn(&Service, &str) + Sync)| {
        std::thread::scope(|scope| {
            for (name, service) in names.iter().zip([&first, &second].into_iter().cycle()) {
                scope.spawn(move || work(service, name));
            }
        });
    };
    each(&|service, name| drop(add(service, name, "viewer")));
    each(&|service, name| {
        if !name.ends_with('0') {
            service.command(&["operator", "remove", name]);
        }
    });
    std::thread::sleep(Duration::from_secs(5));
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (kind, name, _) in comings_and_goings(&second) {
        seen.entry(name).or_default().push(kind);
    }
    for name in &names {
        let stays = name.ends_with('0');
        let expected: &[&str] =
            if stays { &["operator.added"] } else { &["operator.added", "operator.removed"] };
        assert_eq!(seen.remove(name).unwrap_or_default(), expected, "{name}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("dev".to_owned(), vec!["operator.added".to_owned()])]);
    audit(&first);
}
