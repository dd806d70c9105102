//! Client assertions: how an agent proves to a broker who asks, and how a broker verifies it.

use crate::errors::{Thrown, raise};
use crate::identity::Identity;
use crate::json;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::prepared::Prepared;
use crate::{identity, time};
use imagxp::Timestamp;
use imagxp::agent::assertion as core;
use imagxp::json::Object;
use wasm_bindgen::prelude::*;

/// Signs a client assertion (RFC 7523) for one request to a token endpoint: ES256, valid for a minute.
#[wasm_bindgen(js_name = signAssertion)]
pub fn sign_assertion(
    identity: &Identity,
    token_endpoint: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "AssertionOptions")] options: JsValue,
) -> Result<String, Thrown> {
    let (jti, now) = read(options)?;
    identity.0.assert_client(token_endpoint, &jti, now).map_err(raise)
}

/// What `signAssertion` would sign, for a key that answers later.
#[wasm_bindgen(js_name = prepareAssertion)]
pub fn prepare_assertion(
    identity: &Identity,
    token_endpoint: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "AssertionOptions")] options: JsValue,
) -> Result<Prepared, Thrown> {
    let (jti, now) = read(options)?;
    identity.0.prepare_assertion(token_endpoint, &jti, now).map(Prepared::text).map_err(raise)
}

fn read(options: JsValue) -> Result<(String, Timestamp), Thrown> {
    let options = Options::new(options, &["jti", "now"])?;
    let jti = options.text("jti")?.map_or_else(identity::random_uuid, Ok)?;
    Ok((jti, options.now()?))
}

/// The agent that an unverified assertion names: to find its manifest, never to trust it.
#[wasm_bindgen(js_name = assertionAgent)]
pub fn assertion_agent(
    assertion: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
) -> Result<String, Thrown> {
    let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
    core::read_agent(assertion.as_bytes(), allow_loopback).map(|agent| agent.to_string()).map_err(raise)
}

/// Verifies a client assertion with the agent's manifest. Whether its `jti` is new is for the broker's replay store to say.
#[wasm_bindgen(js_name = verifyAssertion, unchecked_return_type = "Assertion")]
pub fn verify_assertion(
    assertion: &str,
    manifest: &Manifest,
    token_endpoint: &str,
    #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
) -> Result<JsValue, Thrown> {
    let now = Options::new(options, &["now"])?.now()?;
    let found = core::verify(assertion.as_bytes(), &manifest.0, token_endpoint, now).map_err(raise)?;
    let mut object = Object::new();
    object.insert("agentId", found.agent_id.as_str());
    object.insert("keyId", found.key_id.as_str());
    object.insert("jti", found.jti.as_str());
    object.insert("exp", time::text(found.exp));
    json::object(&object)
}
