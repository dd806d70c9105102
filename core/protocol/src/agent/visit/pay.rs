//! On a 402: the offer, the caps, a visa, and one more request (PROTOCOL §8).

use super::machine::{Action, Event, Next, State, Visit};
use super::report::{Payment, PaymentState};
use crate::agent::offer::{Offer, OfferedBroker};
use crate::agent::spend::{Purchase, Reserved, Settlement};
use crate::agent::token_request::{TokenAnswer, TokenRequest, Visa};
use crate::agent::wallet::{Fare, Wallet};
use crate::code::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Value};
use crate::resource::path_readings;
use crate::time::Timestamp;

/// A purchase under way.
#[derive(Debug)]
pub(super) struct Bargain {
    pub(super) purchase: Purchase,
    broker: OfferedBroker,
    offer: Offer,
    /// Whether this asks about an earlier purchase whose end is not known.
    again: bool,
}

impl Visit {
    pub(super) fn asked_to_pay(&mut self, body: &[u8], now: Timestamp, nonce: &str) -> Next {
        if let Some(visa) = self.visa.take() {
            // The publisher has judged this visa; it will not serve again. There is no third request.
            self.reader.purse().wallet().discard(&visa);
            let code = refusal_code(body).unwrap_or(Code::PaymentInvalidToken);
            return Err(Error::protocol(
                code,
                format!("the publisher refuses the visa `{}`: {}", visa.jti(), code.message()),
            ));
        }
        self.report.unpaid();
        if self.paid_retry {
            return Err(Error::protocol(Code::PaymentRequired, "the publisher asks to be paid twice"));
        }
        let offer = Offer::parse(body, self.reader.options().allow_loopback)?;
        let purpose = self.reader.options().purpose;
        let price = format!("{} {}", offer.price.amount, offer.price.currency);
        self.note("offer", price);
        self.report.offer = Some(offer.clone());
        if !offer.purposes.is_empty() && !offer.purposes.contains(&purpose) {
            return Err(Error::new(ErrorKind::Offer, format!("the offer is not for {purpose}")));
        }
        let held = self.take_visa(&mut self.reader.purse().wallet(), &offer, now);
        match held {
            Some(visa) => self.send_paid(visa, PaymentState::Reused, now, nonce),
            None => self.buy(offer, false, now, nonce),
        }
    }

    /// A visa from the wallet that is good for this read at this price.
    fn take_visa(&self, wallet: &mut Wallet, offer: &Offer, now: Timestamp) -> Option<Visa> {
        let options = self.reader.options();
        let identity = self.reader.identity();
        let paths = path_readings(&self.resource.path)?;
        let fare = Fare {
            agent_id: identity.agent_id(),
            key_id: identity.public_key().thumbprint(),
            audience: &self.origin(),
            purpose: options.purpose,
            paths: &paths,
            price: &offer.price,
        };
        let accepted = |issuer: &str| {
            offer.brokers.iter().any(|broker| broker.issuer == issuer)
                && options.brokers.iter().any(|broker| broker.issuer() == issuer)
        };
        wallet.take(&fare, accepted, now)
    }

    /// Puts what was bought into the wallet and takes a use at once: whoever shares the wallet must not take it in between.
    fn keep_visa(&self, bought: Visa, offer: &Offer, now: Timestamp) -> Option<Visa> {
        let mut wallet = self.reader.purse().wallet();
        wallet.put(bought, now);
        self.take_visa(&mut wallet, offer, now)
    }

    fn send_paid(&mut self, visa: Visa, state: PaymentState, now: Timestamp, nonce: &str) -> Next {
        self.report.payment.state = state;
        self.report.payment.issuer = Some(visa.issuer.clone());
        self.report.payment.jti = Some(visa.jti().to_owned());
        self.report.payment.price = Some(visa.price().clone());
        self.note("visa", format!("{} `{}`", state.as_str(), visa.jti()));
        self.paid_retry = true;
        self.visa = Some(visa);
        self.send(now, nonce)
    }

    /// Sets the price aside and asks the broker. `asked`: an earlier purchase has been asked about during this visit.
    fn buy(&mut self, offer: Offer, asked: bool, now: Timestamp, nonce: &str) -> Next {
        if self.bought {
            return Err(Error::protocol(Code::PaymentRequired, "one read pays once, and it has paid"));
        }
        let broker = offer.choose(&self.reader.options().brokers)?;
        let purchase = Purchase {
            id: nonce.to_owned(),
            agent_id: self.reader.identity().agent_id().clone(),
            issuer: broker.issuer.clone(),
            audience: self.origin(),
            purpose: self.reader.options().purpose,
            price: offer.price.clone(),
        };
        // An assertion that cannot be made must not cost a reservation.
        self.token_request(&purchase, &broker, nonce, now)?;
        let (purchase, again) = match self.reader.purse().spend().reserve(&purchase, now)? {
            Reserved::New => (purchase, false),
            Reserved::Again(earlier) if asked => {
                self.settle(&earlier, Settlement::Unknown);
                return Err(unknown("another earlier payment has no known end"));
            }
            Reserved::Again(earlier) => (earlier, true),
        };
        let request = match self.token_request(&purchase, &broker, nonce, now) {
            Ok(request) => request,
            Err(error) => {
                self.settle(&purchase, if again { Settlement::Unknown } else { Settlement::Released });
                return Err(error);
            }
        };
        self.note(
            "spend",
            if again {
                format!("asks about the earlier payment `{}`", purchase.id)
            } else {
                format!("{} {} reserved", purchase.price.amount, purchase.price.currency)
            },
        );
        self.report.payment = Payment {
            state: PaymentState::Unpaid,
            issuer: Some(purchase.issuer.clone()),
            jti: None,
            price: Some(purchase.price.clone()),
            purchase: Some(purchase.id.clone()),
        };
        let bargain = Bargain { purchase, broker, offer, again };
        self.wait(State::Token(Box::new(bargain)), Action::RequestToken(request))
    }

    fn token_request(
        &self,
        purchase: &Purchase,
        broker: &OfferedBroker,
        jti: &str,
        now: Timestamp,
    ) -> Result<TokenRequest> {
        TokenRequest::new(self.reader.identity(), purchase, &broker.token_endpoint, jti, now)
    }

    pub(super) fn token(&mut self, bargain: Bargain, event: &Event<'_>, now: Timestamp, nonce: &str) -> Next {
        let Bargain { purchase, broker, offer, again } = bargain;
        let key = *self.reader.identity().public_key().thumbprint();
        let url = broker.token_endpoint;
        let answer = match event {
            Event::Answered { status, body, .. } => {
                self.report.note("token", &url, format!("status {status}"));
                TokenAnswer::read(*status, body, &purchase, &key, now)
            }
            Event::Failed { detail, .. } | Event::Busy { detail } => {
                let sent = matches!(event, Event::Failed { sent: true, .. });
                self.report.note("token", &url, format!("no answer: {detail}"));
                if !sent && !again {
                    self.settle(&purchase, Settlement::Released);
                    return Err(Error::new(ErrorKind::Io, "the broker cannot be reached; nothing was paid"));
                }
                return self.unknown(&purchase, Error::new(ErrorKind::Io, "the broker does not answer"));
            }
            Event::Start => return self.unknown(&purchase, Error::argument("the visit was begun twice")),
        };
        match answer {
            TokenAnswer::Visa(visa) => {
                self.settle(&purchase, Settlement::Spent);
                self.bought = !again;
                match self.keep_visa(*visa, &offer, now) {
                    Some(visa) => self.send_paid(visa, PaymentState::Bought, now, nonce),
                    // An earlier purchase was for another price, purpose or path, and is a visa in the wallet now.
                    None if again => self.buy(offer, true, now, nonce),
                    None => {
                        self.report.payment.state = PaymentState::Bought;
                        Err(Error::protocol(
                            Code::PaymentInvalidToken,
                            "the visa that was bought does not cover this read",
                        ))
                    }
                }
            }
            TokenAnswer::Expired => {
                self.settle(&purchase, Settlement::Spent);
                if again {
                    return self.buy(offer, true, now, nonce);
                }
                self.report.payment.state = PaymentState::Bought;
                Err(Error::protocol(Code::PaymentExpired, "the visa that was bought has expired already"))
            }
            // The key has been rotated since: that purchase has its end, and the visa is lost.
            TokenAnswer::OtherKey(_) if again => {
                self.settle(&purchase, Settlement::Spent);
                self.buy(offer, true, now, nonce)
            }
            // That an earlier purchase is refused today does not prove that it was not paid then.
            TokenAnswer::Refused(_) if again => {
                self.unknown(&purchase, unknown("the broker does not say what became of the earlier payment"))
            }
            TokenAnswer::Refused(code) => {
                self.settle(&purchase, Settlement::Released);
                self.report.payment.state = PaymentState::Unpaid;
                let why = code.map(|code| format!(": {code}")).unwrap_or_default();
                Err(Error::protocol(Code::PaymentRequired, format!("the broker gives no visa{why}")))
            }
            TokenAnswer::OtherKey(error) | TokenAnswer::Unclear(error) => self.unknown(&purchase, error),
        }
    }

    fn unknown(&mut self, purchase: &Purchase, cause: Error) -> Next {
        self.settle(purchase, Settlement::Unknown);
        self.report.payment.state = PaymentState::Unknown;
        let message = format!(
            "whether `{}` was paid is not known ({}); it counts as paid and is not paid again",
            purchase.id,
            cause.message()
        );
        Err(Error::new(ErrorKind::SpendUnknown, message).with_source(cause))
    }

    /// What cannot be written down stays reserved in the books, which is as good as unknown.
    fn settle(&mut self, purchase: &Purchase, settlement: Settlement) {
        let settled = self.reader.purse().spend().settle(&purchase.id, settlement);
        self.note(
            "spend",
            match (settled, settlement) {
                (Err(error), _) => format!("`{}` cannot be settled: {}", purchase.id, error.message()),
                (Ok(()), Settlement::Spent) => "spent".to_owned(),
                (Ok(()), Settlement::Released) => "released".to_owned(),
                (Ok(()), Settlement::Unknown) => "unknown; counts as spent".to_owned(),
            },
        );
    }
}

fn unknown(message: &'static str) -> Error {
    Error::new(ErrorKind::SpendUnknown, message)
}

/// The code of a 402 answer, when it is one of payment.
fn refusal_code(body: &[u8]) -> Option<Code> {
    let limits = json::Limits { max_bytes: 16 * 1024, ..json::Limits::CLAIM };
    let object = json::parse_object(body, &limits).ok()?;
    let code = object.get("error")?.as_object()?.get("code").and_then(Value::as_str)?;
    Code::from_name(code).filter(|code| code.http() == 402)
}
