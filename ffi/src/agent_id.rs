//! The name of an agent: its domain.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::{AgentId, Error, Result};

pub(crate) fn agent_id(text: imagxp_slice<'_>, allow_loopback: bool) -> Result<AgentId> {
    let text = text.text("agent_id")?;
    AgentId::parse(text, allow_loopback)
        .ok_or_else(|| Error::argument(format!("`{text}` is not a public domain name")))
}

/// Whether this may be an agent_id: a public domain name in lower-case A-labels. `allow_loopback` also admits `localhost` and `127.0.0.1`
/// with a port, for development.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_agent_id_is_valid(text: imagxp_slice<'_>, allow_loopback: bool) -> bool {
    accessor(false, || agent_id(text, allow_loopback).is_ok())
}

/// The URL where an agent publishes its manifest.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_agent_id_manifest_url(
    text: imagxp_slice<'_>,
    allow_loopback: bool,
    url: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(url, || Ok(agent_id(text, allow_loopback)?.manifest_url())))
}
