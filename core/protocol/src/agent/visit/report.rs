//! What happened during a visit.

use crate::agent::offer::Offer;
use crate::error::Error;
use crate::json::{Object, Value};
use crate::policy::Money;
use crate::provenance::Receipt;

/// What happened during a visit, step by step.
#[derive(Debug, Default)]
pub struct Report {
    /// The URL that was read last.
    pub url: String,
    /// The status of its answer.
    pub status: Option<u16>,
    /// What the publisher asked for.
    pub offer: Option<Offer>,
    /// What was paid.
    pub payment: Payment,
    /// What became of the provenance receipt.
    pub receipt: ReceiptState,
    /// Each step.
    pub steps: Vec<Step>,
}

/// A visit that ended without content.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub error: Error,
    /// What happened before.
    pub report: Report,
}

/// One step of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What: `robots`, `policy`, `request`, `offer`, `spend`, `token`, `visa`, `redirect` or `receipt`.
    pub what: &'static str,
    /// The URL it concerned.
    pub url: String,
    /// How it went, in a few words.
    pub note: String,
}

/// How a read was paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentState {
    /// Nothing was asked for.
    #[default]
    None,
    /// A visa was bought.
    Bought,
    /// A visa from the wallet was used.
    Reused,
    /// A price was asked for and not paid.
    Unpaid,
    /// A broker was asked, and whether it was paid is not known. It counts as paid and is not paid again.
    Unknown,
}

/// What was paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// How.
    pub state: PaymentState,
    /// To which broker.
    pub issuer: Option<String>,
    /// The visa's name.
    pub jti: Option<String>,
    /// How much.
    pub price: Option<Money>,
    /// The purchase's name, the `Idempotency-Key`.
    pub purchase: Option<String>,
}

/// What became of the provenance receipt.
#[derive(Debug, Default)]
pub enum ReceiptState {
    /// Nobody looked.
    #[default]
    Unchecked,
    /// The answer has none.
    Missing,
    /// It holds: the publisher's domain vouches for this content.
    Verified(Box<Receipt>),
    /// It does not hold, or cannot be verified now.
    Failed(Error),
}

impl PaymentState {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bought => "bought",
            Self::Reused => "reused",
            Self::Unpaid => "unpaid",
            Self::Unknown => "unknown",
        }
    }
}

impl ReceiptState {
    /// `unchecked`, `missing`, `verified` or the code of what is wrong.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchecked => "unchecked",
            Self::Missing => "missing",
            Self::Verified(_) => "verified",
            Self::Failed(error) => error.code(),
        }
    }
}

impl Report {
    pub(super) fn note(&mut self, what: &'static str, url: &str, note: impl Into<String>) {
        self.steps.push(Step { what, url: url.to_owned(), note: note.into() });
    }

    /// The report as a JSON object; what is absent is null.
    pub fn to_json(&self) -> Object<'static> {
        let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::from(text.to_owned()));
        let mut payment = Object::new();
        let price = self.payment.price.as_ref();
        payment.insert("state", self.payment.state.as_str());
        payment.insert("issuer", text(self.payment.issuer.as_deref()));
        payment.insert("jti", text(self.payment.jti.as_deref()));
        payment.insert("amount", price.map_or(Value::Null, |price| price.amount.to_string().into()));
        payment.insert("currency", text(price.map(|price| price.currency.as_str())));
        payment.insert("purchase", text(self.payment.purchase.as_deref()));
        let offer = self.offer.as_ref().map_or(Value::Null, |offer| {
            let mut object = Object::new();
            object.insert("price", offer.price.amount.to_string());
            object.insert("currency", offer.price.currency.clone());
            let issuers = offer.brokers.iter().map(|broker| Value::from(broker.issuer.clone()));
            object.insert("brokers", issuers.collect::<Vec<_>>());
            object.into()
        });
        let steps = self.steps.iter().map(|step| {
            let mut object = Object::new();
            object.insert("step", step.what);
            object.insert("url", step.url.clone());
            object.insert("note", step.note.clone());
            Value::Object(object)
        });
        let mut receipt = Object::new();
        receipt.insert("state", self.receipt.as_str());
        if let ReceiptState::Verified(found) = &self.receipt {
            receipt.insert("origin", found.origin.as_str());
            receipt.insert("trace_id", found.trace_id.clone());
        }
        let mut object = Object::new();
        object.insert("url", self.url.clone());
        object.insert("status", self.status.map_or(Value::Null, |status| u32::from(status).into()));
        object.insert("offer", offer);
        object.insert("payment", payment);
        object.insert("receipt", receipt);
        object.insert("steps", steps.collect::<Vec<_>>());
        object
    }
}
