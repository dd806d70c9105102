//! Offers and brokers' answers: what is read is within bounds, and nothing that was not asked for becomes a visa.
#![no_main]

use imagxp::agent::offer::{MAX_BROKERS, Offer, TrustedBroker};
use imagxp::agent::spend::Purchase;
use imagxp::agent::token_request::TokenAnswer;
use imagxp::amount::Amount;
use imagxp::policy::Money;
use imagxp::resource::Resource;
use imagxp::{AgentId, Purpose, Timestamp};
use imagxp_fuzz::answer::{Claims, THUMBPRINT, answer, is_asked_for};
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn purchase(price: Money) -> Purchase {
    Purchase {
        id: "purchase-00000001".into(),
        agent_id: AgentId::parse("agent.example", false).expect("a domain"),
        issuer: "https://broker.example".into(),
        audience: "https://pub.example".into(),
        purpose: Purpose::Summary,
        price,
    }
}

fn one_dollar() -> Money {
    Money { amount: Amount::parse("1").expect("an amount"), currency: "USD".into() }
}

/// Whether an answer is a visa; if it is, it is for the price of the purchase and not at its end.
fn is_visa(body: &[u8], purchase: &Purchase) -> bool {
    let TokenAnswer::Visa(visa) = TokenAnswer::read(200, body, purchase, &THUMBPRINT, NOW) else {
        return false;
    };
    assert_eq!(*visa.price(), purchase.price);
    assert!(visa.exp() > NOW);
    true
}

/// The good answer becomes a visa, and none with any of these claims; without them the target would find nothing.
fn tells_apart() {
    let purchase = purchase(one_dollar());
    let good = Claims::good(NOW);
    assert!(is_visa(&answer(&good), &purchase), "the good answer is no visa");
    for (name, text) in [
        ("iss", r#""https://broker.example.org""#),
        ("aud", r#"["https://other.example"]"#),
        ("sub", r#""other.example""#),
        ("amount", r#""1.01""#),
        ("currency", r#""EUR""#),
        ("exp", "1800000000"),
        ("exp", "1800009999"),
        ("purposes", r#"["QUOTATION"]"#),
        ("cnf", r#"{"jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
    ] {
        let mut claims = good.clone();
        assert!(claims.set(name, text.as_bytes()) && !is_asked_for(&claims, NOW));
        assert!(!is_visa(&answer(&claims), &purchase), "{name}: {text} was not asked for");
    }
}

fuzz_target!(init: tells_apart(), |data: &[u8]| {
    let price = match Offer::parse(data, false) {
        Ok(offer) => {
            assert!(!offer.price.amount.is_zero() && (1..=MAX_BROKERS).contains(&offer.brokers.len()));
            for broker in &offer.brokers {
                let trusted =
                    TrustedBroker::new(&broker.issuer, false).expect("an offered issuer is an https URL");
                let Ok(chosen) = offer.choose(&[trusted]) else { continue };
                let origin = |url: &str| Resource::parse(url).and_then(|url| url.origin);
                assert_eq!(origin(&chosen.token_endpoint), origin(&chosen.issuer));
            }
            offer.price
        }
        Err(error) => {
            assert_eq!(error.code(), "offer.malformed");
            one_dollar()
        }
    };
    is_visa(data, &purchase(price));
    // The good answer with other claims: one in each line.
    let mut claims = Claims::good(NOW);
    let changed = data.split(|byte| *byte == b'\n').filter(|line| claims.change(line)).count();
    let visa = is_visa(&answer(&claims), &purchase(one_dollar()));
    assert!(visa || changed > 0, "the good answer is no visa");
    assert!(!visa || is_asked_for(&claims, NOW), "a visa that was not asked for");
});
