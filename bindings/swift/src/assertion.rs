//! Client assertions: how an agent proves to a broker who asks, and how a broker verifies it.

use crate::error::ImagxpError;
use crate::identity::{Identity, random_uuid};
use crate::manifest::Manifest;
use crate::{boundary, time};
use imagxp::Timestamp;
use imagxp::agent::assertion as core;
use std::sync::Arc;

/// A client assertion that was verified. Whether its `jti` is new is for the broker's replay store to say.
#[derive(uniffi::Record)]
pub(crate) struct Assertion {
    /// Who asks.
    pub(crate) agent_id: String,
    /// The thumbprint of the key: what a visa is bound to (`cnf.jkt`).
    pub(crate) key_id: String,
    /// The assertion's name; it counts once until `exp`.
    pub(crate) jti: String,
    /// When it ends.
    pub(crate) exp: Timestamp,
}

/// Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute.
#[uniffi::export(default(jti = None, now = None))]
pub(crate) fn sign_assertion(
    identity: Arc<Identity>,
    token_endpoint: &str,
    jti: Option<String>,
    now: Option<Timestamp>,
) -> Result<String, ImagxpError> {
    boundary::call(|| {
        let jti = jti.map_or_else(random_uuid, Ok)?;
        identity.inner.assert_client(token_endpoint, &jti, time::or_now(now))
    })
}

/// The agent that an unverified assertion names: to find its manifest, never to trust it.
#[uniffi::export(default(allow_loopback = false))]
pub(crate) fn assertion_agent(assertion: &str, allow_loopback: bool) -> Result<String, ImagxpError> {
    boundary::call(|| core::read_agent(assertion.as_bytes(), allow_loopback).map(|agent| agent.to_string()))
}

/// Verifies a client assertion with the agent's manifest.
#[uniffi::export(default(now = None))]
pub(crate) fn verify_assertion(
    assertion: &str,
    manifest: Arc<Manifest>,
    token_endpoint: &str,
    now: Option<Timestamp>,
) -> Result<Assertion, ImagxpError> {
    let found = boundary::call(|| {
        core::verify(assertion.as_bytes(), &manifest.0, token_endpoint, time::or_now(now))
    })?;
    Ok(Assertion {
        agent_id: found.agent_id.to_string(),
        key_id: found.key_id.as_str().to_owned(),
        jti: found.jti,
        exp: found.exp,
    })
}
