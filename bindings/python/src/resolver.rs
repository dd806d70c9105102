//! A fetcher joined with the core: verification that fetches what it lacks.

use crate::boundary;
use crate::fetcher::Fetcher;
use crate::headers::Headers;
use crate::publisher::Publisher;
use crate::time::{self, Time};
use crate::verdict::Need;
use crate::verification::{Pending, Verification};
use imagxp::Request;
use pyo3::prelude::*;

/// Verifies, fetching the manifests and key sets that verdicts need. It blocks, without holding the interpreter.
///
/// In an event loop: `await asyncio.to_thread(resolver.verify, publisher, ...)`.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Resolver(imagxp_fetch::Resolver);

#[pymethods]
impl Resolver {
    /// A resolver that fetches with this fetcher, or with one of its own.
    #[new]
    #[pyo3(signature = (fetcher = None))]
    fn new(py: Python<'_>, fetcher: Option<&Fetcher>) -> PyResult<Self> {
        let fetcher = match fetcher {
            Some(fetcher) => fetcher.0.clone(),
            None => boundary::call(py, || imagxp_fetch::Fetcher::new(imagxp_fetch::Options::default()))?,
        };
        Ok(Self(imagxp_fetch::Resolver::new(fetcher)))
    }

    /// Verifies one request as `Publisher.verify` does, and fetches what it needs. What remains pending is a visa to redeem.
    #[pyo3(signature = (publisher, method, url, headers, *, now = None, body_digest = None))]
    #[expect(clippy::too_many_arguments, reason = "those of Publisher.verify")]
    fn verify(
        &self,
        py: Python<'_>,
        publisher: &Publisher,
        method: &str,
        url: &str,
        headers: Headers<'_>,
        now: Option<Time>,
        body_digest: Option<&str>,
    ) -> PyResult<Verification> {
        let now = time::or_now(now);
        let lines = headers.lines();
        let request = Request { method, url, headers: &lines, body_digest };
        let verification = boundary::compute(py, || self.0.verify(publisher.core(), &request, now))?;
        Verification::new(py, verification)
    }

    /// Takes up a pending verification where it stopped, as `Publisher.resume` does, and fetches what it needs.
    #[pyo3(signature = (publisher, pending, *, now = None))]
    fn resume(
        &self,
        py: Python<'_>,
        publisher: &Publisher,
        pending: &Pending,
        now: Option<Time>,
    ) -> PyResult<Verification> {
        let pending = pending.take(py)?;
        let now = time::or_now(now);
        let verification = boundary::compute(py, || self.0.resume(publisher.core(), pending, now))?;
        Verification::new(py, verification)
    }

    /// Fetches one need and hands it to the publisher: for event loops, which wait for it elsewhere and then resume.
    ///
    /// What goes wrong is recorded, so that the next verdict tells it, and raised.
    #[pyo3(signature = (publisher, need, *, now = None))]
    fn supply(&self, py: Python<'_>, publisher: &Publisher, need: &Need, now: Option<Time>) -> PyResult<()> {
        let now = time::or_now(now);
        boundary::call(py, || self.0.supply(publisher.core(), &need.0, now))
    }

    fn __repr__(&self) -> &'static str {
        "Resolver(..)"
    }
}
