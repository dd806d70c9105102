//! The claim, as a publisher's own rule sees it.

use crate::json::JsonObject;
use crate::time::DateTime;
use napi_derive::napi;
use std::borrow::Cow;

/// A verified claim, given to the rule of the publisher's own.
#[napi]
pub struct Claim(imagxp::Claim);

impl Claim {
    pub(crate) const fn new(claim: imagxp::Claim) -> Self {
        Self(claim)
    }
}

#[napi]
impl Claim {
    /// Who asks.
    #[napi(getter)]
    pub fn agent_id(&self) -> &str {
        self.0.agent_id.as_str()
    }

    /// Why.
    #[napi(getter, ts_return_type = "Purpose")]
    pub fn purpose(&self) -> &'static str {
        self.0.purpose.as_str()
    }

    /// When the claim was made.
    #[napi(getter)]
    pub fn ts(&self) -> DateTime {
        DateTime(self.0.ts)
    }

    /// The nonce.
    #[napi(getter)]
    pub fn nonce(&self) -> &str {
        self.0.nonce()
    }

    /// What is asked for, normalised.
    #[napi(getter)]
    pub fn resource(&self) -> Option<String> {
        self.0.resource_text().map(Cow::into_owned)
    }

    /// The method that was signed.
    #[napi(getter)]
    pub fn method(&self) -> Option<&str> {
        self.0.method()
    }

    /// The digest of the body that was signed.
    #[napi(getter)]
    pub fn content_digest(&self) -> Option<&str> {
        self.0.content_digest()
    }

    /// Whether the agent says that it displays ads.
    #[napi(getter)]
    pub fn ads_displayed(&self) -> Option<bool> {
        self.0.ads_displayed
    }

    /// Every other member, signed and uninterpreted.
    #[napi(getter, ts_return_type = "JsonObject")]
    pub fn extra(&self) -> JsonObject {
        JsonObject(self.0.extra().into_owned())
    }
}
