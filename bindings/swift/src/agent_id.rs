//! The agent's name: a public domain name.

use crate::error::ImagxpError;
use imagxp::AgentId;

/// Reads a name that must be an agent_id.
pub(crate) fn parse(name: &str, allow_loopback: bool) -> imagxp::Result<AgentId> {
    AgentId::parse(name, allow_loopback)
        .ok_or_else(|| imagxp::Error::argument(format!("`{name}` is not a public domain name")))
}

/// Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot.
///
/// `allowLoopback` also admits `localhost` and `127.0.0.1`, with a port: for development.
#[uniffi::export(default(allow_loopback = false))]
pub(crate) fn is_agent_id(name: &str, allow_loopback: bool) -> bool {
    AgentId::parse(name, allow_loopback).is_some()
}

/// Where the manifest of an agent lives. Throws `usage.argument` for what is not an agent_id.
#[uniffi::export(default(allow_loopback = false))]
pub(crate) fn manifest_url(agent_id: &str, allow_loopback: bool) -> Result<String, ImagxpError> {
    Ok(parse(agent_id, allow_loopback)?.manifest_url())
}
