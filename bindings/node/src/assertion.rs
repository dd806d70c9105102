//! Client assertions: how an agent proves to a broker who asks, and how a broker verifies it.

use crate::agent_id::{DevelopmentOptions, loopback};
use crate::boundary;
use crate::identity::{Identity, random_uuid};
use crate::js::{ClassInstance, JsString, Text};
use crate::manifest::Manifest;
use crate::options::options;
use crate::publisher::NowOptions;
use crate::time::{self, DateTime, Time};
use imagxp::agent::assertion as core;
use napi::Result;
use napi_derive::napi;

options! {
    /// What `signAssertion` also takes.
    AssertionOptions {
        /// A random UUID unless given.
        jti: Option<JsString>,
        /// The clock's time unless given.
        now: Option<Time>,
    }
}

/// A client assertion that was verified. Whether its `jti` is new is for the broker's replay store to say.
#[napi]
pub struct Assertion(core::Assertion);

#[napi]
impl Assertion {
    /// Who asks.
    #[napi(getter)]
    pub fn agent_id(&self) -> &str {
        self.0.agent_id.as_str()
    }

    /// The thumbprint of the key: what a visa is bound to (`cnf.jkt`).
    #[napi(getter)]
    pub fn key_id(&self) -> &str {
        self.0.key_id.as_str()
    }

    /// The assertion's name; it counts once until `exp`.
    #[napi(getter)]
    pub fn jti(&self) -> &str {
        &self.0.jti
    }

    /// When it ends.
    #[napi(getter)]
    pub fn exp(&self) -> DateTime {
        DateTime(self.0.exp)
    }
}

/// Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute.
#[napi]
pub fn sign_assertion(
    identity: ClassInstance<Identity>,
    token_endpoint: JsString,
    options: Option<AssertionOptions>,
) -> Result<String> {
    let (jti, now) = options.map_or((None, None), |options| (options.jti, options.now));
    let now = time::or_now(now);
    boundary::call(|| {
        let jti = jti.map_or_else(random_uuid, |jti| Ok(jti.0))?;
        identity.inner.assert_client(&token_endpoint, &jti, now)
    })
}

/// The agent that an unverified assertion names: to find its manifest, never to trust it.
#[napi]
pub fn assertion_agent(assertion: Text, options: Option<DevelopmentOptions>) -> Result<String> {
    let allow_loopback = loopback(options.as_ref());
    boundary::call(|| core::read_agent(&assertion.0, allow_loopback).map(|agent| agent.to_string()))
}

/// Verifies a client assertion with the agent's manifest.
#[napi]
pub fn verify_assertion(
    assertion: Text,
    manifest: ClassInstance<Manifest>,
    token_endpoint: JsString,
    options: Option<NowOptions>,
) -> Result<Assertion> {
    let now = time::or_now(options.and_then(|options| options.now));
    boundary::call(|| core::verify(&assertion.0, &manifest.0, &token_endpoint, now).map(Assertion))
}
