//! The offer of a 402 answer.

use crate::boundary;
use crate::error::ImagxpError;
use imagxp::Purpose;
use imagxp::agent::offer;

/// What a publisher asks for. A stranger's word: whether it is paid, the agent's own list of brokers and its caps say.
#[derive(uniffi::Record)]
pub(crate) struct Offer {
    /// The price: a decimal string.
    pub(crate) price: String,
    /// In which currency.
    pub(crate) currency: String,
    /// The purposes that it buys.
    pub(crate) purposes: Vec<Purpose>,
    /// Who may be paid, in the publisher's order.
    pub(crate) brokers: Vec<OfferedBroker>,
}

/// A broker as an offer names it.
#[derive(uniffi::Record)]
pub(crate) struct OfferedBroker {
    /// The exact `iss` of its visas.
    pub(crate) issuer: String,
    /// Where visas are asked for, as the publisher says.
    pub(crate) token_endpoint: String,
}

/// Reads the body of a 402 answer. Throws `offer.malformed`.
#[uniffi::export(default(allow_loopback = false))]
pub(crate) fn read_offer(body: &[u8], allow_loopback: bool) -> Result<Offer, ImagxpError> {
    let offer = boundary::call(|| offer::Offer::parse(body, allow_loopback))?;
    let broker = |broker: offer::OfferedBroker| OfferedBroker {
        issuer: broker.issuer,
        token_endpoint: broker.token_endpoint,
    };
    Ok(Offer {
        price: offer.price.amount.to_string(),
        currency: offer.price.currency,
        purposes: offer.purposes,
        brokers: offer.brokers.into_iter().map(broker).collect(),
    })
}
