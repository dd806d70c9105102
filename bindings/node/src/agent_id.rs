//! The agent's name: a public domain name.

use crate::errors;
use crate::js::{JsBoolean, JsString};
use crate::options::options;
use imagxp::AgentId;
use napi::Result;
use napi_derive::napi;

options! {
    /// For development.
    DevelopmentOptions {
        /// Also admits `localhost` and `127.0.0.1`, with a port.
        allow_loopback: Option<JsBoolean>,
    }
}

/// Whether loopback is admitted.
pub(crate) fn loopback(options: Option<&DevelopmentOptions>) -> bool {
    options.and_then(|options| options.allow_loopback).is_some_and(|flag| flag.0)
}

/// Reads a name that must be an agent_id.
pub(crate) fn parse(name: &str, allow_loopback: bool) -> Result<AgentId> {
    AgentId::parse(name, allow_loopback)
        .ok_or_else(|| errors::argument(&format!("`{name}` is not a public domain name")))
}

/// Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot.
#[napi]
pub fn is_agent_id(name: JsString, options: Option<DevelopmentOptions>) -> bool {
    AgentId::parse(&name, loopback(options.as_ref())).is_some()
}

/// Where the manifest of an agent lives.
#[napi]
pub fn manifest_url(agent_id: JsString, options: Option<DevelopmentOptions>) -> Result<String> {
    Ok(parse(&agent_id, loopback(options.as_ref()))?.manifest_url())
}
