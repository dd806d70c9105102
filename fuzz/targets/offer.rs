//! Offers and brokers' answers: what is read is within bounds, and nothing that was not asked for becomes a visa.
#![no_main]

use imagxp::agent::offer::{MAX_BROKERS, Offer, TrustedBroker};
use imagxp::agent::spend::Purchase;
use imagxp::agent::token_request::TokenAnswer;
use imagxp::crypto::{Algorithm, PrivateKey};
use imagxp::policy::Money;
use imagxp::resource::Resource;
use imagxp::{AgentId, Purpose, Timestamp};
use imagxp_fuzz::key;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SIGNER: LazyLock<PrivateKey> = LazyLock::new(|| key(Algorithm::Es256, 3));

fuzz_target!(|data: &[u8]| {
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
            Money { amount: imagxp::amount::Amount::parse("1").expect("an amount"), currency: "USD".into() }
        }
    };
    let purchase = Purchase {
        id: "purchase-00000001".into(),
        agent_id: AgentId::parse("agent.example", false).expect("a domain"),
        issuer: "https://broker.example".into(),
        audience: "https://pub.example".into(),
        purpose: Purpose::Summary,
        price,
    };
    let now = Timestamp::from_secs(1_800_000_000);
    let thumbprint = SIGNER.public_key().thumbprint();
    if let TokenAnswer::Visa(visa) = TokenAnswer::read(200, data, &purchase, thumbprint, now) {
        assert_eq!(*visa.price(), purchase.price);
        assert!(visa.exp() > now);
    }
});
