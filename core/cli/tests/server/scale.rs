//! Several processes of one broker on one PostgreSQL and one Redis.

use crate::deal::{Deal, audit};
use crate::party::nonce;
use crate::service::Service;
use crate::support::{Postgres, Redis};
use serde_json::{Value, json};
use std::sync::Arc;

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
