//! Batches of visas that are larger than the broker reads.

use crate::client::client;
use crate::deal::Deal;
use crate::service::Service;
use imagxp_fetch::broker::{MAX_REDEEM_BYTES, Outcome, Presented, Redeemer, RedeemerOptions};
use imagxp_server::config::OPTIONS;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn what_a_client_sends_at_most_is_what_the_broker_reads() {
    let option = OPTIONS.iter().find(|option| option.name == "limits.redeem_bytes").unwrap();
    assert_eq!(option.default, MAX_REDEEM_BYTES.to_string());
}

/// Visas that the agent has bought, as the publisher presents them.
fn honest(service: &Service, deal: &Deal, count: usize) -> Vec<Presented> {
    let presented = |_| {
        let (visa, _) = deal.buy(service, "0.1");
        let headers = deal.request(&visa);
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Presented::of_request(&lines).unwrap()
    };
    (0..count).map(presented).collect()
}

/// What becomes of visas that are presented in one batch, by the broker's code: `""` is accepted.
fn redeemed(service: &Service, deal: &Deal, visas: Vec<Presented>) -> BTreeMap<String, usize> {
    let ends: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let noted = Arc::clone(&ends);
    let report = move |Outcome { presented: _, result }: Outcome| {
        let code = match result {
            Ok(redeemed) => redeemed.refusal.map_or(String::new(), |(code, _)| code),
            Err(error) => {
                assert!(!error.is_unknown(), "{error:?}");
                format!("not presented: {}", error.code())
            }
        };
        *noted.lock().unwrap().entry(code).or_default() += 1;
    };
    let options = RedeemerOptions { interval: Duration::from_secs(600), ..RedeemerOptions::default() };
    let redeemer = Redeemer::new(client(&service.issuer, &deal.publisher), options, report).unwrap();
    for visa in visas {
        redeemer.push(visa).unwrap();
    }
    redeemer.close(Duration::from_secs(30));
    let ends = ends.lock().unwrap();
    ends.clone()
}

fn counts(ends: &[(&str, usize)]) -> BTreeMap<String, usize> {
    ends.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect()
}

/// One agent fills its visas up to the largest that are read: the others' are redeemed all the same.
#[test]
fn large_visas_do_not_cost_others_their_money() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let mut visas = honest(&service, &deal, 5);
    visas.splice(2..2, (0..300).map(|_| Presented::bearer("x".repeat(8000))));
    let publisher = client(&service.issuer, &deal.publisher);
    assert_eq!(publisher.redeem(&visas, None).unwrap_err().code(), "usage.argument", "it is not even sent");
    assert_eq!(redeemed(&service, &deal, visas), counts(&[("", 5), ("payment.malformed", 300)]));
    assert_eq!(deal.balance(&service, &deal.agent).1, "9.5");
}

/// An operator may let batches be larger than is usual.
#[test]
fn a_broker_reads_as_much_as_it_is_configured_to() {
    let service = Service::start(&["--set", "limits.redeem_bytes=4194304"]);
    let deal = Deal::new(&service);
    let (visa, _) = deal.buy(&service, "0.1");
    let mut visas = vec![json!({"visa": "x".repeat(8000)}); 400];
    visas.push(Deal::presented(&visa, &deal.request(&visa)));
    let body = json!({"visas": visas});
    assert!(body.to_string().len() > 3 << 20);
    let answer = deal.publisher.post(&service, "/v1/visas/redeem", &body).is(200);
    assert_eq!((&answer["accepted"], &answer["results"][400]["accepted"]), (&json!(1), &json!(true)));
    // And no more.
    let body = json!({"visas": vec![json!({"visa": "x".repeat(8000)}); 600]});
    deal.publisher.post(&service, "/v1/visas/redeem", &body).refuses(413, "body.too_large");
}

/// A broker that reads less than others: what is too large for it comes in parts, and a visa that nobody reads fails alone.
#[test]
fn a_batch_that_is_too_large_is_presented_in_parts() {
    let service = Service::start(&["--set", "limits.redeem_bytes=70000"]);
    let deal = Deal::new(&service);
    let mut visas = honest(&service, &deal, 6);
    visas.splice(2..2, (0..30).map(|_| Presented::bearer("x".repeat(5000))));
    visas.insert(9, Presented::bearer("x".repeat(80_000)));
    let expected = counts(&[("", 6), ("payment.malformed", 30), ("not presented: body.too_large", 1)]);
    assert_eq!(redeemed(&service, &deal, visas), expected);
}
