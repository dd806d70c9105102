//! How much a visa may say: each limit at its edge, and one beyond.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod common;

use common::world::*;
use imagxp::agent::SignRequest;
use imagxp::crypto::{Algorithm, PrivateKey, jws};
use imagxp::json::{Number, Object, Value, object_to_canonical};
use imagxp::jwks::JwkSet;
use imagxp::token::{TokenExpectation, verify_token};
use imagxp::visa::{MAX_USES, NewVisa, issue};
use imagxp::{AgentId, Code, Publisher, Purpose, Verdict};

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
    verdict(publisher, number, change, |_| ()).code
}

/// The same with a changed header, and the whole verdict.
fn verdict(
    publisher: &Publisher,
    number: usize,
    change: impl FnOnce(&mut Object<'static>),
    change_header: impl FnOnce(&mut Object<'static>),
) -> Verdict {
    let token = token(&format!("jti-{number:08}"), change, change_header);
    let ask = SignRequest {
        payment: Some(&token),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    Signed::new(&identity(1), &ask, now(), &format!("nonce-{number:010}")).verify(publisher)
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

#[test]
fn a_visa_has_a_name_of_some_length_and_one_holder() {
    let publisher = publisher(POLICY);
    for (number, (length, code)) in
        [(7, Some(Code::PaymentInvalidToken)), (8, None), (128, None), (129, Some(Code::PaymentInvalidToken))]
            .into_iter()
            .enumerate()
    {
        let said = shown(&publisher, number, |claims| drop(claims.insert("jti", "j".repeat(length))));
        assert_eq!(said, code, "a jti of {length}");
    }
    let other = shown(&publisher, 10, |claims| drop(claims.insert("sub", "other.example")));
    assert_eq!(other, Some(Code::PaymentWrongHolder));
}

/// A claim of another type is never taken for one that is absent.
#[test]
fn each_claim_has_its_type() {
    let publisher = publisher(POLICY);
    let map = || Value::Object(Object::new());
    let wrong: &[(&str, Value<'static>, &str)] = &[
        ("cnf", Value::from("k"), "cnf is not an object"),
        ("aud", map(), "aud is neither a string nor a list of strings"),
        ("aud", Value::from(vec![map()]), "aud lists what is not a string"),
        ("exp", Value::from("soon"), "exp is not a number"),
        ("iat", map(), "iat is not a number"),
        ("nbf", Value::from(true), "nbf is not a number"),
        ("jti", Value::from(7), "jti is not a string"),
        ("sub", Value::Null, "sub is not a string"),
        ("amount", map(), "amount is neither a string nor a number"),
        ("amount", Value::from("1e3"), "amount is not a decimal amount"),
        ("currency", Value::from(1), "currency is not a string"),
        ("payment_status", Value::from(1), "payment_status is not a string"),
        ("purposes", Value::from("SUMMARY"), "purposes is not a list"),
        ("purposes", Value::from(vec![map()]), "purposes lists what is not a string"),
        ("path", map(), "path is not a pattern or a list of patterns"),
        ("path", Value::from(vec![map()]), "path is not a pattern or a list of patterns"),
        ("max_uses", Value::from("1"), "max_uses is not a whole number from 1 to 1000000"),
    ];
    for (number, (name, value, detail)) in wrong.iter().enumerate() {
        let said = verdict(&publisher, number, |claims| drop(claims.insert(*name, value.clone())), |_| ());
        let expected = (Some(Code::PaymentInvalidToken), Some(*detail));
        assert_eq!((said.code, said.detail.as_deref()), expected, "{name}");
    }
    for (number, (name, detail)) in
        [("iss", "iss is missing or not a string"), ("aud", "aud is missing"), ("sub", "sub is missing")]
            .into_iter()
            .enumerate()
    {
        let said = verdict(&publisher, 100 + number, |claims| drop(claims.remove(name)), |_| ());
        assert_eq!((said.code, said.detail.as_deref()), (Some(Code::PaymentInvalidToken), Some(detail)));
    }
    let mut cnf = Object::new();
    cnf.insert("jkt", 1);
    let said = verdict(&publisher, 200, |claims| drop(claims.insert("cnf", cnf)), |_| ());
    assert_eq!(said.detail.as_deref(), Some("cnf.jkt is not a string"));
    // A name that is there twice could be read in two ways.
    let mut header = Object::new();
    header.insert("typ", "imagxp-visa+jwt");
    let twice = jws::sign(
        &header,
        br#"{"iss":"https://broker.example","iss":"https://broker.example"}"#,
        &key(9, Algorithm::Es256),
    );
    let twice = twice.unwrap();
    let ask = SignRequest {
        payment: Some(&twice),
        ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
    };
    let said = Signed::new(&identity(1), &ask, now(), "nonce-0000000300").verify(&publisher);
    assert_eq!(said.detail.as_deref(), Some("the payload is not a strict JSON object"));
    // Fractions of a second are cut off; what has neither price nor currency pays nothing.
    let fraction = Number::from_f64(1_772_366_999.5).map(Value::from);
    assert_eq!(shown(&publisher, 201, |claims| drop(claims.insert("exp", fraction.unwrap()))), None);
    let said = verdict(&publisher, 202, |claims| drop(claims.remove("currency")), |_| ());
    assert_eq!(said.detail.as_deref(), Some("amount or currency is missing"));
}

#[test]
fn a_visa_that_is_too_small_says_in_which_way() {
    let publisher = publisher(POLICY);
    for (number, (amount, currency, detail)) in [
        ("0.009", "USD", "amount is below the price"),
        ("0.009", "EUR", "currency is not the price's"),
        ("9", "EUR", "currency is not the price's"),
    ]
    .into_iter()
    .enumerate()
    {
        let change = |claims: &mut Object<'static>| {
            claims.insert("amount", amount);
            claims.insert("currency", currency);
        };
        let said = verdict(&publisher, number, change, |_| ());
        assert_eq!(
            (said.code, said.detail.as_deref()),
            (Some(Code::PaymentInsufficient), Some(detail)),
            "{amount}"
        );
    }
    let purpose = |name: &'static str| {
        move |claims: &mut Object<'static>| drop(claims.insert("purposes", vec![Value::from(name)]))
    };
    assert_eq!(shown(&publisher, 10, purpose("RAG_RETRIEVAL")), None);
    assert_eq!(shown(&publisher, 11, purpose("SUMMARY")), Some(Code::PaymentInvalidToken));
}

/// A key set of these keys, each under its thumbprint.
fn set_of(keys: &[PrivateKey]) -> Vec<u8> {
    let jwk = |key: &PrivateKey| {
        let mut jwk = key.public_key().to_jwk();
        jwk.insert("kid", key.public_key().thumbprint().as_str().to_owned());
        Value::Object(jwk)
    };
    let mut set = Object::new();
    set.insert("keys", keys.iter().map(jwk).collect::<Vec<_>>());
    object_to_canonical(&set)
}

/// A set of a P-256 key without a use here, an Ed25519 key, and the broker's: a token that names none is tried with the P-256 ones.
#[test]
fn a_token_without_kid_is_tried_with_the_keys_of_its_algorithm() {
    let publisher = publisher(POLICY);
    let keys = [key(30, Algorithm::Es256), key(31, Algorithm::EdDsa), key(9, Algorithm::Es256)];
    publisher.supply(JWKS_URL, &set_of(&keys), None, now()).unwrap();
    let nameless = verdict(&publisher, 1, |_| (), |header| drop(header.remove("kid")));
    assert_eq!(nameless.code, None);
    let ed25519 = keys[1].public_key().thumbprint().as_str().to_owned();
    let wrong = verdict(&publisher, 2, |_| (), |header| drop(header.insert("kid", ed25519)));
    assert_eq!(wrong.code, Some(Code::PaymentInvalidToken));
    assert_eq!(wrong.detail.as_deref(), Some("the key is not an ES256 key"));
}

/// Three of them, and no more: a visa, and a token for tools (PROTOCOL §8).
#[test]
fn a_token_without_kid_is_tried_with_three_keys() {
    for (others, code) in [(2, None), (3, Some(Code::PaymentInvalidToken))] {
        let publisher = publisher(POLICY);
        let mut keys: Vec<_> = (0..others).map(|seed| key(30 + seed, Algorithm::Es256)).collect();
        keys.push(key(9, Algorithm::Es256));
        let set = set_of(&keys);
        publisher.supply(JWKS_URL, &set, None, now()).unwrap();
        let nameless = |header: &mut Object<'static>| drop(header.remove("kid"));
        assert_eq!(verdict(&publisher, 1, |_| (), nameless).code, code, "{others} before it");
        let token = token("jti-00000002", |_| (), nameless);
        let set = JwkSet::parse(&set).unwrap();
        let said = verify_token(token.as_bytes(), &set, &TokenExpectation::default(), now());
        assert_eq!(said.err(), code, "{others} before it");
        // Whoever names the key has it found, wherever it stands.
        assert_eq!(verdict(&publisher, 3, |_| (), |_| ()).code, None, "{others} before it");
    }
}

#[test]
fn a_forged_visa_is_none() {
    let publisher = publisher(POLICY);
    let good = visa("jti-0001", |_| ());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, other) =
        visa("jti-0002", |_| ()).rsplit_once('.').map(|(one, two)| (one.to_owned(), two.to_owned())).unwrap();
    assert_ne!(signature, other);
    for (number, (token, code)) in
        [(format!("{signed}.{other}"), Some(Code::PaymentInvalidToken)), (good.clone(), None)]
            .into_iter()
            .enumerate()
    {
        let ask = SignRequest {
            payment: Some(&token),
            ..SignRequest::new("GET", "https://pub.example/premium/1", Purpose::RagRetrieval)
        };
        let said = Signed::new(&identity(1), &ask, now(), &format!("nonce-{number:010}")).verify(&publisher);
        assert_eq!(said.code, code, "{token}");
    }
}

#[test]
fn a_token_of_another_kind_is_no_visa() {
    let publisher = publisher(POLICY);
    for (number, (typ, good)) in [
        ("JWT", true),
        ("application/IMAGXP-visa+jwt", true),
        ("at+jwt", false),
        ("imagxp-ad-proof+jwt", false),
    ]
    .into_iter()
    .enumerate()
    {
        let said = verdict(&publisher, number, |_| (), |header| drop(header.insert("typ", typ)));
        let detail = (!good).then_some("typ names another kind of token");
        let code = (!good).then_some(Code::PaymentInvalidToken);
        assert_eq!((said.code, said.detail.as_deref()), (code, detail), "{typ}");
    }
}

#[test]
fn a_visa_for_other_paths_does_not_pay() {
    let publisher = publisher(POLICY);
    for (number, (paths, good)) in [
        (vec!["/premium/*"], true),
        (vec!["/a", "/premium/1"], true),
        (vec!["/premium/2"], false),
        (vec![], false),
    ]
    .into_iter()
    .enumerate()
    {
        let list: Vec<_> = paths.iter().map(|path| Value::from(*path)).collect();
        let said = shown(&publisher, number, |claims| drop(claims.insert("path", list)));
        assert_eq!(said, (!good).then_some(Code::PaymentInvalidToken), "{paths:?}");
    }
}

#[test]
fn a_visa_for_a_path_that_a_url_has_to_escape_pays_there() {
    let publisher = publisher(POLICY);
    for (number, (path, url, good)) in [
        ("/premium/café/*", "https://pub.example/premium/caf%C3%A9/x", true),
        ("/premium/my files/*", "https://pub.example/premium/my%20files/x", true),
        ("/premium/my files/*", "https://pub.example/premium/my%20files%2Fx", false),
    ]
    .into_iter()
    .enumerate()
    {
        let limit = |claims: &mut Object<'static>| drop(claims.insert("path", path));
        let token = token(&format!("jti-{number:08}"), limit, |_| ());
        let ask =
            SignRequest { payment: Some(&token), ..SignRequest::new("GET", url, Purpose::RagRetrieval) };
        let said = Signed::new(&identity(1), &ask, now(), &format!("nonce-{number:010}")).verify(&publisher);
        assert_eq!(said.code, (!good).then_some(Code::PaymentInvalidToken), "{path} {url}");
    }
}

/// Where visas are asked for and nothing has a price, any visa of the broker pays, and the offer names none.
#[test]
fn a_visa_of_any_amount_pays_what_has_no_price() {
    let publisher = publisher(&POLICY.replacen(r#""payment":{"#, r#""payment":{"required":true,"#, 1));
    let unpaid = Signed::read("nonce-0000000001").verify(&publisher);
    assert_eq!(unpaid.code, Some(Code::PaymentRequired));
    let offer = unpaid.offer.unwrap();
    assert!(offer.get("price").is_none());
    assert!(offer.get("brokers").is_some());
    let token = visa("jti-0001", |_| ());
    let ask = SignRequest { payment: Some(&token), ..SignRequest::new("GET", URL, Purpose::RagRetrieval) };
    let paid = Signed::new(&identity(1), &ask, now(), "nonce-0000000002").verify(&publisher);
    assert_eq!(paid.code, None);
    // What passed has no hint to give.
    let body = String::from_utf8(paid.body()).unwrap();
    assert!(body.contains(r#""code":"ok""#), "{body}");
    assert!(!body.contains("hint"), "{body}");
}
