//! Client assertions (RFC 7523).

use crate::common::world::*;
use crate::*;

pub(crate) fn cases() -> Vec<Value> {
    const ENDPOINT: &str = "https://broker.example/oauth/token";
    let jti = "00000000-0000-4000-8000-000000000001";
    let signed = identity(1).assert_client(ENDPOINT, jti, now()).unwrap();
    let verify = |id: &str, assertion: &str, seeds: &[u8], endpoint: &str, time: &str, code: Option<&str>| {
        json!({ "id": format!("assertion-{id}"), "op": "assertion", "assertion": assertion, "agent_id": AGENT,
                "manifest": from_core(&manifest(seeds)), "token_endpoint": endpoint, "now": time,
                "expect": { "code": code, "jti": if code.is_none() { json!(jti) } else { Value::Null } } })
    };
    let other = identity(1).assert_client(ENDPOINT, "00000000-0000-4000-8000-000000000002", now()).unwrap();
    let forged = format!("{}.{}", signed.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    vec![
        json!({ "id": "assertion-sign", "why": "deterministic: the same bytes in every language", "op": "assertion",
                "key": private_jwk(1, Algorithm::Es256), "agent_id": AGENT, "token_endpoint": ENDPOINT, "jti": jti, "now": TIME,
                "expect": { "assertion": signed } }),
        verify("good", &signed, &[1], ENDPOINT, TIME, None),
        verify("last-second", &signed, &[1], ENDPOINT, "2026-03-01T12:01:05.000Z", None),
        verify("expired", &signed, &[1], ENDPOINT, "2026-03-01T12:01:05.001Z", Some("time.expired")),
        verify("future", &signed, &[1], ENDPOINT, "2026-03-01T11:59:54.999Z", Some("time.future")),
        verify("endpoint", &signed, &[1], "https://broker.example/other", TIME, Some("sig.malformed")),
        verify("key", &signed, &[2], ENDPOINT, TIME, Some("identity.key_mismatch")),
        verify("not-a-token", "a.b.c", &[1], ENDPOINT, TIME, Some("sig.malformed")),
        verify("forged", &forged, &[1], ENDPOINT, TIME, Some("sig.invalid")),
    ]
}
