//! The agent's key document.

use crate::agent_id::{self, DevelopmentOptions, loopback};
use crate::boundary;
use crate::js::{ClassInstance, JsString};
use crate::json::{Json, JsonObject};
use crate::key::PublicKey;
use crate::options::options;
use crate::time::{self, DateTime, Time};
use imagxp::json::{Limits, parse_object};
use imagxp::manifest as core;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

options! {
    /// The dates between which a key exists.
    KeyDates {
        /// From when on, inclusive.
        not_before: Option<Time>,
        /// Until when, inclusive.
        not_after: Option<Time>,
    }
}

/// One key of a manifest with the dates between which it exists.
#[napi]
#[derive(Clone)]
pub struct ManifestKey(pub(crate) core::ManifestKey);

#[napi]
impl ManifestKey {
    /// A key, and the dates between which it exists.
    #[napi(constructor)]
    pub fn new(key: ClassInstance<PublicKey>, dates: Option<KeyDates>) -> Self {
        let (not_before, not_after) = dates.map_or((None, None), |dates| (dates.not_before, dates.not_after));
        let (not_before, not_after) = (not_before.map(|time| time.0), not_after.map(|time| time.0));
        Self(core::ManifestKey { key: key.0.clone(), not_before, not_after })
    }

    /// The key.
    #[napi(getter)]
    pub fn key(&self) -> PublicKey {
        PublicKey(self.0.key.clone())
    }

    /// From when on the key exists.
    #[napi(getter)]
    pub fn not_before(&self) -> Option<DateTime> {
        self.0.not_before.map(DateTime)
    }

    /// Until when the key exists.
    #[napi(getter)]
    pub fn not_after(&self) -> Option<DateTime> {
        self.0.not_after.map(DateTime)
    }

    /// Whether the key exists at this time; now, unless given.
    #[napi]
    pub fn exists_at(&self, now: Option<Time>) -> bool {
        self.0.exists_at(time::or_now(now))
    }
}

/// What a server answers.
#[napi(object, object_from_js = false)]
pub struct ManifestResponse {
    /// 200, 304, 404 or 405.
    pub status: u16,
    /// The headers to send.
    pub headers: Vec<(String, String)>,
    /// The body, empty for HEAD and 304.
    pub body: Buffer,
}

/// A manifest whose every rule holds.
#[napi]
#[derive(Clone)]
pub struct Manifest(pub(crate) core::Manifest);

#[napi]
impl Manifest {
    /// Reads the manifest that was fetched for `agentId`. An error with the code `identity.manifest_invalid` when it breaks a rule.
    #[napi(factory)]
    pub fn parse(body: Json, agent_id: JsString, options: Option<DevelopmentOptions>) -> Result<Self> {
        let agent_id = agent_id::parse(&agent_id, loopback(options.as_ref()))?;
        boundary::call(|| core::Manifest::parse(&body.0, &agent_id, core::MAX_MANIFEST_BYTES).map(Self))
    }

    /// Whose manifest it is.
    #[napi(getter)]
    pub fn agent_id(&self) -> &str {
        self.0.agent_id().as_str()
    }

    /// Whom to write to.
    #[napi(getter)]
    pub fn contact(&self) -> Option<&str> {
        self.0.contact()
    }

    /// Every key, the current one first.
    #[napi(getter)]
    pub fn keys(&self) -> Vec<ManifestKey> {
        self.0.keys().iter().cloned().map(ManifestKey).collect()
    }

    /// The keys that exist at this time; now, unless given.
    #[napi]
    pub fn keys_at(&self, now: Option<Time>) -> Vec<PublicKey> {
        self.0.keys_at(time::or_now(now)).cloned().map(PublicKey).collect()
    }

    /// The document to publish at `/.well-known/imagxp-agent.json`, as bytes.
    #[napi]
    pub fn to_bytes(&self) -> Buffer {
        self.0.to_json().into()
    }

    /// The document as an object; `JSON.stringify` calls it.
    #[napi(js_name = "toJSON", ts_return_type = "JsonObject")]
    pub fn to_json(&self) -> Result<JsonObject> {
        let text = self.0.to_json();
        boundary::call(|| Ok(parse_object(&text, &Limits::MANIFEST)?.into_owned())).map(JsonObject)
    }

    /// What a server answers. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
    ///
    /// `ifNoneMatch` is that header's value, all its lines joined by commas.
    #[napi]
    pub fn response(
        &self,
        method: JsString,
        path: JsString,
        if_none_match: Option<JsString>,
    ) -> Result<ManifestResponse> {
        let answer = boundary::compute(|| self.0.response(&method, &path, if_none_match.as_deref()))?;
        let headers = answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(ManifestResponse { status: answer.status, headers, body: answer.body.into() })
    }
}
