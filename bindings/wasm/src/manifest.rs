//! The agent's key document.

use crate::errors::{Thrown, raise};
use crate::key::PublicKey;
use crate::options::Options;
use crate::{agent_id, headers, json, time};
use imagxp::json::{Object, Value};
use imagxp::manifest as core;
use js_sys::Reflect;
use wasm_bindgen::prelude::*;

/// A manifest whose every rule holds.
#[wasm_bindgen]
pub struct Manifest(pub(crate) core::Manifest);

#[wasm_bindgen]
impl Manifest {
    /// Reads the manifest that was fetched for `agentId`. `identity.manifest_invalid` when it breaks a rule.
    pub fn parse(
        #[wasm_bindgen(unchecked_param_type = "Document")] body: JsValue,
        agent_id: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "LoopbackOptions")] options: JsValue,
    ) -> Result<Manifest, Thrown> {
        let allow_loopback = Options::new(options, &["allowLoopback"])?.flag("allowLoopback")?;
        let agent_id = agent_id::parse(agent_id, allow_loopback)?;
        let body = json::document(&body)?;
        core::Manifest::parse(&body, &agent_id, core::MAX_MANIFEST_BYTES).map(Self).map_err(raise)
    }

    /// Whose manifest it is.
    #[wasm_bindgen(getter, js_name = agentId)]
    pub fn agent_id(&self) -> String {
        self.0.agent_id().as_str().to_owned()
    }

    /// Whom to write to.
    #[wasm_bindgen(getter)]
    pub fn contact(&self) -> Option<String> {
        self.0.contact().map(str::to_owned)
    }

    /// Every key, the current one first.
    #[wasm_bindgen(getter, unchecked_return_type = "ManifestKey[]")]
    pub fn keys(&self) -> Result<JsValue, Thrown> {
        let keys = self.0.keys().iter().map(|key| {
            let date =
                |date: Option<imagxp::Timestamp>| date.map_or(Value::Null, |date| time::text(date).into());
            let mut object = Object::new();
            object.insert("publicKey", key.key.to_spki_base64());
            object.insert("keyId", key.key.thumbprint().as_str().to_owned());
            object.insert("algorithm", key.key.algorithm().as_str());
            object.insert("notBefore", date(key.not_before));
            object.insert("notAfter", date(key.not_after));
            Value::Object(object)
        });
        json::value(&Value::Array(keys.collect()))
    }

    /// The keys that exist at this time.
    #[wasm_bindgen(js_name = keysAt)]
    pub fn keys_at(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "Time")] now: JsValue,
    ) -> Result<Vec<PublicKey>, Thrown> {
        let now = if now.is_undefined() { time::clock() } else { time::read(&now)? };
        Ok(self.0.keys_at(now).map(|key| PublicKey(key.clone())).collect())
    }

    /// The document to publish at `/.well-known/imagxp-agent.json`.
    #[wasm_bindgen(js_name = toJson)]
    pub fn to_json(&self) -> String {
        json::text(self.0.to_json())
    }

    /// What a server answers. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
    #[wasm_bindgen(unchecked_return_type = "{status: number; headers: [string, string][]; body: string}")]
    pub fn response(
        &self,
        method: &str,
        path: &str,
        if_none_match: Option<String>,
    ) -> Result<JsValue, Thrown> {
        let response = self.0.response(method, path, if_none_match.as_deref());
        let mut object = Object::new();
        object.insert("status", u32::from(response.status));
        object.insert("body", json::text(response.body));
        let answer = json::object(&object)?;
        let lines = headers::pairs(response.headers.iter().map(|(name, value)| (*name, value.as_str())));
        Reflect::set(&answer, &"headers".into(), &lines)?;
        Ok(answer)
    }
}

/// A key of `ManifestOptions.others`.
pub(crate) fn read_key(value: JsValue) -> Result<core::ManifestKey, Thrown> {
    let options = Options::new(value, &["publicKey", "keyId", "algorithm", "notBefore", "notAfter"])?;
    Ok(core::ManifestKey {
        key: PublicKey::read_base64(&options.required("publicKey")?)?,
        not_before: options.time("notBefore")?,
        not_after: options.time("notAfter")?,
    })
}
