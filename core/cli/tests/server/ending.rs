//! How the service ends.

use crate::deal::Deal;
use crate::service::Service;
use std::time::{Duration, Instant};

#[test]
fn it_answers_on_while_it_is_not_ready_any_more() {
    let mut service = Service::start(&["--set", "limits.lame_duck_s=3"]);
    let ready = format!("{}/health/ready", service.admin);
    assert_eq!(service.send("GET", &ready, &[], b"").0.status, 200);
    let begun = Instant::now();
    service.signal();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(service.send("GET", &ready, &[], b"").0.status, 503, "whoever routes is told");
    service.send("GET", "/.well-known/jwks.json", &[], b"").is(200);
    assert!(service.ended(Duration::from_secs(10)).success());
    assert!(begun.elapsed() > Duration::from_millis(2500));
}

#[test]
fn a_store_that_hangs_is_not_waited_for_without_an_end() {
    let mut service = Service::start(&["--set", "limits.drain_s=2", "--set", "limits.handler_s=1"]);
    let deal = Deal::new(&service);
    let file = rusqlite::Connection::open(service.data().join("ledger.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    deal.deposit(&service, "1", "held").refuses(504, "server.timeout");
    service.signal();
    let status = service.ended(Duration::from_secs(15));
    assert!(!status.success(), "what waited was not written");
    drop(file);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut service = Service::start(&["--set", "limits.lame_duck_s=60"]);
    service.signal();
    std::thread::sleep(Duration::from_millis(300));
    service.signal();
    assert!(!service.ended(Duration::from_secs(5)).success());
}
