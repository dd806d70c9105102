//! What a publisher presents with a visa: a request of its holder, for this publisher, in time, and one for each visa.

use crate::deal::Deal;
use crate::party::{Party, nonce, now};
use crate::service::Service;
use imagxp::agent::SignRequest;
use imagxp::encoding::base64url_decode;
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

/// A request for this publisher's page, with a nonce of the agent's choice.
fn with_nonce(deal: &Deal, nonce: &str, time: Timestamp) -> Vec<(String, String)> {
    let url = format!("{}/page", deal.origin());
    let request = SignRequest::new("GET", &url, Purpose::Summary);
    let signed = deal.agent.identity.sign(&request, time, nonce).unwrap();
    signed.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The same nonce at two sites is two requests: each site has its own replay store, and each is paid.
#[test]
fn two_publishers_are_paid_for_one_nonce() {
    let service = Service::start(&[]);
    let first = Deal::new(&service);
    let (name, time) = (nonce(), now());
    let paid = |deal: &Deal| {
        let (visa, _) = deal.buy(&service, "0.1");
        redeem(&service, deal, &visa, &with_nonce(deal, &name, time))["accepted"] == true
    };
    assert!(paid(&first));
    assert!(!paid(&first), "one request stands for one visa");
    assert!(paid(&Deal { agent: first.agent, publisher: Party::new() }));
}

/// A publisher forgets a nonce minutes after the request: what is asked with it then is served again, and paid again.
#[test]
fn a_publisher_is_paid_for_each_request_of_one_nonce() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let name = nonce();
    let requests = [now().saturating_add_secs(-200), now()].map(|time| with_nonce(&deal, &name, time));
    for headers in &requests {
        let (visa, _) = deal.buy(&service, "0.1");
        let result = redeem(&service, &deal, &visa, headers);
        assert_eq!(result["accepted"], true, "{result}");
    }
    for headers in &requests {
        let (visa, _) = deal.buy(&service, "0.1");
        let result = redeem(&service, &deal, &visa, headers);
        assert_eq!(result["error"]["code"], "visa.request_used", "{result}");
    }
}

/// A batch that is larger than what its publisher may ever spend at once goes through, when nothing else was spent.
#[test]
fn a_large_batch_waits_its_turn_and_no_longer() {
    let service = Service::start(&["--set", "limits.tenant_per_s=2"]);
    let deal = Deal::new(&service);
    let visas: Vec<_> = (0..8)
        .map(|_| {
            let (token, _) = deal.buy(&service, "0.1");
            Deal::presented(&token, &deal.request(&token))
        })
        .collect();
    let answer = deal.publisher.post(&service, "/v1/visas/redeem", &json!({"visas": visas})).is(200);
    assert_eq!(answer["accepted"], 8, "{answer}");
}

/// A publisher takes a visa for some seconds after its end, and a claim by a clock that is ahead by as much as its policy lets it be.
#[test]
fn what_a_publisher_lets_in_at_the_last_moment_is_redeemed() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let page = format!("{}/page", deal.origin());
    let (token, _) = deal.buy(&service, "0.1");
    let claims = base64url_decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let ends = serde_json::from_slice::<Value>(&claims).unwrap()["exp"].as_i64().unwrap();
    for (after, accepted) in [(306, false), (305, true)] {
        let headers = signed(&deal, &page, Purpose::Summary, Timestamp::from_secs(ends + after));
        let result = redeem(&service, &deal, &token, &headers);
        assert_eq!(result["accepted"], accepted, "{after}: {result}");
    }
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
