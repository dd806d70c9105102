//! What an agent may spend, what it has spent, and the visas it holds.

use crate::time::{self, Time};
use crate::{agent_id, boundary, errors, purpose};
use imagxp::agent::reader::Purse;
use imagxp::agent::spend::{self, MemorySpend, Purchase, Reserved, Settlement, Spend, SpendStore};
use imagxp::amount::Amount;
use imagxp::policy::Money;
use imagxp_files::spend::SpendFile;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// Caps on what is paid in one currency, as decimal strings: for one read, for one host and for all in one UTC day, and ever.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Caps(pub(crate) spend::Caps);

#[pymethods]
impl Caps {
    #[new]
    #[pyo3(signature = (currency, per_request, *, per_host = None, per_day = None, total = None))]
    fn new(
        py: Python<'_>,
        currency: &str,
        per_request: &str,
        per_host: Option<&str>,
        per_day: Option<&str>,
        total: Option<&str>,
    ) -> PyResult<Self> {
        boundary::call(py, || {
            let mut caps = spend::Caps::new(currency, per_request)?;
            if let Some(amount) = per_host {
                caps = caps.with_per_host(amount)?;
            }
            if let Some(amount) = per_day {
                caps = caps.with_per_day(amount)?;
            }
            if let Some(amount) = total {
                caps = caps.with_total(amount)?;
            }
            Ok(Self(caps))
        })
    }

    /// The currency or asset.
    #[getter]
    fn currency(&self) -> &str {
        &self.0.currency
    }

    /// The most for one read.
    #[getter]
    fn per_request(&self) -> String {
        self.0.per_request.to_string()
    }

    /// The most for one host in one UTC day.
    #[getter]
    fn per_host(&self) -> Option<String> {
        self.0.per_host.map(|amount| amount.to_string())
    }

    /// The most in one UTC day.
    #[getter]
    fn per_day(&self) -> Option<String> {
        self.0.per_day.map(|amount| amount.to_string())
    }

    /// The most ever.
    #[getter]
    fn total(&self) -> Option<String> {
        self.0.total.map(|amount| amount.to_string())
    }

    fn __repr__(&self) -> String {
        format!("Caps({} {})", self.0.per_request, self.0.currency)
    }
}

/// Money: caps, what has been spent, and visas. Several agents may share one. It cannot be pickled.
///
/// With `path` the books are kept in a file, durably and before each payment, and one wallet at a time holds it, until it is closed or
/// gone: `ImagxpError` with the code `io.failed` otherwise. Visas are kept in memory only. Without, they are gone with the process, and so are the caps of a day.
///
/// After a fork (`multiprocessing` on Linux forked by default until Python 3.14) the child cannot pay from its parent's file: `io.failed`.
/// Without a file each process has books of its own, and may spend as much as all of its caps; if another thread was in a call on the
/// wallet at the fork, the child waits for ever in its own. Make the wallet in each process, with its part of the caps and a path of its own.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Wallet(pub(crate) Arc<Purse>);

#[pymethods]
impl Wallet {
    #[new]
    #[pyo3(signature = (caps = Vec::new(), *, path = None))]
    fn new(py: Python<'_>, caps: Vec<PyRef<'_, Caps>>, path: Option<PathBuf>) -> PyResult<Self> {
        let caps: Vec<_> = caps.iter().map(|caps| caps.0.clone()).collect();
        boundary::call(py, || {
            let store: Arc<dyn SpendStore> = match path {
                Some(path) => Arc::new(SpendFile::open(&path, caps)?),
                None => Arc::new(MemorySpend::new(Spend::new(caps))),
            };
            Ok(Self(Arc::new(Purse::new(store))))
        })
    }

    /// What was spent ever in a currency, reservations and unknown payments included.
    #[pyo3(signature = (currency, /))]
    fn spent(&self, py: Python<'_>, currency: &str) -> PyResult<String> {
        boundary::compute(py, || self.0.spend().snapshot().spent(currency).to_string())
    }

    /// What counts against the cap of the day.
    #[pyo3(signature = (currency, /, *, now = None))]
    fn spent_today(&self, py: Python<'_>, currency: &str, now: Option<Time>) -> PyResult<String> {
        let now = time::or_now(now);
        boundary::compute(py, || self.0.spend().snapshot().spent_in_day(currency, now).to_string())
    }

    /// Payments without an end, each a `dict` with `id`, `issuer`, `audience`, `amount`, `currency`, `phase`.
    #[getter]
    fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let books = boundary::compute(py, || self.0.spend().snapshot())?;
        let entries = books.open().map(|open| {
            let dict = PyDict::new(py);
            dict.set_item("id", &open.purchase.id)?;
            dict.set_item("issuer", &open.purchase.issuer)?;
            dict.set_item("audience", &open.purchase.audience)?;
            dict.set_item("amount", open.purchase.price.amount.to_string())?;
            dict.set_item("currency", &open.purchase.price.currency)?;
            dict.set_item("phase", open.phase.as_str())?;
            Ok(dict)
        });
        PyTuple::new(py, entries.collect::<PyResult<Vec<_>>>()?)
    }

    /// How many visas there are, used-up ones included.
    #[getter]
    fn visas(&self, py: Python<'_>) -> PyResult<usize> {
        boundary::compute(py, || self.0.wallet().len())
    }

    /// Sets a price aside before a payment is begun, for callers that pay by themselves. Returns `None`, or the id of an earlier payment of
    /// unknown end, which must be asked about under its own id first: then nothing was set aside.
    #[pyo3(signature = (id, *, agent_id, issuer, audience, purpose, amount, currency, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn reserve(
        &self,
        py: Python<'_>,
        id: String,
        agent_id: &str,
        issuer: String,
        audience: String,
        purpose: &str,
        amount: &str,
        currency: String,
        now: Option<Time>,
    ) -> PyResult<Option<String>> {
        let amount = Amount::parse(amount)
            .ok_or_else(|| errors::argument(py, "the amount is not a decimal string"))?;
        let purchase = Purchase {
            id,
            agent_id: agent_id::parse(py, agent_id, true)?,
            issuer,
            audience,
            purpose: purpose::parse(py, purpose)?,
            price: Money { amount, currency },
        };
        let now = time::or_now(now);
        let reserved = boundary::call(py, || self.0.spend().reserve(&purchase, now))?;
        Ok(match reserved {
            Reserved::New => None,
            Reserved::Again(earlier) => Some(earlier.id),
        })
    }

    /// Says how a payment ended: `spent`, `released` (certainly not paid) or `unknown`.
    #[pyo3(signature = (id, end, /))]
    fn settle(&self, py: Python<'_>, id: &str, end: &str) -> PyResult<()> {
        let end = match end {
            "spent" => Settlement::Spent,
            "released" => Settlement::Released,
            "unknown" => Settlement::Unknown,
            _ => return Err(errors::argument(py, "a payment ends as spent, released or unknown")),
        };
        boundary::call(py, || self.0.spend().settle(id, end))
    }

    /// Lets the file go, for this process or another to open; the second time nothing happens. Nothing is reserved with this wallet any
    /// more, with or without a file: `io.failed`. To whoever opens the file next, a payment under way is unknown.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        boundary::compute(py, || self.0.spend().close())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    /// Refused: two copies would spend the same money.
    fn __reduce__(&self) -> PyResult<()> {
        Err(pyo3::exceptions::PyTypeError::new_err("a wallet cannot be pickled or copied"))
    }
}
