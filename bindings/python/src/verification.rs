//! A verification, and one that waits for something.

use crate::errors;
use crate::verdict::Verdict;
use imagxp::publisher::{self, Redemption};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A verification that waits for what its verdict's `needs` name. It can be resumed once.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Pending(Mutex<Option<publisher::Pending>>);

impl Pending {
    /// Takes what is to be resumed. Resuming twice would let one spent nonce pass two requests.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<publisher::Pending> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| errors::argument(py, "this verification has been resumed already"))
    }
}

#[pymethods]
impl Pending {
    /// Records the broker's answer to a `redeem` need: `accepted`, `refused` or `unavailable`.
    #[pyo3(signature = (answer, /))]
    fn redeemed(&self, py: Python<'_>, answer: &str) -> PyResult<()> {
        let answer = match answer {
            "accepted" => Redemption::Accepted,
            "refused" => Redemption::Refused,
            "unavailable" => Redemption::Unavailable,
            _ => return Err(errors::argument(py, "the answer is not one of accepted, refused, unavailable")),
        };
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(pending) => pending.redeemed(answer),
            None => return Err(errors::argument(py, "this verification has been resumed already")),
        }
        Ok(())
    }

    fn __repr__(&self) -> &'static str {
        "Pending(..)"
    }
}

/// The result of `Publisher.verify`: a verdict, and what to resume when it has needs.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Verification {
    /// The verdict so far.
    #[pyo3(get)]
    verdict: Py<Verdict>,
    /// Present when the verdict has `needs`.
    #[pyo3(get)]
    pending: Option<Py<Pending>>,
}

impl Verification {
    pub(crate) fn new(py: Python<'_>, verification: publisher::Verification) -> PyResult<Self> {
        let pending = verification.pending.map(|pending| Py::new(py, Pending(Mutex::new(Some(pending)))));
        Ok(Self { verdict: Py::new(py, Verdict::new(verification.verdict))?, pending: pending.transpose()? })
    }
}

#[pymethods]
impl Verification {
    fn __repr__(&self, py: Python<'_>) -> String {
        let state = if self.pending.is_some() { ", pending" } else { "" };
        format!("Verification({}{state})", self.verdict.get().__repr__(py))
    }

    /// Refused: see `Verdict.__bool__`.
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.verdict.get().__bool__(py)
    }
}
