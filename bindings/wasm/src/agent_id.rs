//! The agent's name: a public domain name.

use crate::errors::{self, Thrown};
use crate::options::Options;
use imagxp::AgentId;
use wasm_bindgen::prelude::*;

/// Reads a name that must be an agent_id.
pub(crate) fn parse(name: &str, allow_loopback: bool) -> Result<AgentId, Thrown> {
    AgentId::parse(name, allow_loopback)
        .ok_or_else(|| errors::argument(&format!("`{name}` is not a public domain name")))
}

/// Whether this may be an agent_id: a lower-case public domain name without scheme, port or trailing dot.
#[wasm_bindgen(js_name = isAgentId)]
pub fn is_agent_id(
    name: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
) -> Result<bool, Thrown> {
    let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
    Ok(AgentId::parse(name, allow_loopback).is_some())
}

/// Where the manifest of an agent lives.
#[wasm_bindgen(js_name = manifestUrl)]
pub fn manifest_url(
    agent_id: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
) -> Result<String, Thrown> {
    let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
    Ok(parse(agent_id, allow_loopback)?.manifest_url())
}
