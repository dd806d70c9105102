//! What a site does: one request in, one verdict out.

use crate::audit::{AuditLog, PythonSink};
use crate::claim::Claim;
use crate::errors;
use crate::explain::Explanation;
use crate::feedback::FeedbackVerification;
use crate::headers::Headers;
use crate::json::{Document, Text};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::presented::Presented;
use crate::replay::{MemoryReplayStore, PythonStore};
use crate::replay_stores;
use crate::request::Received;
use crate::time::{self, Time};
use crate::verdict::Verdict;
use crate::verification::{Pending, Verification};
use crate::{boundary, key, purpose};
use imagxp::publisher::{self as core, FetchFailure};
use imagxp::{Error, ErrorKind, Request};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A site that verifies its readers; shared between threads without locks.
#[pyclass(frozen, module = "imagxp")]
pub(crate) struct Publisher {
    inner: core::Publisher,
    policy: Py<Policy>,
    may_wait: bool,
    /// The process that makes the trace ids: one that was forked begins anew, or two would make the same.
    process: AtomicU32,
}

impl Publisher {
    /// The core's, in this process.
    pub(crate) fn core(&self) -> &core::Publisher {
        let process = std::process::id();
        if self.process.load(Ordering::Acquire) != process {
            // Without entropy the process alone keeps them apart.
            self.inner.begin_traces(first_trace().unwrap_or_else(|_| u64::from(process) << 32));
            self.process.store(process, Ordering::Release);
        }
        &self.inner
    }
}

/// Where trace ids begin: processes that share a secret begin with different numbers.
fn first_trace() -> imagxp::Result<u64> {
    let mut random = [0; 8];
    key::entropy(&mut random)?;
    Ok(u64::from_le_bytes(random))
}

/// A rule of the publisher's own, written in Python.
struct PythonRule(Py<PyAny>);

impl core::CustomPolicy for PythonRule {
    fn allows(&self, claim: &imagxp::Claim, path: &str) -> imagxp::Result<bool> {
        let answer = Python::attach(|py| {
            let allowed = self
                .0
                .bind(py)
                .call1((Claim::new(claim.clone()), path))
                .and_then(|answer| answer.extract::<bool>());
            allowed.map_err(|error| errors::log(py, "the custom policy failed", &error))
        });
        answer.map_err(|()| Error::new(ErrorKind::Policy, "the custom policy failed; see the log"))
    }
}

#[pymethods]
impl Publisher {
    /// A publisher.
    ///
    /// `secret`: 16 random bytes that key the hashes of nonces, the same in every process that shares a replay store; made up when
    /// not given, except for a store in Redis or PostgreSQL. `replay_store`: in memory unless given. `custom_policy`: called last, before a visa is spent, with the verified claim and the decoded path;
    /// it returns whether the request may pass, and is called for each reading of a path that servers read differently (`/a;b`, `//`, `%2F`): one `False` refuses; an
    /// exception is `policy.error` (503). `audit`: an `AuditLog`, or a callable that takes
    /// the record's JSON and the manifest in force (or `None`), both bytes; an exception is `audit.unavailable` (503).
    #[new]
    #[pyo3(signature = (policy, *, secret = None, replay_store = None, custom_policy = None, limits = None, audit = None))]
    fn new(
        py: Python<'_>,
        policy: Py<Policy>,
        secret: Option<&[u8]>,
        replay_store: Option<&Bound<'_, PyAny>>,
        custom_policy: Option<Py<PyAny>>,
        limits: Option<&Limits>,
        audit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let shared = replay_store.and_then(replay_stores::shared);
        if shared.is_some() && secret.is_none() {
            return Err(errors::argument(
                py,
                "a shared replay store needs the `secret` that its processes share",
            ));
        }
        let secret: [u8; 16] = match secret {
            Some(secret) => {
                secret.try_into().map_err(|_| errors::argument(py, "the secret is not 16 bytes"))?
            }
            None => boundary::call(py, || {
                let mut secret = [0; 16];
                key::entropy(&mut secret)?;
                Ok(secret)
            })?,
        };
        let mut may_wait = false;
        let first_trace = boundary::call(py, first_trace)?;
        let mut inner =
            core::Publisher::new(policy.get().0.as_ref().clone(), secret).with_first_trace(first_trace);
        if let Some(store) = shared {
            // It waits for a server, and so must not run in an event loop.
            may_wait = true;
            inner = inner.with_replay_store(store);
        } else if let Some(store) = replay_store {
            inner = match store.cast::<MemoryReplayStore>() {
                Ok(memory) => {
                    inner.with_replay_store(Arc::<imagxp::replay::MemoryReplayStore>::clone(&memory.get().0))
                }
                Err(_) => {
                    may_wait = true;
                    inner.with_replay_store(Arc::new(PythonStore::new(store)?))
                }
            };
        }
        if let Some(rule) = custom_policy {
            if !rule.bind(py).is_callable() {
                return Err(PyTypeError::new_err("custom_policy is not callable"));
            }
            may_wait = true;
            inner = inner.with_custom_policy(Arc::new(PythonRule(rule)));
        }
        match audit.map(|audit| (audit, audit.cast::<AuditLog>())) {
            None => {}
            Some((_, Ok(log))) => {
                // It may wait for the disk, and so must not run in an event loop.
                may_wait = true;
                inner = inner.with_audit(Arc::<imagxp_files::audit::AuditLog>::clone(&log.get().0));
            }
            Some((sink, Err(_))) if sink.is_callable() => {
                may_wait = true;
                inner = inner.with_audit(Arc::new(PythonSink(sink.clone().unbind())));
            }
            Some(_) => return Err(PyTypeError::new_err("audit is neither an AuditLog nor callable")),
        }
        if let Some(limits) = limits {
            inner = inner.with_limits(limits.0);
        }
        Ok(Self { inner, policy, may_wait, process: AtomicU32::new(std::process::id()) })
    }

    /// The policy.
    #[getter]
    fn policy(&self, py: Python<'_>) -> Py<Policy> {
        self.policy.clone_ref(py)
    }

    /// Whether verifying may wait: for Python code (a replay store, a rule, a sink), for Redis or PostgreSQL, or for the disk of an audit log.
    #[getter]
    fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Verifies one request.
    ///
    /// `url`: the request target (`/path?query`); its origin is the policy's, never a `Host` header's. `headers`: every line, in
    /// whatever form the framework has them. `body_digest`: `content_digest(body)`; `None` while the body has not been read, and a claim that
    /// names a digest is then refused with `claim.digest_mismatch`, before anything is spent and without an audit record: read the body and verify
    /// again. Empty when it will not be read: that refusal is recorded. `purposes`: what is asked for is there for these only, whatever the policy
    /// allows beyond them; any other is refused before a visa is spent.
    #[pyo3(signature = (method, url, headers, *, now = None, body_digest = None, purposes = Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn verify(
        &self,
        py: Python<'_>,
        method: PyBackedStr,
        url: PyBackedStr,
        headers: Headers<'_>,
        now: Option<Time>,
        body_digest: Option<PyBackedStr>,
        purposes: Vec<PyBackedStr>,
    ) -> PyResult<Verification> {
        let now = time::or_now(now);
        let purposes = purposes.iter().map(|name| purpose::parse(py, name)).collect::<PyResult<Vec<_>>>()?;
        let received = Received { method, url, headers, body_digest };
        let lines = received.lines();
        let request = received.view(&lines);
        let verification = boundary::compute(py, || self.core().verify_for(&request, &purposes, now))?;
        Verification::new(py, verification)
    }

    /// Verifies many requests, `(method, url, headers)` or `(method, url, headers, body_digest)` each, with the verdicts of one after the
    /// other. Signatures of keys that are seen often are checked together, which is a sixth cheaper from eight on, and a quarter from sixty-four.
    #[pyo3(signature = (requests, *, now = None))]
    fn verify_batch(
        &self,
        py: Python<'_>,
        requests: Vec<Received<'_>>,
        now: Option<Time>,
    ) -> PyResult<Vec<Verification>> {
        let now = time::or_now(now);
        let lines: Vec<_> = requests.iter().map(Received::lines).collect();
        let requests: Vec<_> =
            requests.iter().zip(&lines).map(|(received, lines)| received.view(lines)).collect();
        let verifications = boundary::compute(py, || self.core().verify_batch(&requests, now))?;
        verifications.into_iter().map(|verification| Verification::new(py, verification)).collect()
    }

    /// Takes up a pending verification where it stopped; only once.
    #[pyo3(signature = (pending, *, now = None))]
    fn resume(&self, py: Python<'_>, pending: &Pending, now: Option<Time>) -> PyResult<Verification> {
        let pending = pending.take(py)?;
        let now = time::or_now(now);
        let verification = boundary::compute(py, || self.core().resume(pending, now))?;
        Verification::new(py, verification)
    }

    /// What a broker is shown of a request, by the verdict on it: one that waits for a broker's word (`BrokerClient.confirm`), or one that let a
    /// visa in, which is redeemed later (`Redeemer.push`). The agent's key is named where the request did not bring it.
    ///
    /// `headers`: every line of that request. Raises `UsageError` (`usage.argument`) when the verdict neither waits for a broker nor lets a visa in,
    /// when there is no visa among the lines, or when the manifest that lists the key is not at hand any more.
    #[pyo3(signature = (verdict, headers, *, now = None))]
    fn presented(
        &self,
        py: Python<'_>,
        verdict: &Verdict,
        headers: Headers<'_>,
        now: Option<Time>,
    ) -> PyResult<Presented> {
        let now = time::or_now(now);
        let lines = headers.lines();
        boundary::call(py, || self.core().presented_of(verdict.core(), &lines, now)).map(Presented)
    }

    /// Verifies without spending anything, and tells each step with what was expected and received.
    #[pyo3(signature = (method, url, headers, *, now = None, body_digest = None))]
    fn explain(
        &self,
        py: Python<'_>,
        method: PyBackedStr,
        url: PyBackedStr,
        headers: Headers<'_>,
        now: Option<Time>,
        body_digest: Option<PyBackedStr>,
    ) -> PyResult<Explanation> {
        let now = time::or_now(now);
        let received = Received { method, url, headers, body_digest };
        let lines = received.lines();
        let request = received.view(&lines);
        Ok(Explanation::new(boundary::compute(py, || self.core().explain(&request, now))?))
    }

    /// Verifies the value of `x-imagxp-feedback`, or the body of a POST.
    ///
    /// `carrier`: the verdict on the request that carried it; without it the feedback must name its agent, time and nonce. When the
    /// verdict has needs, fetch the manifest, `supply` it and call this again: nothing has been spent.
    #[pyo3(signature = (value, *, carrier = None, now = None))]
    fn feedback(
        &self,
        py: Python<'_>,
        value: Text,
        carrier: Option<&Verdict>,
        now: Option<Time>,
    ) -> PyResult<FeedbackVerification> {
        let now = time::or_now(now);
        let carrier = carrier.map(Verdict::core);
        let taken = boundary::compute(py, || self.core().feedback(&value.0, carrier, now))?;
        FeedbackVerification::new(py, taken)
    }

    /// Hands in the body that a URL from `needs` answered with, and its `Cache-Control: max-age` in seconds if it had one.
    ///
    /// A body that breaks a rule is recorded as a failure and raised as `ManifestError` or `KeyFormatError`; resume either way.
    #[pyo3(signature = (url, body, *, max_age = None, now = None))]
    fn supply(
        &self,
        py: Python<'_>,
        url: &str,
        body: Document,
        max_age: Option<u32>,
        now: Option<Time>,
    ) -> PyResult<()> {
        let now = time::or_now(now);
        boundary::call(py, || self.core().supply(url, &body.0, max_age, now))
    }

    /// Reports that a URL from `needs` could not be fetched: `failed`, `not_found`, `redirect`, `address_denied`, `busy`, `invalid`.
    #[pyo3(signature = (url, failure, *, now = None))]
    fn supply_failure(&self, py: Python<'_>, url: &str, failure: &str, now: Option<Time>) -> PyResult<()> {
        let failure = FetchFailure::from_name(failure).ok_or_else(|| {
            errors::argument(py, &format!("`{failure}` is not the name of a fetch failure"))
        })?;
        let now = time::or_now(now);
        boundary::call(py, || self.core().supply_failure(url, failure, now))
    }

    /// Verifies each once and tells how many nanoseconds the core took for all of them: what a benchmark compares [`Self::verify`] with.
    #[pyo3(signature = (method, url, requests, *, now))]
    fn _core_nanoseconds(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        requests: Vec<Headers<'_>>,
        now: Time,
    ) -> PyResult<u64> {
        let requests: Vec<_> = requests.iter().map(Headers::lines).collect();
        boundary::compute(py, || {
            let begin = std::time::Instant::now();
            for headers in &requests {
                let request = Request { method, url, headers, body_digest: None };
                drop(std::hint::black_box(self.core().verify(&request, now.0)));
            }
            u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
        })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!(
            "Publisher({})",
            self.policy.bind(py).repr().map_or_else(|_| String::new(), |text| text.to_string())
        )
    }
}
