//! Deposit, visa, verification by the core, redemption, feedback, contest, decision, statement.

use crate::deal::{Deal, allowed, audit};
use crate::service::Service;
use serde_json::json;

#[test]
fn good_feedback_releases_and_bad_feedback_withholds() {
    let mut service = Service::start(&[]);
    let deal = Deal::new(&service);
    let (agent, publisher) = (&deal.agent, &deal.publisher);
    assert_eq!(deal.balance(&service, agent), ("10".into(), "10".into()));

    // Without a visa the publisher asks for money; with one it serves.
    let (token, jti) = deal.buy(&service, "0.5");
    let headers = deal.request(&token);
    let bare: Vec<_> = headers.iter().filter(|(name, _)| name != "x-imagxp-payment").cloned().collect();
    assert_eq!(deal.verdict(&service, &bare).http, 402);
    let verdict = deal.verdict(&service, &headers);
    assert!(allowed(&verdict), "{verdict:?}");
    assert_eq!(verdict.payment.jti.as_deref(), Some(jti.as_str()));
    assert_eq!(deal.balance(&service, agent), ("10".into(), "9.5".into()), "reserved, not taken");

    // Redeemed once.
    let body = json!({"visas": [Deal::presented(&token, &headers)]});
    let redeemed = publisher.post(&service, "/v1/visas/redeem", &body).is(200);
    assert_eq!(
        (&redeemed["accepted"], &redeemed["results"][0]["amount"]),
        (&json!(1), &json!("0.5")),
        "{redeemed}"
    );
    let again = publisher.post(&service, "/v1/visas/redeem", &body).is(200);
    assert_eq!(
        (&again["accepted"], &again["results"][0]["error"]["code"]),
        (&json!(0), &json!("visa.state"))
    );

    // Good: 2 % stay with the broker, rounded down.
    let visa = deal.give_feedback(&service, &jti, 500_000).is(200);
    assert_eq!(
        (&visa["state"], &visa["released"], &visa["fee"]),
        (&json!("RELEASED"), &json!("0.5"), &json!("0.01")),
        "{visa}"
    );
    assert_eq!(deal.balance(&service, publisher), ("0.49".into(), "0.49".into()));
    deal.give_feedback(&service, &jti, 0).refuses(409, "feedback.already_given");

    // Bad: withheld, contested, divided.
    let jti = deal.read(&service, "1");
    assert_eq!(deal.give_feedback(&service, &jti, 499_999).is(200)["state"], "WITHHELD");
    assert_eq!(deal.balance(&service, agent), ("9.5".into(), "8.5".into()));
    let contest = format!("/v1/visas/{jti}/contest");
    agent.post(&service, &contest, &json!({"statement": "no"})).refuses(403, "visa.not_yours");
    let visa = publisher.post(&service, &contest, &json!({"statement": "it was what was promised"})).is(200);
    assert_eq!((&visa["state"], &visa["contest"]), (&json!("DISPUTED"), &json!("it was what was promised")));
    let decide = format!("/v1/visas/{jti}/decide");
    publisher.post(&service, &decide, &json!({"decision": "release"})).refuses(403, "auth.forbidden");
    service.post(&decide, &service.token, &json!({"decision": "split"})).refuses(400, "json.malformed");
    service
        .post(&decide, &service.token, &json!({"decision": "split", "amount": "1"}))
        .refuses(400, "amount.range");
    let visa = service
        .post(
            &decide,
            &service.token,
            &json!({"decision": "split", "amount": "0.4", "memo": "half and half"}),
        )
        .is(200);
    assert_eq!((&visa["state"], &visa["released"]), (&json!("SPLIT"), &json!("0.4")), "{visa}");
    assert_eq!(deal.balance(&service, agent), ("9.1".into(), "9.1".into()));
    assert_eq!(deal.balance(&service, publisher), ("0.882".into(), "0.882".into()));

    // Refunded.
    let jti = deal.read(&service, "2");
    deal.give_feedback(&service, &jti, 0).is(200);
    publisher.post(&service, &format!("/v1/visas/{jti}/contest"), &json!({"statement": "but"})).is(200);
    service.post(&format!("/v1/visas/{jti}/decide"), &service.token, &json!({"decision": "refund"})).is(200);
    assert_eq!(deal.balance(&service, agent), ("9.1".into(), "9.1".into()));

    // Money goes out.
    let withdrawal =
        publisher.post(&service, "/v1/withdrawals", &json!({"amount": "0.8", "reference": "iban-1"})).is(201);
    assert_eq!(deal.balance(&service, publisher), ("0.882".into(), "0.082".into()));
    let id = withdrawal["id"].as_str().unwrap();
    publisher
        .post(&service, &format!("/v1/withdrawals/{id}/post"), &json!({}))
        .refuses(403, "auth.forbidden");
    service.post(&format!("/v1/withdrawals/{id}/post"), &service.token, &json!({})).is(200);
    service
        .post(&format!("/v1/withdrawals/{id}/void"), &service.token, &json!({}))
        .refuses(409, "transfer.already_resolved");
    publisher
        .post(&service, "/v1/withdrawals", &json!({"amount": "0.083"}))
        .refuses(402, "account.insufficient");
    agent.post(&service, "/v1/payments", &json!({"to": publisher.name(), "amount": "0.1"})).is(201);
    assert_eq!(deal.balance(&service, publisher), ("0.182".into(), "0.182".into()));

    // The statement adds up, and the lists agree with it.
    for (party, closing) in [(agent, "9"), (publisher, "0.182")] {
        let statement = party.get(&service, &format!("/v1/accounts/{}/statement", party.name())).is(200);
        assert_eq!(
            (&statement["opening"], &statement["closing"]),
            (&json!("0"), &json!(closing)),
            "{statement}"
        );
        let account = &statement["account"]["id"];
        let mut sum = 0_i64;
        for transfer in statement["transfers"].as_array().unwrap() {
            let (whole, part) = transfer["amount"]
                .as_str()
                .unwrap()
                .split_once('.')
                .unwrap_or((transfer["amount"].as_str().unwrap(), ""));
            let units: i64 = format!("{whole}{part:0<6}").parse().unwrap();
            match (transfer["phase"].as_str().unwrap(), transfer["debit"] == *account) {
                ("pending" | "void", _) => {}
                (_, true) => sum -= units,
                (_, false) => sum += units,
            }
        }
        let (whole, part) = closing.split_once('.').unwrap_or((closing, ""));
        assert_eq!(sum, format!("{whole}{part:0<6}").parse::<i64>().unwrap());
        let mut listed = 0;
        let mut cursor = String::new();
        loop {
            let page = party.get(&service, &format!("/v1/transfers?limit=3{cursor}")).is(200);
            listed += page["transfers"].as_array().unwrap().len();
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(listed, statement["transfers"].as_array().unwrap().len());
    }
    audit(&service);

    // A restart keeps everything; the first one with a log notes who operates the broker.
    let mut before = service.get("/v1/money", &service.token).is(200);
    service.stop();
    service.run();
    before["log_size"] = (before["log_size"].as_u64().unwrap() + 1).into();
    assert_eq!(service.get("/v1/money", &service.token).is(200), before);
    let root = service.get("/v1/log/verify", &service.token).is(200)["root"].clone();
    service.kill();
    service.run();
    assert_eq!(service.get("/v1/log/verify", &service.token).is(200)["root"], root);
    assert_eq!(deal.balance(&service, publisher), ("0.182".into(), "0.182".into()));
    audit(&service);
}

#[test]
fn a_visa_is_worth_something_to_its_publisher_only_and_with_its_request_only() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let stranger = Deal::new(&service);
    let (token, _) = deal.buy(&service, "0.5");
    let headers = deal.request(&token);
    let presented = Deal::presented(&token, &headers);
    let refused = |by: &crate::party::Party, visa: serde_json::Value, code: &str| {
        let answer = by.post(&service, "/v1/visas/redeem", &json!({"visas": [visa]})).is(200);
        assert_eq!(answer["results"][0]["error"]["code"], code, "{answer}");
        assert_eq!(answer["accepted"], 0);
    };
    refused(&stranger.publisher, presented.clone(), "visa.not_yours");
    refused(&deal.publisher, json!({"visa": token}), "visa.wrong_key");
    // The agent's request, but another agent's key and signature.
    let (other, _) = stranger.buy(&service, "0.5");
    let theirs = Deal::presented(&token, &stranger.request(&other));
    refused(&deal.publisher, theirs, "visa.not_yours");
    let mut forged = presented.clone();
    forged["request"]["signature"] = json!("0".repeat(128));
    refused(&deal.publisher, forged, "visa.request");
    let mut altered = token.clone().into_bytes();
    let last = altered.len() - 4;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    refused(&deal.publisher, json!({"visa": String::from_utf8(altered).unwrap()}), "payment.invalid_token");
    refused(&deal.publisher, json!({"visa": "x"}), "payment.malformed");
    assert_eq!(deal.redeem(&service, &token)["accepted"], true);
    deal.publisher.post(&service, "/v1/visas/redeem", &json!({"visas": []})).refuses(400, "visa.batch");
}

#[test]
fn a_thousand_visas_at_once() {
    // Two thousand signatures in a build for debugging.
    let service = Service::start(&["--set", "limits.handler_s=60"]);
    let deal = Deal::new(&service);
    let visas: Vec<_> = (0..40)
        .map(|_| {
            let (token, _) = deal.buy(&service, "0.01");
            let headers = deal.request(&token);
            Deal::presented(&token, &headers)
        })
        .collect();
    // Each of the forty many times over: accepted once, refused after that, and none is lost among the others.
    let batch: Vec<_> = visas.iter().cycle().take(1000).collect();
    let answer = deal.publisher.post(&service, "/v1/visas/redeem", &json!({"visas": batch})).is(200);
    assert_eq!((&answer["accepted"], answer["results"].as_array().unwrap().len()), (&json!(40), 1000));
    assert!(answer["results"].as_array().unwrap()[..40].iter().all(|result| result["accepted"] == true));
    audit(&service);
}

#[test]
fn feedback_must_be_the_holders_and_about_this() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let stranger = Deal::new(&service);
    let (_, unread) = deal.buy(&service, "0.5");
    deal.give_feedback(&service, &unread, 1_000_000).refuses(409, "visa.state");
    let jti = deal.read(&service, "0.5");
    let path = format!("/v1/visas/{jti}/feedback");
    stranger.agent.ask(&service, "POST", &path, &[], &deal.feedback(&jti, 0)).refuses(404, "visa.not_found");
    deal.agent
        .ask(&service, "POST", &path, &[], &deal.feedback(&unread, 0))
        .refuses(400, "feedback.malformed");
    deal.agent
        .ask(&service, "POST", &path, &[], &stranger.feedback(&jti, 0))
        .refuses(400, "feedback.malformed");
    deal.agent.ask(&service, "POST", &path, &[], b"{}").refuses(400, "feedback.malformed");
    let mut forged: serde_json::Value = serde_json::from_slice(&deal.feedback(&jti, 0)).unwrap();
    forged["quality_score"] = json!(1);
    deal.agent
        .ask(&service, "POST", &path, &[], forged.to_string().as_bytes())
        .refuses(403, "feedback.wrong_key");
    // The publisher may bring what the agent has signed.
    let signed = deal.feedback(&jti, 1_000_000);
    let visa = deal.publisher.ask(&service, "POST", &path, &[], &signed).is(200);
    assert_eq!((&visa["state"], &visa["feedback"]["score"]), (&json!("RELEASED"), &json!("1")));
}
