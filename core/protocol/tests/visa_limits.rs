//! How much a visa may say: each limit at its edge, and one beyond.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::{Algorithm, Signer, jws};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::visa::{MAX_USES, NewVisa, issue};
use imagxp::{AgentId, Code, Publisher, Purpose};

fn issued(change: impl FnOnce(&mut NewVisa<'_>)) -> bool {
    let agent = AgentId::parse(AGENT, false).unwrap();
    let amount = imagxp::amount::Amount::parse("0.01").unwrap();
    let paid = imagxp::policy::Money { amount, currency: "USD".into() };
    let mut visa = NewVisa {
        issuer: "https://broker.example",
        audience: "https://pub.example",
        agent_id: &agent,
        key: None,
        jti: "jti-0001",
        issued_at: now(),
        lifetime_s: 600,
        paid: &paid,
        purposes: &[],
        max_uses: 1,
    };
    change(&mut visa);
    issue(&visa, &key(9, Algorithm::Es256)).is_ok()
}

#[test]
fn a_broker_issues_within_the_limits() {
    for (lifetime_s, good) in [(0, false), (1, true), (3600, true), (3601, false), (u32::MAX, false)] {
        assert_eq!(issued(|visa| visa.lifetime_s = lifetime_s), good, "{lifetime_s} s");
    }
    for (max_uses, good) in [(0, false), (1, true), (MAX_USES, true), (MAX_USES + 1, false)] {
        assert_eq!(issued(|visa| visa.max_uses = max_uses), good, "{max_uses} uses");
    }
    static NAME: [u8; 129] = [b'j'; 129];
    for (length, good) in [(7, false), (8, true), (128, true), (129, false)] {
        assert_eq!(
            issued(|visa| visa.jti = core::str::from_utf8(&NAME[..length]).unwrap()),
            good,
            "a jti of {length}"
        );
    }
}

/// What a publisher says of a visa whose claims are changed.
fn shown(publisher: &Publisher, number: usize, change: impl FnOnce(&mut Object<'static>)) -> Option<Code> {
    let mut claims = Object::new();
    claims.insert("iss", "https://broker.example");
    claims.insert("aud", "https://pub.example");
    claims.insert("sub", AGENT);
    claims.insert("jti", format!("jti-{number:08}"));
    claims.insert("iat", 1_772_366_400);
    claims.insert("exp", 1_772_367_000);
    claims.insert("amount", "0.01");
    claims.insert("currency", "USD");
    change(&mut claims);
    let broker = key(9, Algorithm::Es256);
    let mut header = Object::new();
    header.insert("typ", "imagxp-visa+jwt");
    header.insert("kid", broker.public_key().thumbprint().as_str().to_owned());
    let token = jws::sign(&header, &object_to_canonical(&claims), &broker as &dyn Signer).unwrap();
    let ask = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &ask, now(), &format!("nonce-{number:010}")).verify(publisher).code
}

#[test]
fn a_publisher_reads_within_the_limits() {
    let publisher = publisher(POLICY);
    let list = |length: usize, text: &'static str| vec![Value::from(text); length];
    for (number, (name, text)) in
        [("aud", "https://pub.example"), ("path", "/premium/*")].into_iter().enumerate()
    {
        let at = shown(&publisher, number, |claims| drop(claims.insert(name, list(32, text))));
        assert_eq!(at, None, "{name}");
        let beyond = shown(&publisher, 10 + number, |claims| drop(claims.insert(name, list(33, text))));
        assert_eq!(beyond, Some(Code::PaymentInvalidToken), "{name}");
    }
}

#[test]
fn times_count_to_the_second() {
    const NOW: u32 = 1_772_366_400;
    assert_eq!(now().as_millis(), i64::from(NOW) * 1000);
    let publisher = publisher(POLICY);
    let (invalid, expired) = (Some(Code::PaymentInvalidToken), Some(Code::PaymentExpired));
    // iat, nbf, exp.
    let times = [
        // Five seconds for clocks that differ: until the end, and not before the beginning.
        (NOW - 600, NOW - 600, NOW - 5, None),
        (NOW - 600, NOW - 600, NOW - 6, expired),
        (NOW + 5, NOW, NOW + 600, None),
        (NOW + 6, NOW, NOW + 600, invalid),
        (NOW, NOW + 5, NOW + 600, None),
        (NOW, NOW + 6, NOW + 600, invalid),
        // An hour at most, and no less than nothing.
        (NOW, NOW, NOW + 3600, None),
        (NOW, NOW, NOW + 3601, invalid),
        (NOW + 5, NOW, NOW + 3605, None),
        (NOW, NOW, NOW, None),
        (NOW, NOW, NOW - 1, invalid),
    ];
    for (number, (iat, nbf, exp, code)) in times.into_iter().enumerate() {
        let said = shown(&publisher, 100 + number, |claims| {
            claims.insert("iat", iat);
            claims.insert("nbf", nbf);
            claims.insert("exp", exp);
        });
        assert_eq!(said, code, "iat {iat}, nbf {nbf}, exp {exp}");
    }
}
