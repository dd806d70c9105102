//! What a publisher allows, to whom, for what and at which price.

use crate::errors::{self, Thrown, raise};
use crate::json;
use crate::options::Options;
use imagxp::discovery::emit::{self, Kind, Site};
use imagxp::encoding::hex_encode;
use wasm_bindgen::prelude::*;

/// A policy document whose every rule holds.
#[wasm_bindgen]
pub struct Policy(pub(crate) imagxp::Policy);

#[wasm_bindgen]
impl Policy {
    /// Reads a policy: strict JSON, or an object. `usage.policy` names the member that is wrong.
    #[wasm_bindgen(js_name = fromJson)]
    pub fn from_json(
        #[wasm_bindgen(unchecked_param_type = "Document")] document: JsValue,
    ) -> Result<Policy, Thrown> {
        imagxp::Policy::from_json(&json::document(&document)?).map(Self).map_err(raise)
    }

    /// The JSON Schema (2020-12) of policy documents.
    pub fn schema() -> String {
        imagxp::Policy::schema()
    }

    /// The public part, to be served at `/.well-known/imagxp-policy.json`.
    #[wasm_bindgen(js_name = publicJson)]
    pub fn public_json(&self) -> String {
        json::text(self.0.public_json())
    }

    /// The policy in other words: `robots` (lines for robots.txt), `headers` (of the page with this path) or `rsl` (a document).
    pub fn emit(
        &self,
        kind: &str,
        #[wasm_bindgen(unchecked_optional_param_type = "EmitOptions")] options: JsValue,
    ) -> Result<String, Thrown> {
        let options = Options::new(options, &["path", "origin", "rslUrl"])?;
        let kind = Kind::from_name(kind)
            .ok_or_else(|| errors::argument("the kind is `robots`, `headers` or `rsl`"))?;
        let mut site = Site::new(&self.0, options.text("origin")?.as_deref()).map_err(raise)?;
        if let Some(url) = options.text("rslUrl")? {
            site.rsl_url = imagxp::discovery::link::absolute_url(&site.policy_url, &url)
                .ok_or_else(|| errors::argument("`rslUrl` is not an https URL"))?;
        }
        emit::emit(&site, kind, options.text("path")?.as_deref().unwrap_or("/")).map_err(raise)
    }

    /// Sentences about what is allowed but hardly meant.
    pub fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    /// The publisher's origins.
    #[wasm_bindgen(getter)]
    pub fn origins(&self) -> Vec<String> {
        self.0.origins().iter().map(ToString::to_string).collect()
    }

    /// `enforce` or `observe`.
    #[wasm_bindgen(getter)]
    pub fn mode(&self) -> String {
        let observed = self.0.document().mode == imagxp::policy::Mode::Observe;
        if observed { "observe" } else { "enforce" }.to_owned()
    }

    /// How the resource of a claim is compared with the request: `strict`, `path` or `off`.
    #[wasm_bindgen(getter, js_name = resourceMatch)]
    pub fn resource_match(&self) -> String {
        match self.0.document().resource_match {
            imagxp::policy::ResourceMatch::Strict => "strict",
            imagxp::policy::ResourceMatch::Path => "path",
            imagxp::policy::ResourceMatch::Off => "off",
        }
        .to_owned()
    }

    /// Whether loopback origins and agents are admitted: for development only.
    #[wasm_bindgen(getter, js_name = allowLoopback)]
    pub fn allow_loopback(&self) -> bool {
        self.0.document().allow_loopback
    }

    /// What the policy says of the content: `HUMAN`, `SYNTHETIC`, `HYBRID`, or nothing.
    #[wasm_bindgen(getter, js_name = contentOrigin)]
    pub fn content_origin(&self) -> Option<String> {
        self.0.document().provenance.map(|provenance| provenance.origin.as_str().to_owned())
    }

    /// SHA-256 of the document's RFC 8785 form, in hex.
    #[wasm_bindgen(getter)]
    pub fn hash(&self) -> String {
        hex_encode(self.0.hash())
    }
}
