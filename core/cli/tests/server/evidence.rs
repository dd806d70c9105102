//! What a publisher presents with a visa: a request of its holder, for this publisher, in time, and one for each visa.

use crate::deal::Deal;
use crate::party::{nonce, now};
use crate::service::Service;
use imagxp::agent::SignRequest;
use imagxp::{Purpose, Timestamp};
use serde_json::{Value, json};

fn signed(deal: &Deal, url: &str, purpose: Purpose, time: Timestamp) -> Vec<(String, String)> {
    let signed = deal.agent.identity.sign(&SignRequest::new("GET", url, purpose), time, &nonce()).unwrap();
    signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn redeem(service: &Service, deal: &Deal, visa: &str, headers: &[(String, String)]) -> Value {
    let body = json!({"visas": [Deal::presented(visa, headers)]});
    deal.publisher.post(service, "/v1/visas/redeem", &body).is(200)["results"][0].clone()
}

#[test]
fn what_is_no_evidence() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let (token, _) = deal.buy(&service, "0.1");
    let page = format!("{}/page", deal.origin());
    for headers in [
        signed(&deal, &page, Purpose::Quotation, now()),
        signed(&deal, &page, Purpose::Summary, now().saturating_add_secs(-400)),
        signed(&deal, &page, Purpose::Summary, now().saturating_add_secs(3600)),
    ] {
        let result = redeem(&service, &deal, &token, &headers);
        assert_eq!(
            (&result["accepted"], &result["error"]["code"]),
            (&json!(false), &json!("visa.request")),
            "{result}"
        );
    }
    let elsewhere = signed(&deal, "http://127.0.0.1:9/page", Purpose::Summary, now());
    assert_eq!(redeem(&service, &deal, &token, &elsewhere)["error"]["code"], "visa.not_yours");
    let result = redeem(&service, &deal, &token, &signed(&deal, &page, Purpose::Summary, now()));
    assert_eq!(result["accepted"], true, "{result}");
}

#[test]
fn one_request_redeems_one_visa() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let (first, _) = deal.buy(&service, "0.1");
    let (second, _) = deal.buy(&service, "0.1");
    let headers = deal.request(&first);
    // Also within one request.
    let body =
        json!({"visas": [Deal::presented(&first, &headers), Deal::presented(&second, &headers)]}).to_string();
    let ask = || {
        deal.publisher
            .ask(
                &service,
                "POST",
                "/v1/visas/redeem",
                &[("idempotency-key", "batch-of-two")],
                body.as_bytes(),
            )
            .is(200)
    };
    let answer = ask();
    assert_eq!(
        (&answer["accepted"], &answer["results"][0]["accepted"]),
        (&json!(1), &json!(true)),
        "{answer}"
    );
    assert_eq!(answer["results"][1]["error"]["code"], "visa.request_used", "{answer}");
    // Asked again: the same.
    let again = ask();
    assert_eq!((&again["accepted"], &again["results"][0]["repeated"]), (&json!(1), &json!(true)), "{again}");
    assert_eq!(redeem(&service, &deal, &second, &headers)["error"]["code"], "visa.request_used");
    assert_eq!(deal.redeem(&service, &second)["accepted"], true);
}

#[test]
fn a_key_that_is_too_long_redeems_nothing() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let visas: Vec<_> = (0..12)
        .map(|_| {
            let (token, _) = deal.buy(&service, "0.1");
            Deal::presented(&token, &deal.request(&token))
        })
        .collect();
    let body = json!({"visas": visas}).to_string();
    let key = "k".repeat(253);
    let reply = deal.publisher.ask(
        &service,
        "POST",
        "/v1/visas/redeem",
        &[("idempotency-key", &key)],
        body.as_bytes(),
    );
    reply.refuses(400, "idempotency.malformed");
    let list = deal.publisher.get(&service, "/v1/visas?state=REDEEMED").is(200);
    assert_eq!(list["visas"], json!([]), "{list}");
}

#[test]
fn a_publisher_that_brings_feedback_uses_no_key_of_the_agent() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let jti = deal.read(&service, "0.5");
    let (path, signed) = (format!("/v1/visas/{jti}/feedback"), deal.feedback(&jti, 1_000_000));
    let key = [("idempotency-key", "order-1")];
    deal.publisher.ask(&service, "POST", &path, &key, &signed).is(200);
    let body = json!({"to": deal.publisher.name(), "amount": "1"}).to_string();
    deal.agent.ask(&service, "POST", "/v1/payments", &key, body.as_bytes()).is(201);
    // Given is given: brought again, it is answered with what it came to.
    deal.agent.ask(&service, "POST", &path, &[], &signed).is(200);
}
