//! A broker's client, and the redeemer that works in the background.

use crate::feedback::Feedback;
use crate::fetcher::Fetcher;
use crate::headers::Headers;
use crate::identity::Identity;
use crate::key::PublicKey;
use crate::{boundary, errors, json, purpose, time};
use core::time::Duration;
use imagxp::json::Object;
use imagxp::publisher::Redemption;
use imagxp_fetch::Options;
use imagxp_fetch::broker::{self, BrokerError, Outcome, Period, Redeemed, RedeemerOptions, Want};
use pyo3::exceptions::PyTypeError;
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

    /// Redeems up to 1000 visas; one dict for each, in their order: `{jti, accepted, amount, asset, repeated, error}`.
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

    /// The broker's word on one visa: `accepted`, `refused` or `unavailable`, for `Pending.redeemed`.
    #[pyo3(signature = (visa, /))]
    fn confirm(&self, py: Python<'_>, visa: &Presented) -> PyResult<&'static str> {
        Ok(match boundary::compute(py, || self.0.confirm(&visa.0))? {
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

/// A visa with the signed request that brought it: the broker looks at both.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Presented(broker::Presented);

#[pymethods]
impl Presented {
    /// The visa and the signature among the headers of a request that was verified. `public_key` is the agent's, where the request did not
    /// bring it.
    #[new]
    #[pyo3(signature = (headers, *, public_key = None))]
    fn new(py: Python<'_>, headers: Headers<'_>, public_key: Option<&PublicKey>) -> PyResult<Self> {
        let presented =
            broker::Presented::of_request(&headers.lines()).map_err(|error| errors::raise(py, &error))?;
        Ok(Self(match public_key {
            Some(key) => presented.with_key(&key.0),
            None => presented,
        }))
    }

    /// The visa, which is as good as money.
    #[getter]
    fn visa(&self) -> &str {
        self.0.visa()
    }

    fn __repr__(&self) -> &'static str {
        "Presented(..)"
    }
}

/// Redeems in batches from a thread of its own, which starts with the first visa: a publisher serves first and presents soon after.
///
/// Each visa that `push` took is reported once: `on_outcome(presented, result, error)` on that thread, with the dict of `BrokerClient.redeem`
/// or a `BrokerError`. `batch` visas or `interval` seconds make a batch; `give_up` seconds without an answer end in an error. What waits is in
/// memory: `close` it before the process ends. After a fork the child's queue is empty.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Redeemer(broker::Redeemer);

#[pymethods]
impl Redeemer {
    #[new]
    #[pyo3(signature = (client, on_outcome, *, capacity = 10_000, batch = 500, interval = 5.0, give_up = 3600.0))]
    fn new(
        py: Python<'_>,
        client: &BrokerClient,
        on_outcome: Py<PyAny>,
        capacity: usize,
        batch: usize,
        interval: f64,
        give_up: f64,
    ) -> PyResult<Self> {
        if !on_outcome.bind(py).is_callable() {
            return Err(PyTypeError::new_err("on_outcome is not callable"));
        }
        let (interval, give_up) = (seconds(py, interval)?, seconds(py, give_up)?);
        let options = RedeemerOptions { capacity, batch, interval, give_up };
        let report = move |outcome: Outcome| {
            Python::attach(|py| {
                if let Err(error) = tell(py, &on_outcome, outcome) {
                    errors::log(py, "on_outcome failed", &error);
                }
            });
        };
        call(py, || broker::Redeemer::new(client.0.clone(), options, report)).map(Self)
    }

    /// Takes a visa. Raises `BrokerError` when it did not: `redeemer.full`, `redeemer.closed`.
    #[pyo3(signature = (presented, /))]
    fn push(&self, py: Python<'_>, presented: &Presented) -> PyResult<()> {
        call(py, || self.0.push(presented.0.clone()))
    }

    /// How many visas have come to what: `{waiting, accepted, refused, failed}`.
    #[getter]
    fn tally<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tally = boundary::compute(py, || self.0.tally())?;
        let dict = PyDict::new(py);
        let counts = [
            ("waiting", tally.waiting),
            ("accepted", tally.accepted),
            ("refused", tally.refused),
            ("failed", tally.failed),
        ];
        for (name, count) in counts {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }

    /// Presents now what waits; `False` when something still waits after so many seconds.
    #[pyo3(signature = (within = 30.0))]
    fn flush(&self, py: Python<'_>, within: f64) -> PyResult<bool> {
        let within = seconds(py, within)?;
        boundary::compute(py, || self.0.flush(within))
    }

    /// Takes no more, presents what waits, and reports what could not be presented within so many seconds. Returns how many those were.
    #[pyo3(signature = (within = 30.0))]
    fn close(&self, py: Python<'_>, within: f64) -> PyResult<u64> {
        let within = seconds(py, within)?;
        boundary::compute(py, || self.0.close(within))
    }

    fn __repr__(&self) -> &'static str {
        "Redeemer(..)"
    }
}

fn tell(py: Python<'_>, on_outcome: &Py<PyAny>, outcome: Outcome) -> PyResult<()> {
    let read = |result: &Redeemed| json::object(py, &result.to_json());
    let (result, error) = match &outcome.result {
        Ok(result) => (Some(read(result)?), None),
        Err(error) => (None, Some(raise(py, error).into_value(py))),
    };
    on_outcome.call1(py, (Presented(outcome.presented), result, error)).map(drop)
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

fn seconds(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    // A year and more is no time to wait; adding it to a clock must not overflow.
    let fits = Duration::try_from_secs_f64(seconds).ok().filter(|time| time.as_secs() < 366 * 86_400);
    fits.ok_or_else(|| errors::argument(py, "the seconds are not a number from 0 to a year"))
}

fn dict<'py>(
    py: Python<'py>,
    act: impl FnOnce() -> Result<Object<'static>, BrokerError> + Send,
) -> PyResult<Bound<'py, PyDict>> {
    json::object(py, &call(py, act)?)
}

fn call<T: Send>(py: Python<'_>, act: impl FnOnce() -> Result<T, BrokerError> + Send) -> PyResult<T> {
    boundary::compute(py, act)?.map_err(|error| raise(py, &error))
}

fn raise(py: Python<'_>, error: &BrokerError) -> PyErr {
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
