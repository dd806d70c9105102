//! What a publisher allows, to whom, for what and at which price.

use crate::js::JsString;
use crate::json::Json;
use crate::options::options;
use crate::{boundary, errors};
use imagxp::discovery::emit::{self, Kind, Site};
use imagxp::encoding::hex_encode;
use imagxp::{Error, ErrorKind};
use imagxp_files::atomic;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use std::fs;
use std::path::Path;
use std::sync::Arc;

options! {
    /// What `Policy.emit` also takes.
    EmitOptions {
        /// The path of the page whose headers are made; `/` unless given.
        path: Option<JsString>,
        /// Which of the policy's origins; the first unless given.
        origin: Option<JsString>,
        /// Where the RSL document is.
        rsl_url: Option<JsString>,
    }
}

/// A policy document whose every rule holds.
#[napi]
pub struct Policy(pub(crate) Arc<imagxp::Policy>);

#[napi]
impl Policy {
    /// Reads a policy: strict JSON as a string or bytes, or an object. An error with the code `usage.policy` names the member that is
    /// wrong, and its line.
    #[napi(factory)]
    pub fn from_json(document: Json) -> Result<Self> {
        boundary::call(|| imagxp::Policy::from_json(&document.0).map(|policy| Self(Arc::new(policy))))
    }

    /// Reads a policy from TOML text with the same structure.
    #[napi(factory)]
    pub fn from_toml(document: JsString) -> Result<Self> {
        boundary::call(|| read(&document, "policy.toml"))
    }

    /// Reads a policy file: TOML when its name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like.
    #[napi(factory)]
    pub fn from_file(path: JsString) -> Result<Self> {
        boundary::call(|| {
            let text = fs::read(&*path).map_err(|error| atomic::failed(Path::new(&*path), "read", error))?;
            let text = String::from_utf8(text).map_err(|_| refused("not UTF-8"))?;
            read(&text, &path)
        })
    }

    /// The JSON Schema (2020-12) of policy documents.
    #[napi]
    pub fn schema() -> Result<String> {
        boundary::compute(imagxp::Policy::schema)
    }

    /// The public part, to be served at `/.well-known/imagxp-policy.json`.
    #[napi]
    pub fn public_json(&self) -> Buffer {
        self.0.public_json().into()
    }

    /// The policy in other words: `robots` (lines for robots.txt), `headers` (of the page with this path) or `rsl` (a document).
    #[napi(ts_args_type = "kind: 'robots' | 'headers' | 'rsl', options?: EmitOptions")]
    pub fn emit(&self, kind: JsString, options: Option<EmitOptions>) -> Result<String> {
        let kind = Kind::from_name(&kind)
            .ok_or_else(|| errors::argument("the kind is `robots`, `headers` or `rsl`"))?;
        let (path, origin, rsl_url) =
            options.map_or((None, None, None), |options| (options.path, options.origin, options.rsl_url));
        boundary::call(|| {
            let mut site = Site::new(&self.0, origin.as_deref())?;
            if let Some(url) = rsl_url {
                site.rsl_url = imagxp::discovery::link::absolute_url(&site.policy_url, &url)
                    .ok_or_else(|| Error::argument("`rslUrl` is not an https URL"))?;
            }
            emit::emit(&site, kind, path.as_deref().unwrap_or("/"))
        })
    }

    /// Sentences about what is allowed but hardly meant.
    #[napi]
    pub fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    /// The publisher's origins.
    #[napi(getter)]
    pub fn origins(&self) -> Vec<String> {
        self.0.origins().iter().map(ToString::to_string).collect()
    }

    /// `enforce` or `observe`.
    #[napi(getter, ts_return_type = "'enforce' | 'observe'")]
    pub fn mode(&self) -> &'static str {
        match self.0.document().mode {
            imagxp::policy::Mode::Enforce => "enforce",
            imagxp::policy::Mode::Observe => "observe",
        }
    }

    /// How the resource of a claim is compared with the request: `strict`, `path` or `off`.
    #[napi(getter, ts_return_type = "'strict' | 'path' | 'off'")]
    pub fn resource_match(&self) -> &'static str {
        match self.0.document().resource_match {
            imagxp::policy::ResourceMatch::Strict => "strict",
            imagxp::policy::ResourceMatch::Path => "path",
            imagxp::policy::ResourceMatch::Off => "off",
        }
    }

    /// Whether loopback origins and agents are admitted: for development only.
    #[napi(getter)]
    pub fn allow_loopback(&self) -> bool {
        self.0.document().allow_loopback
    }

    /// What the policy says of the content: `HUMAN`, `SYNTHETIC`, `HYBRID`, or nothing.
    #[napi(getter, ts_return_type = "ContentOrigin | null")]
    pub fn content_origin(&self) -> Option<&'static str> {
        self.0.document().provenance.map(|provenance| provenance.origin.as_str())
    }

    /// SHA-256 of the document's RFC 8785 form, in hex.
    #[napi(getter)]
    pub fn hash(&self) -> String {
        hex_encode(self.0.hash())
    }
}

/// A policy in the text of a file with this name. The sentence begins with the line, where that can be told.
fn read(text: &str, name: &str) -> imagxp::Result<Policy> {
    match imagxp_policy_file::read(text, name) {
        Ok(file) => Ok(Policy(Arc::new(file.policy))),
        Err(refusal) => Err(match refusal.line {
            Some(line) => refused(format!("line {line}: {}", refusal.error.message())),
            None => refusal.error,
        }),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Policy, message.into())
}
