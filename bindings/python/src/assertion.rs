//! Client assertions: how an agent proves to a broker who asks, and how a broker verifies it.

use crate::boundary;
use crate::identity::{Identity, random_uuid};
use crate::json::Text;
use crate::manifest::Manifest;
use crate::time::{self, Time};
use imagxp::agent::assertion as core;
use pyo3::prelude::*;

/// A client assertion that was verified. Whether its `jti` is new is for the broker's replay store to say.
#[pyclass(frozen, eq, module = "imagxp")]
#[derive(Clone, PartialEq)]
pub(crate) struct Assertion(core::Assertion);

#[pymethods]
impl Assertion {
    /// Who asks.
    #[getter]
    fn agent_id(&self) -> &str {
        self.0.agent_id.as_str()
    }

    /// The thumbprint of the key: what a visa is bound to (`cnf.jkt`).
    #[getter]
    fn key_id(&self) -> &str {
        self.0.key_id.as_str()
    }

    /// The assertion's name; it counts once until `exp`.
    #[getter]
    fn jti(&self) -> &str {
        &self.0.jti
    }

    /// When it ends.
    #[getter]
    fn exp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        time::to_datetime(py, self.0.exp)
    }
}

/// Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute.
#[pyfunction]
#[pyo3(signature = (identity, token_endpoint, *, jti = None, now = None))]
pub(crate) fn sign_assertion(
    py: Python<'_>,
    identity: &Identity,
    token_endpoint: &str,
    jti: Option<String>,
    now: Option<Time>,
) -> PyResult<String> {
    let now = time::or_now(now);
    boundary::call(py, || {
        let jti = jti.map_or_else(random_uuid, Ok)?;
        identity.inner.assert_client(token_endpoint, &jti, now)
    })
}

/// The agent that an unverified assertion names: to find its manifest, never to trust it.
#[pyfunction]
#[pyo3(signature = (assertion, /, *, allow_loopback = false))]
pub(crate) fn assertion_agent(py: Python<'_>, assertion: Text, allow_loopback: bool) -> PyResult<String> {
    boundary::call(py, || core::read_agent(&assertion.0, allow_loopback).map(|agent| agent.to_string()))
}

/// Verifies a client assertion with the agent's manifest.
#[pyfunction]
#[pyo3(signature = (assertion, manifest, token_endpoint, *, now = None))]
pub(crate) fn verify_assertion(
    py: Python<'_>,
    assertion: Text,
    manifest: &Manifest,
    token_endpoint: &str,
    now: Option<Time>,
) -> PyResult<Assertion> {
    let now = time::or_now(now);
    boundary::call(py, || core::verify(&assertion.0, &manifest.0, token_endpoint, now).map(Assertion))
}
