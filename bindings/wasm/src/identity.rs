//! An agent's identity: its domain and the key with which it signs.

use crate::errors::{Thrown, raise};
use crate::key::{PrivateKey, PublicKey};
use crate::manifest::{self, Manifest};
use crate::options::{self, Options};
use crate::prepared::Prepared;
use crate::sign::Wanted;
use crate::{agent_id, headers, key, time};
use imagxp::{agent, crypto};
use js_sys::Array;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A domain name and the key that signs for it.
#[wasm_bindgen]
pub struct Identity(pub(crate) agent::Identity);

#[wasm_bindgen]
impl Identity {
    /// Joins a domain with a key in memory.
    #[wasm_bindgen(constructor)]
    pub fn new(
        agent_id: &str,
        key: &PrivateKey,
        #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
    ) -> Result<Identity, Thrown> {
        let signer: Arc<dyn crypto::Signer> = Arc::<crypto::PrivateKey>::clone(&key.0);
        Ok(Self(agent::Identity::with_signer(name(agent_id, options)?, signer)))
    }

    /// Joins a domain with a key that lives elsewhere and answers later (WebCrypto, a KMS): use `prepare` and its kin, not `sign`.
    pub fn external(
        agent_id: &str,
        public_key: &PublicKey,
        #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
    ) -> Result<Identity, Thrown> {
        Ok(Self(agent::Identity::with_public_key(name(agent_id, options)?, public_key.0.clone())))
    }

    /// The domain.
    #[wasm_bindgen(getter, js_name = agentId)]
    pub fn agent_id(&self) -> String {
        self.0.agent_id().as_str().to_owned()
    }

    /// The key that publishers must find in the manifest.
    #[wasm_bindgen(getter, js_name = publicKey)]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// The thumbprint of the key.
    #[wasm_bindgen(getter, js_name = keyId)]
    pub fn key_id(&self) -> String {
        self.0.public_key().thumbprint().as_str().to_owned()
    }

    /// Signs one request; returns the headers to send. `User-Agent` is not among them: see `userAgent`.
    ///
    /// `url` is absolute. `now` is the clock's time and `nonce` a random UUID unless given.
    #[wasm_bindgen(unchecked_return_type = "[string, string][]")]
    pub fn sign(
        &self,
        method: String,
        url: String,
        purpose: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "SignOptions")] options: JsValue,
    ) -> Result<JsValue, Thrown> {
        let wanted = Wanted::new(method, url, purpose, options)?;
        let now = wanted.now.unwrap_or_else(time::clock);
        self.0
            .sign(&wanted.request.as_ref(), now, &wanted.nonce)
            .map(|signed| headers::signed(&signed))
            .map_err(raise)
    }

    /// Signs many requests as `sign` does one after the other: each `[method, url, purpose, options?]`. ES256 signatures share their
    /// inversions, which makes eight and more an eighth cheaper.
    ///
    /// All or none: the error names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for the
    /// requests that do not say their own.
    #[wasm_bindgen(js_name = signBatch, unchecked_return_type = "[string, string][][]")]
    pub fn sign_batch(
        &self,
        #[wasm_bindgen(
            unchecked_param_type = "readonly (readonly [method: string, url: string, purpose: string, options?: SignOptions])[]"
        )]
        requests: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "NowOptions")] options: JsValue,
    ) -> Result<Array, Thrown> {
        let now = Options::new(options, &["now"])?.now()?;
        let requests = options::list(&requests, Wanted::read)?;
        let batch: Vec<_> = requests
            .iter()
            .map(|wanted| (wanted.request.as_ref(), wanted.now.unwrap_or(now), wanted.nonce.as_str()))
            .collect();
        let signed = self.0.sign_batch(&batch).map_err(raise)?;
        Ok(signed.iter().map(headers::signed).collect())
    }

    /// What `sign` would sign, for a key that answers later; completing it gives the headers.
    pub fn prepare(
        &self,
        method: String,
        url: String,
        purpose: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "SignOptions")] options: JsValue,
    ) -> Result<Prepared, Thrown> {
        let wanted = Wanted::new(method, url, purpose, options)?;
        let now = wanted.now.unwrap_or_else(time::clock);
        self.0.prepare(&wanted.request.as_ref(), now, &wanted.nonce).map(Prepared::headers).map_err(raise)
    }

    /// The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
    pub fn manifest(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "ManifestOptions")] options: JsValue,
    ) -> Result<Manifest, Thrown> {
        let options = Options::new(options, &["contact", "others"])?;
        let others =
            options.list("others")?.into_iter().map(manifest::read_key).collect::<Result<Vec<_>, _>>()?;
        self.0.manifest(options.text("contact")?, &others).map(Manifest).map_err(raise)
    }
}

fn name(name: &str, options: JsValue) -> Result<imagxp::AgentId, Thrown> {
    let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
    agent_id::parse(name, allow_loopback)
}

/// A random UUID, the nonce of our agents.
pub(crate) fn random_uuid() -> Result<String, Thrown> {
    let mut bytes = [0_u8; 16];
    key::entropy(&mut bytes).map_err(raise)?;
    Ok(imagxp::encoding::uuid_v4(bytes))
}
