//! `/oauth/token`: assertions, access tokens, ID tokens and visas.

use crate::deal::{Deal, allowed};
use crate::party::{nonce, now};
use crate::service::{Reply, Service};
use imagxp::jwks::JwkSet;
use imagxp::token::{TokenExpectation, verify_token};
use serde_json::json;

const BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

fn send(service: &Service, headers: &[(&str, &str)], form: &str) -> Reply {
    let mut lines = vec![("content-type", "application/x-www-form-urlencoded")];
    lines.extend_from_slice(headers);
    service.send("POST", "/oauth/token", &lines, form.as_bytes())
}

fn assertion(service: &Service, deal: &Deal) -> String {
    deal.agent.identity.assert_client(&format!("{}/oauth/token", service.issuer), &nonce(), now()).unwrap()
}

fn form(assertion: &str, more: &str) -> String {
    format!("grant_type=client_credentials&client_assertion_type={BEARER}&client_assertion={assertion}{more}")
}

#[track_caller]
fn refuses(reply: &Reply, status: u16, error: &str, code: &str) {
    let value = reply.is(status);
    assert_eq!((&value["error"], &value["code"]), (&json!(error), &json!(code)), "{value}");
    assert!(
        value["error_description"].is_string()
            && value["request_id"].as_str() == reply.header("x-request-id")
    );
}

#[test]
fn a_visa_by_oauth() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let purchase = format!("&resource={}&amount=0.5&currency=USD&purposes=SUMMARY", deal.origin());
    let key = nonce();
    let first =
        send(&service, &[("idempotency-key", &key)], &form(&assertion(&service, &deal), &purchase)).is(200);
    assert_eq!(first["token_type"], "imagxp-visa");
    let visa = first["access_token"].as_str().unwrap();
    assert!(allowed(&deal.verdict(&service, &deal.request(visa))));
    // A new assertion, the same purchase.
    let second =
        send(&service, &[("idempotency-key", &key)], &form(&assertion(&service, &deal), &purchase)).is(200);
    assert_eq!(first["access_token"], second["access_token"]);
    assert_eq!(deal.balance(&service, &deal.agent).1, "9.5");
    let other = purchase.replace("0.5", "0.6");
    refuses(
        &send(&service, &[("idempotency-key", &key)], &form(&assertion(&service, &deal), &other)),
        409,
        "idempotency.mismatch",
        "idempotency.mismatch",
    );
    let dear = purchase.replace("0.5", "50");
    refuses(
        &send(&service, &[], &form(&assertion(&service, &deal), &dear)),
        402,
        "account.insufficient",
        "account.insufficient",
    );
    refuses(
        &send(&service, &[], &form(&assertion(&service, &deal), "&resource=nowhere&amount=1")),
        400,
        "invalid_target",
        "visa.resource",
    );
    refuses(
        &send(&service, &[], &form(&assertion(&service, &deal), "&amount=1")),
        400,
        "invalid_target",
        "invalid_target",
    );
}

#[test]
fn the_cores_own_client_understands_the_answer() {
    use imagxp::agent::spend::Purchase;
    use imagxp::agent::token_request::{TokenAnswer, TokenRequest};
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let identity = &deal.agent.identity;
    let purchase = Purchase {
        id: nonce(),
        agent_id: identity.agent_id().clone(),
        issuer: service.issuer.clone(),
        audience: deal.origin(),
        price: imagxp::policy::Money {
            amount: imagxp::amount::Amount::parse("0.25").unwrap(),
            currency: "USD".into(),
        },
        purpose: imagxp::Purpose::Summary,
    };
    let endpoint = format!("{}/oauth/token", service.issuer);
    let request = TokenRequest::new(identity, &purchase, &endpoint, &nonce(), now()).unwrap();
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply = service.send("POST", &request.url, &headers, request.body.as_bytes());
    match TokenAnswer::read(
        reply.0.status,
        &reply.0.body,
        &purchase,
        identity.public_key().thumbprint(),
        now(),
    ) {
        TokenAnswer::Visa(visa) => assert_eq!(visa.price(), &purchase.price),
        other => panic!("{other:?} {reply:?}"),
    }
}

#[test]
fn an_access_token_stands_for_its_owner() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let answer = send(&service, &[], &form(&assertion(&service, &deal), "&scope=openid")).is(200);
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("openid")));
    let token = answer["access_token"].as_str().unwrap();
    let own = format!("/v1/accounts/{}", deal.agent.name());
    assert_eq!(service.get(&own, token).is(200)["accounts"][0]["balance"], "10");
    service.get(&format!("/v1/accounts/{}", deal.publisher.name()), token).refuses(404, "account.not_found");
    service.get("/v1/money", token).refuses(403, "auth.forbidden");
    let bought =
        service.post("/v1/visas", token, &json!({"resource": deal.origin(), "amount": "0.5"})).is(201);
    assert!(allowed(&deal.verdict(&service, &deal.request(bought["access_token"].as_str().unwrap()))));
    // Neither an ID token nor a visa is an access token.
    let id_token = answer["id_token"].as_str().unwrap();
    service.get(&own, id_token).refuses(401, "auth.token_invalid");
    service.get(&own, bought["access_token"].as_str().unwrap()).refuses(401, "auth.token_invalid");
    let jwks = JwkSet::parse(&service.send("GET", "/.well-known/jwks.json", &[], b"").0.body).unwrap();
    let expected = TokenExpectation {
        issuer: Some(&service.issuer),
        audience: Some(deal.agent.name()),
        typ: Some("JWT"),
    };
    assert!(verify_token(id_token.as_bytes(), &jwks, &expected, now()).is_ok());
}

#[test]
fn garbage_causes_no_fetch() {
    use std::sync::atomic::Ordering;
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let identity = &deal.agent.identity;
    let endpoint = format!("{}/oauth/token", service.issuer);
    let elsewhere = identity.assert_client("https://other.example/oauth/token", &nonce(), now()).unwrap();
    refuses(&send(&service, &[], &form(&elsewhere, "")), 401, "invalid_client", "sig.malformed");
    let old = identity.assert_client(&endpoint, &nonce(), now().saturating_add_secs(-70)).unwrap();
    refuses(&send(&service, &[], &form(&old, "")), 401, "invalid_client", "time.expired");
    // With a key that did not sign it.
    let key = deal.publisher.identity.public_key().to_spki_base64();
    let good = assertion(&service, &deal);
    let brought = send(&service, &[("x-imagxp-public-key", &key)], &form(&good, ""));
    refuses(&brought, 401, "invalid_client", "sig.invalid");
    assert_eq!(deal.agent.fetched.load(Ordering::Relaxed), 0);
    let key = identity.public_key().to_spki_base64();
    send(&service, &[("x-imagxp-public-key", &key)], &form(&good, "")).is(200);
    assert_eq!(deal.agent.fetched.load(Ordering::Relaxed), 1);
}

#[test]
fn an_agent_that_asks_too_often_waits() {
    let service = Service::start(&["--set", "limits.tenant_per_s=1"]);
    let deal = Deal::new(&service);
    let other = Deal::without_money();
    let replies: Vec<_> =
        (0..8).map(|_| send(&service, &[], &form(&assertion(&service, &deal), ""))).collect();
    let late = replies.iter().find(|reply| reply.0.status == 429).expect("nothing holds the agent back");
    refuses(late, 429, "rate.tenant", "rate.tenant");
    assert!(late.header("retry-after").is_some(), "{late:?}");
    send(&service, &[], &form(&assertion(&service, &other), "")).is(200);
    // What is not the agent's counts for nobody: a stranger cannot spend what is somebody else's.
    let quiet = Deal { agent: other.publisher, publisher: other.agent };
    let good = assertion(&service, &quiet);
    let (said, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{said}.{}", signature.chars().rev().collect::<String>());
    for _ in 0..8 {
        assert_eq!(send(&service, &[], &form(&forged, "")).0.status, 401);
    }
    send(&service, &[], &form(&good, "")).is(200);
}

#[test]
fn assertions_that_do_not_hold() {
    let service = Service::start(&[]);
    let deal = Deal::new(&service);
    let once = assertion(&service, &deal);
    send(&service, &[], &form(&once, "")).is(200);
    refuses(&send(&service, &[], &form(&once, "")), 401, "invalid_client", "assertion.used");
    let elsewhere =
        deal.agent.identity.assert_client("https://other.example/oauth/token", &nonce(), now()).unwrap();
    refuses(&send(&service, &[], &form(&elsewhere, "")), 401, "invalid_client", "sig.malformed");
    let endpoint = format!("{}/oauth/token", service.issuer);
    let old = deal.agent.identity.assert_client(&endpoint, &nonce(), now().saturating_add_secs(-70)).unwrap();
    refuses(&send(&service, &[], &form(&old, "")), 401, "invalid_client", "time.expired");
    // Another's name with one's own key.
    let key =
        imagxp::crypto::PrivateKey::generate(imagxp::crypto::Algorithm::Es256, &mut |bytes: &mut [u8]| {
            bytes.fill(9);
            Ok(())
        });
    let thief = imagxp::agent::Identity::parse(deal.agent.name(), key.unwrap(), true).unwrap();
    let stolen = thief.assert_client(&endpoint, &nonce(), now()).unwrap();
    refuses(&send(&service, &[], &form(&stolen, "")), 401, "invalid_client", "identity.key_mismatch");
    let good = || assertion(&service, &deal);
    refuses(
        &send(&service, &[], &form(&good(), "&client_id=other.example")),
        401,
        "invalid_client",
        "identity.key_mismatch",
    );
    refuses(&send(&service, &[], &form(&good(), "&scope=everything")), 400, "invalid_scope", "invalid_scope");
    refuses(&send(&service, &[], &form(&good(), "&more=1")), 400, "invalid_request", "invalid_request");
    refuses(
        &send(&service, &[], &form(&good(), "&amount=1&amount=2")),
        400,
        "invalid_request",
        "invalid_request",
    );
    refuses(
        &send(&service, &[], &form(&good(), "").replace("client_credentials", "password")),
        400,
        "unsupported_grant_type",
        "unsupported_grant_type",
    );
    refuses(&send(&service, &[], &form("x", "")), 401, "invalid_client", "sig.malformed");
    let json = service.send("POST", "/oauth/token", &[("content-type", "application/json")], b"{}");
    refuses(&json, 415, "body.not_form", "body.not_form");
    refuses(&send(&service, &[], &"x".repeat(70_000)), 413, "invalid_request", "body.too_large");
    service.get("/v1/visas/%ff", &service.token).refuses(400, "path.malformed");
}
