//! The agent's name: a public domain name.

use crate::errors;
use imagxp::AgentId;
use pyo3::prelude::*;

/// Reads a name that must be an agent_id.
pub(crate) fn parse(py: Python<'_>, name: &str, allow_loopback: bool) -> PyResult<AgentId> {
    AgentId::parse(name, allow_loopback)
        .ok_or_else(|| errors::argument(py, &format!("`{name}` is not a public domain name")))
}

/// Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot.
///
/// `allow_loopback` also admits `localhost` and `127.0.0.1`, with a port: for development.
#[pyfunction]
#[pyo3(signature = (name, /, *, allow_loopback = false))]
pub(crate) fn is_agent_id(name: &str, allow_loopback: bool) -> bool {
    AgentId::parse(name, allow_loopback).is_some()
}

/// Where the manifest of an agent lives.
#[pyfunction]
#[pyo3(signature = (agent_id, /, *, allow_loopback = false))]
pub(crate) fn manifest_url(py: Python<'_>, agent_id: &str, allow_loopback: bool) -> PyResult<String> {
    Ok(parse(py, agent_id, allow_loopback)?.manifest_url())
}
