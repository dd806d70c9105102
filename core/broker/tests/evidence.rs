//! What a publisher presents: a token of this broker, a request of its holder, for this publisher, in time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which fail by panicking"
)]

mod common;
mod presented;

use common::{id, owner};
use imagxp::agent::Identity;
use imagxp::crypto::HotKeys;
use imagxp::visa::VISA_TYP;
use imagxp::{Purpose, Timestamp};
use imagxp_broker::*;
use presented::*;

#[test]
fn a_token_says_which_visa_it_is_and_to_whom_it_belongs() {
    let jkt = *agent().public_key().thumbprint();
    assert_eq!(token(&bound(), |token| (token.jti, token.jkt)).unwrap(), (id(7), Some(jkt)));
    for unbound in ["", r#","cnf":{}"#, r#","cnf":"jkt""#, r#","cnf":{"jkt":"short"}"#] {
        assert_eq!(token(&visa(unbound), |token| token.jkt).unwrap(), None, "{unbound}");
    }
}

#[test]
fn what_is_no_token_of_this_broker() {
    let refused = |text: &str| {
        let refusal = token(text, |_| ()).unwrap_err();
        format!("{}: {}", refusal.code().as_str(), refusal.message())
    };
    let not_ours = "payment.invalid_token: the visa is not one that this broker has signed";
    assert!(token(&visa(&format!(r#","more":"{}""#, "a".repeat(5_000))), |_| ()).is_ok());
    assert_eq!(refused(&"a".repeat(8193)), "payment.malformed: the token is too large");
    assert_ne!(refused(&"a".repeat(8192)), "payment.malformed: the token is too large");
    assert!(refused("a.b").starts_with("payment.malformed: "));
    assert_eq!(refused(&signed("JWT", &claims(""))), not_ours);
    let mut forged = visa("");
    forged.replace_range(forged.len() - 6..forged.len() - 4, if forged.contains("AA") { "BB" } else { "AA" });
    assert_eq!(refused(&forged), not_ours);
    for none in ["[]", &claims(r#","sub":"thief.example""#)] {
        assert_eq!(refused(&signed(VISA_TYP, none)), "payment.invalid_token: the visa has no claims");
    }
    let other = claims("").replace(ISSUER, "https://other.example");
    assert_eq!(refused(&signed(VISA_TYP, &other)), "payment.invalid_token: the visa is another broker's");
    for name in [r#""jti":7"#, r#""jti":"no-uuid""#, r#""other":"x""#] {
        let claims = claims("").replace(&format!(r#""jti":"{}""#, id(7)), name);
        assert_eq!(
            refused(&signed(VISA_TYP, &claims)),
            "payment.invalid_token: the visa has no name",
            "{name}"
        );
    }
}

#[test]
fn a_bound_visa_needs_the_request_and_another_does_not() {
    let refused = present(&bound(), None, PUB).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (RefusalCode::VisaWrongKey, "the visa is bound to a key: present the agent's request with it")
    );
    let (redeem, evidence) = present(&visa(""), None, PUB).unwrap();
    assert_eq!((redeem, evidence.is_none()), (Redeem { jti: id(7), request_jkt: None }, true));
    for visa in [bound(), visa("")] {
        let (redeem, evidence) = present(&visa, Some(&Headers::usual()), PUB).unwrap();
        let key = agent().public_key().clone();
        assert_eq!(redeem, Redeem { jti: id(7), request_jkt: Some(*key.thumbprint()) });
        assert_eq!(evidence.unwrap().key(), &key);
    }
}

/// Only the key that a visa is bound to is one that will be seen again.
#[test]
fn the_key_of_a_visa_gets_a_table() {
    let credited = |visa: &str| {
        let hot = HotKeys::new(1 << 20);
        let headers = Headers::usual();
        for _ in 0..2 {
            let request = headers.presented();
            let presented = token(visa, |token| token.presented(Some(&request), &owner(PUB), false, &hot));
            presented.unwrap().unwrap();
        }
        hot.len()
    };
    assert_eq!((credited(&bound()), credited(&visa(""))), (1, 0));
}

#[test]
fn what_is_no_evidence() {
    let usual = Headers::usual();
    let at = Timestamp::from_secs(BOUGHT + 10);
    let of = |url: &str, purpose| Headers::of(&agent(), url, purpose, at);
    let stranger = Identity::parse("thief.example", private(2), false).unwrap();
    let another = Headers::of(&stranger, "https://pub.example/page", Purpose::Summary, at);
    let only = visa(r#","purposes":["RAG_RETRIEVAL","SUMMARY"]"#);
    let page = "https://pub.example/page";
    for (visa, headers, code, message) in [
        (bound(), usual.with(0, "?"), "visa.request", "the request's payload is not base64"),
        (bound(), usual.with(0, "e30="), "visa.request", "the request's payload is no claim"),
        (bound(), usual.with(2, "e30="), "visa.request", "the request's public key cannot be read"),
        (bound(), usual.with(1, "00"), "visa.request", "the request's signature is not 128 hex digits"),
        (bound(), usual.with(2, &another.0[2]), "visa.request", "the request is not signed by its key"),
        (bound(), usual.with(1, &another.0[1]), "visa.request", "the request is not signed by its key"),
        (bound(), another, "visa.not_yours", "the request is not the visa's holder's"),
        (
            bound(),
            of("https://other.example/page", Purpose::Summary),
            "visa.not_yours",
            "the request was meant for somebody else",
        ),
        (
            only.clone(),
            of(page, Purpose::Quotation),
            "visa.request",
            "the request is of a purpose for which the visa does not count",
        ),
        (
            visa(r#","purposes":[]"#),
            of(page, Purpose::Quotation),
            "visa.request",
            "the request is of a purpose for which the visa does not count",
        ),
        (
            signed(VISA_TYP, &claims("").replace(r#""iat""#, r#""was""#)),
            usual.clone(),
            "visa.request",
            "the visa says no time",
        ),
        (
            signed(VISA_TYP, &claims("").replace(r#""exp":"#, r#""exp":1."#)),
            usual.clone(),
            "visa.request",
            "the visa says no time",
        ),
    ] {
        assert_eq!(refusal(&visa, &headers), format!("{code}: {message}"));
    }
    for good in [Purpose::Summary, Purpose::RagRetrieval] {
        present(&only, Some(&of(page, good)), PUB).unwrap();
    }
    // Loopback names are for development.
    let here = Headers::of(&agent(), "http://127.0.0.1:9/page", Purpose::Summary, at);
    assert_eq!(refusal(&bound(), &here), "visa.not_yours: the request was meant for somebody else");
    let hot = HotKeys::new(0);
    let request = here.presented();
    let read = |loopback| {
        token(&bound(), |token| token.presented(Some(&request), &owner("127.0.0.1:9"), loopback, &hot))
    };
    assert!(read(true).unwrap().is_ok() && read(false).unwrap().is_err());
}

#[test]
fn a_request_without_the_pages_address_is_no_evidence() {
    let claim = |resource: &str| {
        let ts = Timestamp::from_secs(BOUGHT);
        Headers::raw(&format!(
            r#"{{"v":"1.1","agent_id":"{AGENT}","purpose":"SUMMARY","ts":"{ts}","nonce":"{NONCE}"{resource}}}"#
        ))
    };
    for resource in ["", r#","resource":"/page""#] {
        assert_eq!(
            refusal(&bound(), &claim(resource)),
            "visa.request: the request does not name the page's whole address",
            "{resource}"
        );
    }
    // Signed as it was sent, which is not the canonical form (PROTOCOL §3).
    present(&bound(), Some(&claim(r#","resource":"https://pub.example/page""#)), PUB).unwrap();
}

/// A publisher may take longer addresses than by default, and is paid for them.
#[test]
fn a_request_is_as_long_as_any_publisher_may_let_it_be() {
    let claim = |length: usize| {
        let (ts, path) = (Timestamp::from_secs(BOUGHT), "a".repeat(length - "https://pub.example/".len()));
        Headers::raw(&format!(
            r#"{{"v":"1.1","agent_id":"{AGENT}","purpose":"SUMMARY","ts":"{ts}","nonce":"{NONCE}","resource":"https://pub.example/{path}"}}"#
        ))
    };
    present(&bound(), Some(&claim(7_900)), PUB).unwrap();
    assert_eq!(refusal(&bound(), &claim(8_200)), "visa.request: the request's payload is no claim");
}

/// A publisher lets in what was signed 300 s before it had it, and what a clock that is ahead has signed with a visa that has just ended.
#[test]
fn a_request_is_in_time_to_the_second() {
    let ends = BOUGHT + LIFE;
    for good in [BOUGHT - 360, BOUGHT, ends, ends + 305] {
        present(&bound(), Some(&Headers::at(good)), PUB).unwrap();
    }
    let early = "visa.request: the request was signed before the visa was bought";
    assert_eq!(refusal(&bound(), &Headers::at(BOUGHT - 361)), early);
    let late = "visa.request: the request was signed after the visa had ended";
    assert_eq!(refusal(&bound(), &Headers::at(ends + 306)), late);
}
