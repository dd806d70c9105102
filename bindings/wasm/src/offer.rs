//! The offer of a 402 answer.

use crate::errors::{Thrown, raise};
use crate::json::{self, bytes};
use crate::options::Options;
use imagxp::agent::offer::{Offer, OfferedBroker, TrustedBroker};
use imagxp::json::{Object, Value};
use wasm_bindgen::prelude::*;

/// Reads the body of a 402 answer; `offer.malformed` when it is none.
///
/// With `trusted`, the issuers that the agent trusts with its money, `chosen` is the first of them that the offer names;
/// `spend.broker_denied` when there is none.
#[wasm_bindgen(js_name = readOffer, unchecked_return_type = "Offer")]
pub fn read_offer(
    #[wasm_bindgen(unchecked_param_type = "string | Uint8Array")] body: JsValue,
    #[wasm_bindgen(unchecked_optional_param_type = "OfferOptions")] options: JsValue,
) -> Result<JsValue, Thrown> {
    let options = Options::new(options, &["trusted", "allowLoopback"])?;
    let allow_loopback = options.flag("allowLoopback")?;
    let offer = Offer::parse(&bytes(&body)?, allow_loopback).map_err(raise)?;
    let chosen = match options.value("trusted")? {
        None => Value::Null,
        Some(_) => {
            let trusted = options.texts("trusted")?;
            let trusted = trusted.iter().map(|issuer| TrustedBroker::new(issuer, allow_loopback));
            let trusted = trusted.collect::<imagxp::Result<Vec<_>>>().map_err(raise)?;
            broker(&offer.choose(&trusted).map_err(raise)?)
        }
    };
    let mut object = Object::new();
    object.insert("price", offer.price.amount.to_string());
    object.insert("currency", offer.price.currency.as_str());
    object
        .insert("purposes", offer.purposes.iter().map(|purpose| purpose.as_str().into()).collect::<Vec<_>>());
    object.insert("brokers", offer.brokers.iter().map(broker).collect::<Vec<_>>());
    object.insert("chosen", chosen);
    json::object(&object)
}

fn broker(broker: &OfferedBroker) -> Value<'static> {
    let mut object = Object::new();
    object.insert("issuer", broker.issuer.clone());
    object.insert("tokenEndpoint", broker.token_endpoint.clone());
    Value::Object(object)
}
