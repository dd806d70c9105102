//! The offer of a 402 answer (PROTOCOL §8): what a read costs, and who may be paid for it.
//!
//! An offer is a stranger's word. It is read strictly and within bounds, and it decides nothing: whether a broker is trusted and a price
//! is paid, the agent's own [`TrustedBroker`] list and caps ([`super::spend`]) say.

use crate::amount::{Amount, is_currency};
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Object, Value};
use crate::policy::Money;
use crate::purpose::Purpose;
use crate::resource::{Origin, Resource};
use std::borrow::Cow;

/// The largest 402 body that is read, in bytes.
pub const MAX_OFFER_BYTES: usize = 16 * 1024;

/// The most brokers that an offer may name.
pub const MAX_BROKERS: usize = 32;

const LIMITS: json::Limits = json::Limits {
    max_bytes: MAX_OFFER_BYTES,
    max_depth: 6,
    max_values: 512,
    max_string: 1024,
    ..json::Limits::CLAIM
};

/// What a publisher asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The price; never zero.
    pub price: Money,
    /// The purposes that it buys, as far as they are known here; empty when the offer names none, and buys any.
    pub purposes: Vec<Purpose>,
    /// Who may be paid, in the publisher's order; at least one.
    pub brokers: Vec<OfferedBroker>,
}

/// A broker as an offer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedBroker {
    /// The exact `iss` of its visas.
    pub issuer: String,
    /// Where visas are asked for, as the publisher says.
    pub token_endpoint: String,
}

/// A broker that the agent itself trusts with its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedBroker {
    issuer: String,
    token_endpoint: Option<String>,
}

impl Offer {
    /// Reads the body of a 402 answer: `{"error": …, "offer": {price, currency, purposes, brokers: [{issuer, token_endpoint}]}}`.
    ///
    /// Unknown members are ignored. `allow_loopback` admits http for loopback hosts, for development. Error: `offer.malformed`, also for an
    /// offer that is only for purposes of a later version.
    pub fn parse(body: &[u8], allow_loopback: bool) -> Result<Self> {
        let body = json::parse_object(body, &LIMITS)
            .map_err(|error| malformed(format!("the 402 answer is not acceptable JSON: {}", error.code())))?;
        let offer = match body.get("offer") {
            None => return Err(malformed("the 402 answer makes no offer")),
            Some(Value::Object(offer)) => offer,
            Some(_) => return Err(malformed("offer is not an object")),
        };
        let amount =
            Amount::parse(text(offer, "price")?).ok_or_else(|| malformed("price is not a decimal string"))?;
        if amount.is_zero() {
            return Err(malformed("price is zero: there is nothing to buy"));
        }
        let currency = text(offer, "currency")?;
        if !is_currency(currency) {
            return Err(malformed("currency is not 2 to 12 characters of A-Z 0-9"));
        }
        Ok(Self {
            price: Money { amount, currency: currency.to_owned() },
            purposes: purposes(offer)?,
            brokers: brokers(offer, allow_loopback)?,
        })
    }

    /// The first broker of the agent's own list that the offer names, and where to ask it for a visa.
    ///
    /// A hostile publisher may name a trusted issuer together with an endpoint of its own, to collect signed assertions: the endpoint
    /// counts only when it has the issuer's origin, or when the agent's list names it. Error: `spend.broker_denied`.
    pub fn choose(&self, trusted: &[TrustedBroker]) -> Result<OfferedBroker> {
        let mut elsewhere = false;
        for own in trusted {
            let Some(offered) = self.brokers.iter().find(|offered| offered.issuer == own.issuer) else {
                continue;
            };
            if let Some(endpoint) = &own.token_endpoint {
                return Ok(OfferedBroker { issuer: own.issuer.clone(), token_endpoint: endpoint.clone() });
            }
            if same_origin(&offered.issuer, &offered.token_endpoint) {
                return Ok(offered.clone());
            }
            elsewhere = true;
        }
        Err(Error::new(
            ErrorKind::SpendBroker,
            if elsewhere {
                "the offer sends a trusted broker's clients to another origin"
            } else {
                "the offer names no broker that the agent trusts"
            },
        ))
    }
}

impl TrustedBroker {
    /// A broker by its issuer URL; its token endpoint has the same origin.
    ///
    /// Error: `usage.argument` for what is not an https URL (http for loopback hosts when `allow_loopback`).
    pub fn new(issuer: &str, allow_loopback: bool) -> Result<Self> {
        web_url(issuer, allow_loopback)
            .ok_or_else(|| Error::argument(format!("broker `{issuer}` is not an https URL")))?;
        Ok(Self { issuer: issuer.to_owned(), token_endpoint: None })
    }

    /// The only token endpoint to use for this broker, wherever it is. Error: `usage.argument` for what is not an https URL.
    pub fn with_token_endpoint(mut self, url: &str, allow_loopback: bool) -> Result<Self> {
        web_url(url, allow_loopback)
            .ok_or_else(|| Error::argument(format!("token endpoint `{url}` is not an https URL")))?;
        self.token_endpoint = Some(url.to_owned());
        Ok(self)
    }

    /// The exact `iss` of its visas.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The token endpoint, when it is fixed.
    pub fn token_endpoint(&self) -> Option<&str> {
        self.token_endpoint.as_deref()
    }
}

/// The origin of an absolute URL that may be fetched: https, or http on a loopback host in development.
pub(super) fn web_url(url: &str, allow_loopback: bool) -> Option<Origin> {
    let origin = Resource::parse(url)?.origin?;
    Origin::parse(&origin.to_string(), allow_loopback).ok()
}

fn same_origin(left: &str, right: &str) -> bool {
    let origin = |url| Resource::parse(url).and_then(|resource| resource.origin);
    origin(left).is_some() && origin(left) == origin(right)
}

fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Offer, message)
}

fn text<'a>(object: &'a Object<'_>, name: &str) -> Result<&'a str> {
    match object.get(name) {
        None => Err(malformed(format!("{name} is missing"))),
        Some(value) => value.as_str().ok_or_else(|| malformed(format!("{name} is not a string"))),
    }
}

fn purposes(offer: &Object<'_>) -> Result<Vec<Purpose>> {
    let flaw = || malformed("purposes is not a list of strings");
    let list = offer.get("purposes").and_then(Value::as_array).ok_or_else(flaw)?;
    let mut purposes = Vec::with_capacity(Purpose::ALL.len());
    for name in list {
        // A purpose from a later version buys nothing that could be asked for here.
        if let Some(purpose) = Purpose::from_name(name.as_str().ok_or_else(flaw)?)
            && !purposes.contains(&purpose)
        {
            purposes.push(purpose);
        }
    }
    // An empty list stands for any purpose.
    if purposes.is_empty() && !list.is_empty() {
        return Err(malformed("the offer is not for any purpose that is known here"));
    }
    Ok(purposes)
}

fn brokers(offer: &Object<'_>, allow_loopback: bool) -> Result<Vec<OfferedBroker>> {
    let list =
        offer.get("brokers").and_then(Value::as_array).ok_or_else(|| malformed("brokers is not a list"))?;
    if list.is_empty() || list.len() > MAX_BROKERS {
        return Err(malformed(format!("an offer names 1 to {MAX_BROKERS} brokers, not {}", list.len())));
    }
    let mut brokers: Vec<OfferedBroker> = Vec::with_capacity(list.len());
    for entry in list {
        let entry = entry.as_object().ok_or_else(|| malformed("a broker is not an object"))?;
        let url = |name: &str| {
            let url = text(entry, name)?;
            web_url(url, allow_loopback)
                .map(|_| url.to_owned())
                .ok_or_else(|| malformed(format!("a broker's {name} is not an https URL")))
        };
        let broker = OfferedBroker { issuer: url("issuer")?, token_endpoint: url("token_endpoint")? };
        if brokers.iter().any(|other| other.issuer == broker.issuer) {
            return Err(malformed("the offer names a broker twice"));
        }
        brokers.push(broker);
    }
    Ok(brokers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"error":{"code":"payment.required"},"offer":{"price":"0.001","currency":"USD","purposes":["SUMMARY","LATER"],"brokers":[{"issuer":"https://broker.example","token_endpoint":"https://broker.example/oauth/token","x":1}],"more":[]}}"#;

    fn read(text: &str) -> Result<Offer> {
        Offer::parse(text.as_bytes(), false)
    }

    #[test]
    fn reads_what_a_publisher_sends() {
        let offer = read(GOOD).unwrap();
        assert_eq!(offer.price.amount.to_string(), "0.001");
        assert_eq!(offer.price.currency, "USD");
        assert_eq!(offer.purposes, [Purpose::Summary]);
        assert_eq!(offer.brokers[0].token_endpoint, "https://broker.example/oauth/token");
        assert_eq!(read(&GOOD.replace("\"SUMMARY\",\"LATER\"", "")).unwrap().purposes, []);
    }

    #[test]
    fn hostile_offers() {
        for (from, to) in [
            ("\"0.001\"", "0.001"),
            ("\"0.001\"", "\"1e400\""),
            ("\"0.001\"", "1e400"),
            ("\"0.001\"", "\"-1\""),
            ("\"0.001\"", "\"0\""),
            ("\"0.001\"", "\"0.000\""),
            ("\"0.001\"", "\"٠.١\""),
            ("\"0.001\"", "\"999999999999999999999999\""),
            ("\"0.001\"", "null"),
            ("\"USD\"", "\"usd\""),
            ("\"USD\"", "\"U\\u0455D\""),
            ("\"USD\"", "[\"USD\"]"),
            ("[\"SUMMARY\",\"LATER\"]", "\"SUMMARY\""),
            ("[\"SUMMARY\",\"LATER\"]", "[1]"),
            ("[\"SUMMARY\",\"LATER\"]", "[\"LATER\"]"),
            ("\"https://broker.example\"", "\"http://broker.example\""),
            ("\"https://broker.example\"", "\"https://user@broker.example\""),
            ("\"https://broker.example\"", "\"javascript:alert(1)\""),
            ("\"https://broker.example/oauth/token\"", "\"/oauth/token\""),
            ("\"https://broker.example/oauth/token\"", "\"http://127.0.0.1/oauth/token\""),
            ("\"https://broker.example/oauth/token\"", "7"),
            ("[{\"issuer\"", "[3,{\"issuer\""),
            ("\"price\":", "\"price\":\"1\",\"price\":"),
            ("\"price\":", "\"pric\":"),
            ("\"offer\":", "\"offers\":"),
            ("}}", "}"),
            ("{\"error\"", "[{\"error\""),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            assert_eq!(read(&text).unwrap_err().code(), "offer.malformed", "{text}");
        }
        let broker = |index: usize| {
            format!(
                "{{\"issuer\":\"https://b{index}.example\",\"token_endpoint\":\"https://b{index}.example/t\"}}"
            )
        };
        let with = |list: Vec<String>| {
            let (start, _) = GOOD.split_once("\"brokers\":[").unwrap();
            read(&format!("{start}\"brokers\":[{}]}}}}", list.join(",")))
        };
        assert!(with((0..MAX_BROKERS).map(broker).collect()).is_ok());
        for list in [Vec::new(), (0..=MAX_BROKERS).map(broker).collect(), (0..10_000).map(broker).collect()] {
            assert_eq!(with(list).unwrap_err().code(), "offer.malformed");
        }
        assert_eq!(with(vec![broker(1), broker(1)]).unwrap_err().code(), "offer.malformed");
        for bytes in [&b""[..], b"null", b"\xff\xfe", b"{}", b"{\"offer\":{}}", &[b'['; 20_000]] {
            assert_eq!(Offer::parse(bytes, false).unwrap_err().code(), "offer.malformed");
        }
        assert!(
            Offer::parse(GOOD.replace("https://broker", "http://127.0.0.1:8/broker").as_bytes(), true)
                .is_ok()
        );
    }

    #[test]
    fn only_trusted_brokers_at_their_own_origin() {
        let own = |issuer: &str| TrustedBroker::new(issuer, false).unwrap();
        let offer = read(GOOD).unwrap();
        assert_eq!(offer.choose(&[]).unwrap_err().code(), "spend.broker_denied");
        for other in ["https://broker.example/", "https://broker.example:8443", "https://other.example"] {
            assert_eq!(offer.choose(&[own(other)]).unwrap_err().code(), "spend.broker_denied", "{other}");
        }
        let chosen = offer.choose(&[own("https://other.example"), own("https://broker.example")]).unwrap();
        assert_eq!(chosen, offer.brokers[0]);

        let hostile =
            read(&GOOD.replace("https://broker.example/oauth", "https://thief.example/oauth")).unwrap();
        let error = hostile.choose(&[own("https://broker.example")]).unwrap_err();
        assert_eq!(error.code(), "spend.broker_denied");
        let pinned =
            own("https://broker.example").with_token_endpoint("https://tokens.example/t", false).unwrap();
        assert_eq!(hostile.choose(&[pinned]).unwrap().token_endpoint, "https://tokens.example/t");
        for bad in ["http://broker.example", "broker.example", "", "https://127.0.0.1.:x"] {
            assert_eq!(TrustedBroker::new(bad, false).unwrap_err().code(), "usage.argument", "{bad}");
        }
    }
}
