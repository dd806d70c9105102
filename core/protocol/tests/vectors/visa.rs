//! Visas: verification and issuing (PROTOCOL §8).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    use imagxp::Code::*;
    let paid = |number: u32, token: &str| {
        signed(number, |request| {
            request.url = "https://pub.example/premium/1";
            request.payment = Some(Box::leak(token.to_owned().into_boxed_str()));
        })
    };
    let jti = |number: u32| format!("vector-jti-{number:04}");
    let later = |seconds: i64| now().saturating_add_secs(seconds);
    let allow = json!({ "outcome": "allow", "payment": { "state": "visa", "issuer": "https://broker.example", "amount": "0.01", "currency": "USD" } });
    let cases: Vec<(&str, &str, String, Value)> = vec![
        ("good", "amount equals the price", visa(&jti(1), |_| ()), allow.clone()),
        ("bare-host", "aud as a bare host", visa(&jti(2), |v| v.audience = "pub.example"), allow.clone()),
        (
            "uppercase-host",
            "nothing else matches",
            visa(&jti(3), |v| v.audience = "https://PUB.example"),
            deny(PaymentWrongAudience),
        ),
        (
            "purpose",
            "limited to the claim's purpose",
            visa(&jti(4), |v| v.purposes = &[Purpose::RagRetrieval]),
            allow,
        ),
        (
            "expired",
            "6 s after its end",
            visa(&jti(5), |v| (v.issued_at, v.lifetime_s) = (later(-606), 600)),
            deny(PaymentExpired),
        ),
        (
            "other-issuer",
            "an issuer that the policy does not name",
            visa(&jti(6), |v| v.issuer = "https://other.example"),
            deny(PaymentInvalidToken),
        ),
        (
            "other-key",
            "bound to another key of the same agent",
            visa(&jti(7), |v| {
                v.key = Some(Box::leak(Box::new(*key(2, Algorithm::Es256).public_key().thumbprint())))
            }),
            deny(PaymentWrongHolder),
        ),
    ];
    let policy = || policy_with(json!({}));
    let mut all: Vec<Value> = cases
        .into_iter()
        .zip(100..)
        .map(|((id, why, token, expect), number)| {
            verify_case(&format!("visa-{id}"), why, policy(), &paid(number, &token), expect)
        })
        .collect();
    // The rest of the signed claims cannot be reached through the issuing primitive: it refuses to make them.
    let twice = visa(&jti(20), |_| ());
    let steps = [200, 201].map(|number| json!({ "now": TIME, "request": request(&paid(number, &twice)) }));
    all.push(json!({
        "id": "visa-used-twice", "why": "one use unless the visa grants more", "op": "sequence", "policy": policy(),
        "manifests": { MANIFEST_URL: from_core(&manifest(&[1])) }, "jwks": { JWKS_URL: from_core(&jwks()) },
        "steps": steps, "expect": [{ "outcome": "allow" }, deny(PaymentAlreadyUsed)],
    }));
    all.push(json!({
        "id": "visa-issue", "why": "issuing is deterministic", "op": "visa", "key": private_jwk(9, Algorithm::Es256), "issuer": "https://broker.example",
        "audience": "https://pub.example", "agent_id": AGENT, "jkt": key(1, Algorithm::Es256).public_key().thumbprint().as_str(), "jti": jti(30),
        "now": TIME, "lifetime_s": 600, "amount": "0.01", "currency": "USD", "expect": { "token": visa(&jti(30), |_| ()) },
    }));
    all
}
