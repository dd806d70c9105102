//! A broker's client.

use crate::feedback::Feedback;
use crate::fetcher::Fetcher;
use crate::identity::Identity;
use crate::presented::Presented;
use crate::redeemer::seconds;
use crate::{boundary, errors, json, purpose, time};
use imagxp::json::Object;
use imagxp::publisher::Redemption;
use imagxp_fetch::Options;
use imagxp_fetch::broker::{self, BrokerError, Period, Want};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyType};

/// A client of one broker: an agent buys visas and says what they were worth, a publisher redeems them, both read their accounts.
///
/// Each request is signed by the identity, whose manifest must be where the broker can fetch it. It blocks without holding the interpreter,
/// keeps no thread and no connection, and is shared between threads. What changes something carries an idempotency key that stays the same
/// over `attempts`: a lost answer is never paid twice. Raises `BrokerError`.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct BrokerClient(pub(crate) broker::BrokerClient);

#[pymethods]
impl BrokerClient {
    /// A client for an agent or a publisher. `issuer` is the broker's origin. `allow_loopback` admits http to this machine, for development.
    #[new]
    #[pyo3(signature = (issuer, identity, *, fetcher = None, attempts = 5, allow_loopback = false))]
    fn new(
        py: Python<'_>,
        issuer: &str,
        identity: &Identity,
        fetcher: Option<&Fetcher>,
        attempts: u32,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let identity = identity.inner.clone();
        let fetcher = own_fetcher(py, fetcher, allow_loopback)?;
        call(py, || broker::BrokerClient::new(issuer, identity, fetcher))
            .map(|client| Self(client.with_attempts(attempts)))
    }

    /// A client for an operator with a token.
    #[classmethod]
    #[pyo3(signature = (issuer, token, *, fetcher = None, attempts = 5, allow_loopback = false))]
    fn operator(
        _cls: &Bound<'_, PyType>,
        py: Python<'_>,
        issuer: &str,
        token: &str,
        fetcher: Option<&Fetcher>,
        attempts: u32,
        allow_loopback: bool,
    ) -> PyResult<Self> {
        let fetcher = own_fetcher(py, fetcher, allow_loopback)?;
        call(py, || broker::BrokerClient::operator(issuer, token, fetcher))
            .map(|client| Self(client.with_attempts(attempts)))
    }

    /// The broker's origin.
    #[getter]
    fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// Whether the broker pays this client for the page at this URL: it pays each host by its own name.
    #[pyo3(signature = (url, /))]
    fn is_paid_for(&self, url: &str) -> bool {
        self.0.is_paid_for(url)
    }

    /// What the broker says of itself (OpenID Connect Discovery): asked once.
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.endpoints().map(|endpoints| endpoints.document))
    }

    /// Buys a visa: `{token, jti, amount, currency, expires_at}`. `key` names the purchase: the same key again is answered with the same visa.
    #[pyo3(signature = (resource, amount, currency, purpose, *, key = None))]
    fn issue<'py>(
        &self,
        py: Python<'py>,
        resource: String,
        amount: String,
        currency: String,
        purpose: &str,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let want = Want { resource, amount, currency, purpose: purpose::parse(py, purpose)? };
        let visa = call(py, || self.0.issue(&want, key))?;
        let dict = PyDict::new(py);
        dict.set_item("token", visa.token())?;
        dict.set_item("jti", visa.jti())?;
        dict.set_item("amount", visa.price().amount.to_string())?;
        dict.set_item("currency", &visa.price().currency)?;
        dict.set_item("expires_at", time::to_datetime(py, visa.exp())?)?;
        Ok(dict)
    }

    /// One visa, as those whom it concerns see it.
    #[pyo3(signature = (jti, /))]
    fn visa<'py>(&self, py: Python<'py>, jti: &str) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.visa(jti))
    }

    /// A page of visas, newest first: `{visas, next_cursor}`. `state` is for example `WITHHELD`.
    #[pyo3(signature = (*, state = None, cursor = None, limit = None))]
    fn visas<'py>(
        &self,
        py: Python<'py>,
        state: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.visas(state, cursor, limit))
    }

    /// Redeems up to 1000 visas, of 2 MiB in all; one dict for each, in their order: `{jti, accepted, amount, asset, repeated, error}`.
    #[pyo3(signature = (visas, *, key = None))]
    fn redeem<'py>(
        &self,
        py: Python<'py>,
        visas: Vec<Py<Presented>>,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyList>> {
        let visas: Vec<_> = visas.iter().map(|visa| visa.get().0.clone()).collect();
        let results = call(py, || self.0.redeem(&visas, key))?;
        let list = PyList::empty(py);
        for result in &results {
            list.append(json::object(py, &result.to_json())?)?;
        }
        Ok(list)
    }

    /// The broker's word on one visa: `accepted`, `refused` or `unavailable`, for `Pending.redeemed`. It is asked twice at most, and `within`
    /// so many seconds, whatever `attempts` says beyond that: a visitor waits.
    #[pyo3(signature = (visa, /, *, within = 5.0))]
    fn confirm(&self, py: Python<'_>, visa: &Presented, within: f64) -> PyResult<&'static str> {
        let within = seconds(py, within)?;
        Ok(match boundary::compute(py, || self.0.confirm_within(&visa.0, within))? {
            Redemption::Accepted => "accepted",
            Redemption::Refused => "refused",
            Redemption::Unavailable => "unavailable",
        })
    }

    /// Says what a visa was worth: 0.5 and better releases the money, less withholds it. Signs the feedback, which names the visa (`jti`) and
    /// a page of its publisher. Returns the visa.
    #[pyo3(signature = (feedback, /, *, key = None))]
    fn feedback<'py>(
        &self,
        py: Python<'py>,
        feedback: &Feedback,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.feedback(feedback.as_core(), key))
    }

    /// Contests, as the publisher, that the money of a visa is withheld. Returns the visa.
    #[pyo3(signature = (jti, statement, *, key = None))]
    fn contest<'py>(
        &self,
        py: Python<'py>,
        jti: &str,
        statement: &str,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.contest(jti, statement, key))
    }

    /// Decides a dispute, as an operator: `release`, `refund`, or `split` with the publisher's part. Returns the visa.
    #[pyo3(signature = (jti, decision, *, amount = None, memo = None, key = None))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        jti: &str,
        decision: &str,
        amount: Option<&str>,
        memo: Option<&str>,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.decide(jti, decision, amount, memo, key))
    }

    /// The accounts of an owner, one's own without one: `{accounts}`, none as long as no money has moved.
    #[pyo3(signature = (owner = None))]
    fn account<'py>(&self, py: Python<'py>, owner: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.account(owner))
    }

    /// A page of transfers, newest first: `{transfers, next_cursor}`.
    #[pyo3(signature = (owner = None, *, cursor = None, limit = None))]
    fn transfers<'py>(
        &self,
        py: Python<'py>,
        owner: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.transfers(owner, cursor, limit))
    }

    /// A statement that adds up: `{account, from, until, opening, closing, transfers}`. `since` and `until` are RFC 3339 text.
    #[pyo3(signature = (owner = None, *, asset = None, since = None, until = None))]
    fn statement<'py>(
        &self,
        py: Python<'py>,
        owner: Option<&str>,
        asset: Option<&str>,
        since: Option<&str>,
        until: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.statement(owner, &Period { asset, from: since, until }))
    }

    /// Books a deposit, as an operator. `reference` is what the bank calls it, and counts once for ever. Returns the transfer.
    #[pyo3(signature = (owner, amount, *, reference, asset = None, memo = None, key = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn deposit<'py>(
        &self,
        py: Python<'py>,
        owner: &str,
        amount: &str,
        reference: &str,
        asset: Option<&str>,
        memo: Option<&str>,
        key: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        dict(py, || self.0.deposit(owner, amount, asset, reference, memo, key))
    }

    fn __repr__(&self) -> String {
        format!("BrokerClient({})", self.0.issuer())
    }
}

fn own_fetcher(
    py: Python<'_>,
    given: Option<&Fetcher>,
    allow_loopback: bool,
) -> PyResult<imagxp_fetch::Fetcher> {
    match given {
        Some(_) if allow_loopback => {
            Err(errors::argument(py, "allow_loopback belongs to the fetcher that was given"))
        }
        Some(fetcher) => Ok(fetcher.0.clone()),
        None => boundary::call(py, || {
            imagxp_fetch::Fetcher::new(Options { allow_loopback, ..Options::default() })
        }),
    }
}

fn dict<'py>(
    py: Python<'py>,
    act: impl FnOnce() -> Result<Object<'static>, BrokerError> + Send,
) -> PyResult<Bound<'py, PyDict>> {
    json::object(py, &call(py, act)?)
}

pub(crate) fn call<T: Send>(
    py: Python<'_>,
    act: impl FnOnce() -> Result<T, BrokerError> + Send,
) -> PyResult<T> {
    boundary::compute(py, act)?.map_err(|error| raise(py, &error))
}

pub(crate) fn raise(py: Python<'_>, error: &BrokerError) -> PyErr {
    if error.code().starts_with("usage.") || error.code() == "io.failed" {
        return errors::with_code(py, error.code(), error.message());
    }
    let make = || {
        let class = py.import("imagxp.errors")?.getattr("BrokerError")?;
        let arguments = (
            error.code(),
            error.message(),
            error.status(),
            error.request_id(),
            error.idempotency_key(),
            error.is_unknown(),
            error.is_transient(),
        );
        class.call1(arguments)
    };
    make().map_or_else(|error| error, PyErr::from_value)
}
