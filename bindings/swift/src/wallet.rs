//! What an agent may spend, what it has spent, and the visas it holds.

use crate::error::ImagxpError;
use crate::{agent_id, boundary, time};
use imagxp::agent::reader::Purse;
use imagxp::agent::spend::{self, MemorySpend, Purchase, Reserved, Spend, SpendStore};
use imagxp::amount::Amount;
use imagxp::policy::Money;
use imagxp::{Error, Purpose, Timestamp};
use imagxp_files::spend::SpendFile;
use std::path::Path;
use std::sync::Arc;

pub(crate) use imagxp::agent::spend::{Phase as PaymentPhase, Settlement};

/// How far an open payment has come.
#[uniffi::remote(Enum)]
pub(crate) enum PaymentPhase {
    /// Reserved; the broker may have been asked.
    Reserved,
    /// The broker was asked and nobody knows what it did. Counts as spent.
    Unknown,
    /// Unknown, and being asked about just now.
    Asking,
}

/// How a payment ended.
#[uniffi::remote(Enum)]
pub(crate) enum Settlement {
    /// The broker gave the visa.
    Spent,
    /// Certainly not paid: the request did not leave, or the broker refused it.
    Released,
    /// Nobody knows.
    Unknown,
}

/// Caps on what is paid in one currency, as decimal strings.
#[derive(Clone, uniffi::Record)]
pub(crate) struct Caps {
    /// The currency or asset.
    pub(crate) currency: String,
    /// The most for one read.
    pub(crate) per_request: String,
    /// The most for one host in one UTC day.
    #[uniffi(default = None)]
    pub(crate) per_host: Option<String>,
    /// The most in one UTC day.
    #[uniffi(default = None)]
    pub(crate) per_day: Option<String>,
    /// The most ever.
    #[uniffi(default = None)]
    pub(crate) total: Option<String>,
}

/// A payment without an end.
#[derive(uniffi::Record)]
pub(crate) struct OpenPayment {
    /// Its name, the `Idempotency-Key`.
    pub(crate) id: String,
    /// The broker.
    pub(crate) issuer: String,
    /// The publisher's origin.
    pub(crate) audience: String,
    /// The price: a decimal string.
    pub(crate) amount: String,
    /// In which currency.
    pub(crate) currency: String,
    /// How far it has come.
    pub(crate) phase: PaymentPhase,
}

/// Money: caps, what has been spent, and visas. Several agents may share one.
#[derive(uniffi::Object)]
pub(crate) struct Wallet(pub(crate) Arc<Purse>);

#[uniffi::export]
impl Wallet {
    /// A wallet with these caps; what no cap names is never paid.
    ///
    /// With `path` the books are kept in a file, durably and before each payment, and one process at a time holds it: `io.failed`
    /// otherwise. Without, they are gone with the process, and so are the caps of a day. Throws `usage.argument` for caps that are none.
    #[uniffi::constructor(default(caps = [], path = None))]
    pub(crate) fn new(caps: Vec<Caps>, path: Option<String>) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| {
            let caps = caps.iter().map(Caps::core).collect::<imagxp::Result<Vec<_>>>()?;
            let store: Arc<dyn SpendStore> = match path {
                Some(path) => Arc::new(SpendFile::open(Path::new(&path), caps)?),
                None => Arc::new(MemorySpend::new(Spend::new(caps))),
            };
            Ok(Arc::new(Self(Arc::new(Purse::new(store)))))
        })
    }

    /// What was spent ever in a currency, reservations and unknown payments included: a decimal string.
    pub(crate) fn spent(&self, currency: &str) -> Result<String, ImagxpError> {
        boundary::compute(|| self.0.spend().snapshot().spent(currency).to_string())
    }

    /// What counts against the cap of the day.
    #[uniffi::method(default(now = None))]
    pub(crate) fn spent_today(&self, currency: &str, now: Option<Timestamp>) -> Result<String, ImagxpError> {
        boundary::compute(|| self.0.spend().snapshot().spent_in_day(currency, time::or_now(now)).to_string())
    }

    /// Payments without an end.
    pub(crate) fn open_payments(&self) -> Result<Vec<OpenPayment>, ImagxpError> {
        let payment = |open: &spend::Open| OpenPayment {
            id: open.purchase.id.clone(),
            issuer: open.purchase.issuer.clone(),
            audience: open.purchase.audience.clone(),
            amount: open.purchase.price.amount.to_string(),
            currency: open.purchase.price.currency.clone(),
            phase: open.phase,
        };
        boundary::compute(|| self.0.spend().snapshot().open().map(payment).collect())
    }

    /// How many visas there are, used-up ones included.
    pub(crate) fn visas(&self) -> Result<u64, ImagxpError> {
        boundary::compute(|| u64::try_from(self.0.wallet().len()).unwrap_or(u64::MAX))
    }

    /// Sets a price aside before a payment is begun, for callers that pay by themselves. Returns nil, or the id of an earlier payment of
    /// unknown end, which must be asked about under its own id first: then nothing was set aside. Throws `spend.limit`.
    #[uniffi::method(default(now = None))]
    #[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
    pub(crate) fn reserve(
        &self,
        id: String,
        agent_id: &str,
        issuer: String,
        audience: String,
        purpose: Purpose,
        amount: &str,
        currency: String,
        now: Option<Timestamp>,
    ) -> Result<Option<String>, ImagxpError> {
        boundary::call(|| {
            let amount =
                Amount::parse(amount).ok_or_else(|| Error::argument("the amount is not a decimal string"))?;
            let agent_id = agent_id::parse(agent_id, true)?;
            let price = Money { amount, currency };
            let purchase = Purchase { id, agent_id, issuer, audience, purpose, price };
            Ok(match self.0.spend().reserve(&purchase, time::or_now(now))? {
                Reserved::New => None,
                Reserved::Again(earlier) => Some(earlier.id),
            })
        })
    }

    /// Says how a payment ended.
    pub(crate) fn settle(&self, id: &str, end: Settlement) -> Result<(), ImagxpError> {
        boundary::call(|| self.0.spend().settle(id, end))
    }
}

impl Caps {
    fn core(&self) -> imagxp::Result<spend::Caps> {
        let mut caps = spend::Caps::new(&self.currency, &self.per_request)?;
        if let Some(amount) = &self.per_host {
            caps = caps.with_per_host(amount)?;
        }
        if let Some(amount) = &self.per_day {
            caps = caps.with_per_day(amount)?;
        }
        if let Some(amount) = &self.total {
            caps = caps.with_total(amount)?;
        }
        Ok(caps)
    }
}
