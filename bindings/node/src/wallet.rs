//! What an agent may spend, what it has spent, and the visas it holds.

use crate::js::{ClassInstance, JsString, List};
use crate::limits::count;
use crate::options::options;
use crate::publisher::NowOptions;
use crate::time::{self, Time};
use crate::{agent_id, boundary, errors, purpose};
use imagxp::agent::reader::Purse;
use imagxp::agent::spend::{self, MemorySpend, Purchase, Reserved, Settlement, Spend, SpendStore};
use imagxp::amount::Amount;
use imagxp::policy::Money;
use imagxp_files::spend::SpendFile;
use napi::Result;
use napi_derive::napi;
use std::path::Path;
use std::sync::Arc;

options! {
    /// Further caps, as decimal strings.
    CapsOptions {
        /// For one host in one UTC day.
        per_host: Option<JsString>,
        /// For all in one UTC day.
        per_day: Option<JsString>,
        /// Ever.
        total: Option<JsString>,
    }
}

options! {
    /// Where the books are kept.
    WalletOptions {
        /// A file; in memory unless given.
        path: Option<JsString>,
    }
}

options! {
    /// What is bought.
    PurchaseTerms {
        /// Who pays.
        agent_id: JsString,
        /// Whom.
        issuer: JsString,
        /// For which publisher.
        audience: JsString,
        /// For what.
        #[napi(ts_type = "Purpose")]
        purpose: JsString,
        /// How much: a decimal string.
        amount: JsString,
        /// In which currency.
        currency: JsString,
        /// The clock's time unless given.
        now: Option<Time>,
    }
}

/// Caps on what is paid in one currency, as decimal strings.
#[napi]
pub struct Caps(pub(crate) spend::Caps);

#[napi]
impl Caps {
    /// At most `perRequest` for one read.
    #[napi(constructor)]
    pub fn new(currency: JsString, per_request: JsString, options: Option<CapsOptions>) -> Result<Self> {
        boundary::call(|| {
            let mut caps = spend::Caps::new(&currency, &per_request)?;
            if let Some(options) = &options {
                if let Some(amount) = &options.per_host {
                    caps = caps.with_per_host(amount)?;
                }
                if let Some(amount) = &options.per_day {
                    caps = caps.with_per_day(amount)?;
                }
                if let Some(amount) = &options.total {
                    caps = caps.with_total(amount)?;
                }
            }
            Ok(Self(caps))
        })
    }

    /// The currency or asset.
    #[napi(getter)]
    pub fn currency(&self) -> &str {
        &self.0.currency
    }

    /// The most for one read.
    #[napi(getter)]
    pub fn per_request(&self) -> String {
        self.0.per_request.to_string()
    }

    /// The most for one host in one UTC day.
    #[napi(getter)]
    pub fn per_host(&self) -> Option<String> {
        self.0.per_host.map(|amount| amount.to_string())
    }

    /// The most in one UTC day.
    #[napi(getter)]
    pub fn per_day(&self) -> Option<String> {
        self.0.per_day.map(|amount| amount.to_string())
    }

    /// The most ever.
    #[napi(getter)]
    pub fn total(&self) -> Option<String> {
        self.0.total.map(|amount| amount.to_string())
    }
}

/// A payment without an end.
#[napi(object, object_from_js = false)]
pub struct OpenPayment {
    /// Its name.
    pub id: String,
    /// Who is paid.
    pub issuer: String,
    /// For which publisher.
    pub audience: String,
    /// How much: a decimal string.
    pub amount: String,
    /// In which currency.
    pub currency: String,
    /// Where it stands.
    pub phase: &'static str,
}

/// Money: caps, what has been spent, and visas. Several agents may share one.
///
/// With `path` the books are kept in a file, durably and before each payment, and one wallet at a time holds it, until it is closed or
/// gone: an error with the code `io.failed` otherwise. Visas are kept in memory only. Without, the books are gone with the process, and so
/// are the caps of a day.
#[napi]
pub struct Wallet(pub(crate) Arc<Purse>);

#[napi]
impl Wallet {
    /// A wallet that may spend this much; without caps, nothing.
    #[napi(constructor, ts_args_type = "caps?: readonly Caps[] | null, options?: WalletOptions")]
    pub fn new(caps: Option<List<ClassInstance<Caps>>>, options: Option<WalletOptions>) -> Result<Self> {
        let caps: Vec<_> = caps.unwrap_or_default().0.iter().map(|caps| caps.0.clone()).collect();
        let path = options.and_then(|options| options.path);
        boundary::call(|| {
            let store: Arc<dyn SpendStore> = match path {
                Some(path) => Arc::new(SpendFile::open(Path::new(&*path), caps)?),
                None => Arc::new(MemorySpend::new(Spend::new(caps))),
            };
            Ok(Self(Arc::new(Purse::new(store))))
        })
    }

    /// What was spent ever in a currency, reservations and unknown payments included.
    #[napi]
    pub fn spent(&self, currency: JsString) -> Result<String> {
        boundary::compute(|| self.0.spend().snapshot().spent(&currency).to_string())
    }

    /// What counts against the cap of the day.
    #[napi]
    pub fn spent_today(&self, currency: JsString, options: Option<NowOptions>) -> Result<String> {
        let now = time::or_now(options.and_then(|options| options.now));
        boundary::compute(|| self.0.spend().snapshot().spent_in_day(&currency, now).to_string())
    }

    /// Payments without an end.
    #[napi(getter)]
    pub fn open(&self) -> Result<Vec<OpenPayment>> {
        boundary::compute(|| {
            let books = self.0.spend().snapshot();
            let entries = books.open().map(|open| OpenPayment {
                id: open.purchase.id.clone(),
                issuer: open.purchase.issuer.clone(),
                audience: open.purchase.audience.clone(),
                amount: open.purchase.price.amount.to_string(),
                currency: open.purchase.price.currency.clone(),
                phase: open.phase.as_str(),
            });
            entries.collect()
        })
    }

    /// How many visas there are, used-up ones included.
    #[napi(getter)]
    pub fn visas(&self) -> Result<f64> {
        boundary::compute(|| count(self.0.wallet().len()))
    }

    /// Sets a price aside before a payment is begun, for callers that pay by themselves. Returns `null`, or the id of an earlier payment of
    /// unknown end, which must be asked about under its own id first: then nothing was set aside.
    #[napi]
    pub fn reserve(&self, id: JsString, terms: PurchaseTerms) -> Result<Option<String>> {
        let amount = Amount::parse(&terms.amount)
            .ok_or_else(|| errors::argument("the amount is not a decimal string"))?;
        let purchase = Purchase {
            id: id.0,
            agent_id: agent_id::parse(&terms.agent_id, true)?,
            issuer: terms.issuer.0,
            audience: terms.audience.0,
            purpose: purpose::parse(&terms.purpose)?,
            price: Money { amount, currency: terms.currency.0 },
        };
        let now = time::or_now(terms.now);
        let reserved = boundary::call(|| self.0.spend().reserve(&purchase, now))?;
        Ok(match reserved {
            Reserved::New => None,
            Reserved::Again(earlier) => Some(earlier.id),
        })
    }

    /// Says how a payment ended: `spent`, `released` (certainly not paid) or `unknown`.
    #[napi(ts_args_type = "id: string, end: 'spent' | 'released' | 'unknown'")]
    pub fn settle(&self, id: JsString, end: JsString) -> Result<()> {
        let end = match &*end {
            "spent" => Settlement::Spent,
            "released" => Settlement::Released,
            "unknown" => Settlement::Unknown,
            _ => return Err(errors::argument("a payment ends as spent, released or unknown")),
        };
        boundary::call(|| self.0.spend().settle(&id, end))
    }

    /// Lets the file go, for this process or another to open; the second time nothing happens. Nothing is reserved with this wallet any
    /// more, with or without a file: `io.failed`. To whoever opens the file next, a payment under way is unknown.
    #[napi]
    pub fn close(&self) -> Result<()> {
        boundary::compute(|| self.0.spend().close())
    }
}
