//! What one operator may not do alone, and what ends with him.

use crate::deal::Deal;
use crate::service::Service;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

pub(crate) fn add(service: &Service, name: &str, role: &str) -> String {
    service.command(&["operator", "add", name, "--role", role]).trim().to_owned()
}

#[test]
fn nobody_takes_out_alone_what_is_somebody_elses() {
    let service = Service::start(&[]);
    let (cashier, depositor) = (service.operator("cas", "cashier"), service.operator("hook", "depositor"));
    let deal = Deal::new(&service);
    let agent = deal.agent.name();
    let body = json!({"owner": agent, "amount": "5", "reference": "my-own-iban"});
    service.post("/v1/withdrawals", &cashier, &body).refuses(403, "auth.forbidden");
    let asked = service.post("/v1/withdrawals", &service.token, &body).is(201);
    let post = format!("/v1/withdrawals/{}/post", asked["id"].as_str().unwrap());
    service.post(&post, &service.token, &json!({})).refuses(403, "admin.second_needed");
    service.post(&post, &depositor, &json!({})).refuses(403, "auth.forbidden");
    service.post(&post, &cashier, &json!({})).is(200);
    // The webhook of a payment provider books deposits, and that is all.
    let body = json!({"owner": agent, "amount": "1", "reference": "bank-1"});
    service.post("/v1/deposits", &depositor, &body).is(201);
    for path in ["/v1/money", "/v1/visas", "/v1/accounts", "/v1/session", "/v1/log/entries"] {
        service.get(path, &depositor).refuses(403, "auth.forbidden");
    }
    assert_eq!(deal.balance(&service, &deal.agent).0, "6");
}

#[test]
fn a_stream_ends_with_its_operator() {
    let service = Service::start(&[]);
    let token = service.operator("bob", "viewer");
    let mut stream = std::net::TcpStream::connect(service.issuer.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut head = [0; 1024];
    let length = stream.read(&mut head).unwrap();
    assert!(String::from_utf8_lossy(&head[..length]).contains("200 OK"));
    service.command(&["operator", "remove", "bob"]);
    let begun = Instant::now();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[test]
fn two_commands_at_once_lose_nobody() {
    let service = Service::start(&[]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let service = &service;
            scope.spawn(move || add(service, &format!("op{number}"), "viewer"));
        }
    });
    let list = service.command(&["operator", "list"]);
    assert_eq!(list.lines().count(), 9, "{list}");
}

/// The log's events of operators: kind, name, role.
pub(crate) fn comings_and_goings(service: &Service) -> Vec<(String, String, String)> {
    let log = service.get("/v1/log/entries?limit=500", &service.token).is(200);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let events = log["entries"].as_array().unwrap().iter().map(|entry| &entry["event"]);
    events
        .filter(|event| text(&event["kind"]).starts_with("operator."))
        .map(|event| {
            assert_eq!(event["actor"], "clock", "{event}");
            (text(&event["kind"]), text(&event["body"]["operator"]), text(&event["body"]["role"]))
        })
        .collect()
}

#[test]
fn the_log_says_who_came_and_went() {
    let mut service = Service::start(&[]);
    add(&service, "ann", "cashier");
    assert_eq!(comings_and_goings(&service), [], "an empty log stays empty");
    Deal::new(&service);
    add(&service, "eve", "admin");
    let row = |kind: &str, name: &str, role: &str| (kind.to_owned(), name.to_owned(), role.to_owned());
    let mut expected = vec![
        row("operator.added", "ann", "cashier"),
        row("operator.added", "dev", "admin"),
        row("operator.added", "eve", "admin"),
    ];
    let sorted = |mut rows: Vec<_>| {
        rows.sort();
        rows
    };
    assert_eq!(sorted(comings_and_goings(&service)), expected);
    service.command(&["operator", "remove", "eve"]);
    expected.push(row("operator.removed", "eve", ""));
    assert_eq!(sorted(comings_and_goings(&service)), expected);
    // Somebody writes into the file: the service notices and notes it, once.
    let file = service.data().join("operators.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("cashier", "admin");
    std::fs::write(&file, text).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while comings_and_goings(&service).len() < 6 {
        assert!(Instant::now() < until, "{:?}", comings_and_goings(&service));
        std::thread::sleep(Duration::from_millis(100));
    }
    service.stop();
    service.run();
    expected.extend([row("operator.added", "ann", "admin"), row("operator.removed", "ann", "")]);
    assert_eq!(sorted(comings_and_goings(&service)), sorted(expected));
    crate::deal::audit(&service);
}

#[test]
fn a_tenant_gives_so_many_commands_and_no_more() {
    let service = Service::start(&["--set", "limits.tenant_per_s=1"]);
    let (deal, other) = (Deal::new(&service), Deal::new(&service));
    // Four at once, and one more with each second: however long the machine needs for one, at some time there are too many.
    let begun = Instant::now();
    let mut allowed = 0;
    let refused = loop {
        let reply = deal.agent.get(&service, "/v1/visas");
        if reply.0.status != 200 {
            break reply;
        }
        allowed += 1;
        assert!(allowed < 40, "nothing is refused in {:?}", begun.elapsed());
    };
    refused.refuses(429, "rate.tenant");
    let most = 4 + begun.elapsed().as_secs() + 1;
    assert!((4..=most).contains(&allowed), "{allowed} in {:?}", begun.elapsed());
    other.agent.get(&service, "/v1/visas").is(200);
}
