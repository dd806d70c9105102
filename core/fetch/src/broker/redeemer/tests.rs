//! When a redeemer is closed.

use super::super::confirm::tests::{broker, client};
use super::*;
use std::sync::atomic::Ordering;

#[test]
fn who_closes_waits_for_a_broker_that_is_gone_once() {
    let (issuer, asked) = broker(drop);
    let options = RedeemerOptions { batch: 1, ..RedeemerOptions::default() };
    let (sender, told) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let report = move |outcome: Outcome| sender.lock().unwrap().send(outcome.result).unwrap();
    let redeemer = Redeemer::new(client(&issuer), options, report).unwrap();
    let state = redeemer.start().unwrap();
    // The thread sleeps until it is closed.
    let mut held = state.lock();
    held.closing = Some(Instant::now());
    held.queue.extend((0..5).map(|_| (Presented::bearer("a.b.c"), Instant::now())));
    held.tally.waiting = 5;
    drop(held);
    redeemer.close(Duration::ZERO);
    assert_eq!(redeemer.tally().failed, 5);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let told: Vec<_> = told.try_iter().map(|result| result.unwrap_err().is_unknown()).collect();
    assert_eq!(told.len(), 5);
    assert!(!told[1..].contains(&true), "what was not sent was not redeemed");
}
