//! Provenance receipts: what a publisher served, signed by the publisher.

use crate::errors::{self, Thrown, raise};
use crate::headers::{self, Lines};
use crate::identity::Identity;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::prepared::Prepared;
use crate::{agent_id, digest, time};
use imagxp::encoding::hex_encode;
use imagxp::policy::ContentOrigin;
use imagxp::provenance as core;
use wasm_bindgen::prelude::*;

/// What was served: which bytes under which URL, when, to whom, and who made them.
#[wasm_bindgen]
pub struct Receipt(core::Receipt);

#[wasm_bindgen]
impl Receipt {
    /// A receipt to sign. `contentSha256`: 32 bytes, or hex, of the body as it is sent.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: String,
        #[wasm_bindgen(unchecked_param_type = "Sha256")] content_sha256: JsValue,
        #[wasm_bindgen(unchecked_param_type = "ReceiptOptions")] options: JsValue,
    ) -> Result<Receipt, Thrown> {
        let options = Options::new(options, &["origin", "traceId", "agentId", "now"])?;
        let origin = options.required("origin")?;
        let origin = ContentOrigin::from_name(&origin)
            .ok_or_else(|| errors::argument(&format!("`{origin}` is not HUMAN, SYNTHETIC or HYBRID")))?;
        Ok(Self(core::Receipt {
            agent_id: options.text("agentId")?.map(|name| agent_id::parse(&name, true)).transpose()?,
            content_sha256: digest::sha256(&content_sha256)?,
            origin,
            trace_id: options.required("traceId")?,
            ts: options.now()?,
            url,
        }))
    }

    /// To whom, when the reader was verified.
    #[wasm_bindgen(getter, js_name = agentId)]
    pub fn agent_id(&self) -> Option<String> {
        self.0.agent_id.as_ref().map(|agent| agent.as_str().to_owned())
    }

    /// The SHA-256 of the content, in hex.
    #[wasm_bindgen(getter, js_name = contentSha256)]
    pub fn content_sha256(&self) -> String {
        hex_encode(&self.0.content_sha256)
    }

    /// Who made the content: `HUMAN`, `SYNTHETIC` or `HYBRID`.
    #[wasm_bindgen(getter)]
    pub fn origin(&self) -> String {
        self.0.origin.as_str().to_owned()
    }

    /// The publisher's name for this answer.
    #[wasm_bindgen(getter, js_name = traceId)]
    pub fn trace_id(&self) -> String {
        self.0.trace_id.clone()
    }

    /// When, as RFC 3339 text.
    #[wasm_bindgen(getter)]
    pub fn ts(&self) -> String {
        time::text(self.0.ts)
    }

    /// The absolute URL that was requested.
    #[wasm_bindgen(getter)]
    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// Signs the receipt with the key of the publisher's own identity; returns the two response headers.
    #[wasm_bindgen(unchecked_return_type = "[string, string][]")]
    pub fn sign(&self, identity: &Identity) -> Result<JsValue, Thrown> {
        self.0.sign(identity.0.signer()).map(|signed| headers::signed(&signed)).map_err(raise)
    }

    /// What `sign` would sign, for a key that answers later; completing it gives the headers.
    pub fn prepare(&self, identity: &Identity) -> Result<Prepared, Thrown> {
        self.0.prepare(identity.0.public_key()).map(Prepared::headers).map_err(raise)
    }

    /// Checks that the receipt speaks of what arrived; `provenance.mismatch` says what differs.
    pub fn check(
        &self,
        #[wasm_bindgen(unchecked_param_type = "DeliveryOptions")] delivery: JsValue,
    ) -> Result<(), Thrown> {
        let options = Options::new(delivery, &["url", "contentSha256", "agentId", "now", "anyTime"])?;
        let agent_id = options.text("agentId")?.map(|name| agent_id::parse(&name, true)).transpose()?;
        let hash =
            options.sha256("contentSha256")?.ok_or_else(|| errors::argument("`contentSha256` is missing"))?;
        let url = options.required("url")?;
        let delivery = core::Delivery { url: &url, content_sha256: &hash, agent_id: agent_id.as_ref() };
        let checked = if options.flag("anyTime")? {
            self.0.describes(&delivery)
        } else {
            self.0.check(&delivery, options.now()?)
        };
        checked.map_err(raise)
    }
}

/// A receipt as it was received. Nothing vouches for it before `verify`.
#[wasm_bindgen]
pub struct SignedReceipt(core::SignedReceipt);

#[wasm_bindgen]
impl SignedReceipt {
    /// Finds the receipt among an answer's headers; `provenance.*` when it is missing or cannot be read.
    #[wasm_bindgen(js_name = fromHeaders)]
    pub fn from_headers(
        #[wasm_bindgen(unchecked_param_type = "HeaderLines")] headers: JsValue,
    ) -> Result<SignedReceipt, Thrown> {
        let lines = Lines::read(&headers)?;
        core::SignedReceipt::from_headers(&lines.lines()).map(Self).map_err(raise)
    }

    /// What the receipt says.
    #[wasm_bindgen(getter)]
    pub fn receipt(&self) -> Receipt {
        Receipt(self.0.receipt().clone())
    }

    /// The thumbprint of the key that is said to have signed.
    #[wasm_bindgen(getter, js_name = keyId)]
    pub fn key_id(&self) -> String {
        self.0.kid().as_str().to_owned()
    }

    /// The publisher in whose manifest the key must be; nothing when the receipt's URL has no host that could publish one.
    pub fn publisher(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
    ) -> Result<Option<String>, Thrown> {
        let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
        Ok(self.0.publisher(allow_loopback).map(|publisher| publisher.to_string()))
    }

    /// Verifies the signature with the publisher's manifest and returns the receipt; `sig.invalid` or `identity.key_mismatch` otherwise.
    /// Then compare it with what arrived: `Receipt.check`.
    pub fn verify(&self, manifest: &Manifest) -> Result<Receipt, Thrown> {
        self.0.verify(&manifest.0).cloned().map(Receipt).map_err(raise)
    }
}
