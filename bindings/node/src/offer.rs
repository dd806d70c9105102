//! The offer of a 402 answer.

use crate::agent_id::{DevelopmentOptions, loopback};
use crate::boundary;
use crate::js::Text;
use napi::Result;
use napi_derive::napi;

/// A broker that a publisher takes visas of.
#[napi(object, object_from_js = false)]
pub struct OfferedBroker {
    /// Its URL.
    pub issuer: String,
    /// Where it sells them.
    pub token_endpoint: String,
}

/// What a publisher asks.
#[napi(object, object_from_js = false)]
pub struct Offer {
    /// How much: a decimal string.
    pub price: String,
    /// In which currency.
    pub currency: String,
    /// For what.
    #[napi(ts_type = "Array<Purpose>")]
    pub purposes: Vec<&'static str>,
    /// Through whom.
    pub brokers: Vec<OfferedBroker>,
}

/// Reads the body of a 402 answer; an error with the code `offer.malformed` when it is none.
#[napi]
pub fn read_offer(body: Text, options: Option<DevelopmentOptions>) -> Result<Offer> {
    let allow_loopback = loopback(options.as_ref());
    let offer = boundary::call(|| imagxp::agent::offer::Offer::parse(&body.0, allow_loopback))?;
    let brokers = offer.brokers.into_iter();
    Ok(Offer {
        price: offer.price.amount.to_string(),
        currency: offer.price.currency,
        purposes: offer.purposes.iter().map(|purpose| purpose.as_str()).collect(),
        brokers: brokers
            .map(|broker| OfferedBroker { issuer: broker.issuer, token_endpoint: broker.token_endpoint })
            .collect(),
    })
}
