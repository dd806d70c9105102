//! Redeeming in the background, in batches.

use crate::broker::{BrokerClient, call, raise};
use crate::presented::Presented;
use crate::{boundary, errors, json};
use core::time::Duration;
use imagxp_fetch::broker::{self, Outcome, Redeemed, RedeemerOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Redeems in batches from a thread of its own, which starts with the first visa: a publisher serves first and presents soon after.
///
/// Each visa that `push` took is reported once: `on_outcome(presented, result, error)` on that thread, with the dict of `BrokerClient.redeem`
/// or an `ImagxpError`: nearly always a `BrokerError`; a `SignerError` when the key could not sign until then. `batch` visas or `interval` seconds make a batch; `give_up` seconds without an answer end in an error. What waits is in
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

    /// The broker whose visas it presents.
    #[getter]
    fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// Whether it is paid for the page at this URL: a broker pays each host by its own name.
    #[pyo3(signature = (url, /))]
    fn is_paid_for(&self, url: &str) -> bool {
        self.0.is_paid_for(url)
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

pub(crate) fn seconds(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    // A year and more is no time to wait; adding it to a clock must not overflow.
    let fits = Duration::try_from_secs_f64(seconds).ok().filter(|time| time.as_secs() < 366 * 86_400);
    fits.ok_or_else(|| errors::argument(py, "the seconds are not a number from 0 to a year"))
}
