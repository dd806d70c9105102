//! What an agent signs.

use crate::identity::random_uuid;
use imagxp::agent;
use imagxp::{Purpose, Result, Timestamp};
use std::borrow::Cow;

/// One request of a batch: the parameters of `Identity.sign(method:url:purpose:…)`.
#[derive(Clone, uniffi::Record)]
pub(crate) struct SignRequest {
    /// The request's method, for example `GET`.
    pub(crate) method: String,
    /// The absolute URL that will be requested.
    pub(crate) url: String,
    /// Why.
    pub(crate) purpose: Purpose,
    /// The time of the claim; the batch's unless given.
    #[uniffi(default = None)]
    pub(crate) now: Option<Timestamp>,
    /// 16 to 128 characters that occur once; a random UUID unless given.
    #[uniffi(default = None)]
    pub(crate) nonce: Option<String>,
    /// Whether the agent displays ads.
    #[uniffi(default = None)]
    pub(crate) ads_displayed: Option<bool>,
    /// The text of a JSON object that is signed along.
    #[uniffi(default = None)]
    pub(crate) context: Option<String>,
    /// `contentDigest(body:)` when there is a body.
    #[uniffi(default = None)]
    pub(crate) content_digest: Option<String>,
    /// A visa.
    #[uniffi(default = None)]
    pub(crate) payment: Option<String>,
    /// An ad proof.
    #[uniffi(default = None)]
    pub(crate) proof: Option<String>,
    /// Also send `x-imagxp-credential`, for publishers that run the reference SDK.
    #[uniffi(default = false)]
    pub(crate) compatible: bool,
}

impl SignRequest {
    /// The request as the core takes it.
    pub(crate) fn core(&self) -> agent::SignRequest<'_> {
        agent::SignRequest {
            ads_displayed: self.ads_displayed,
            context: self.context.as_deref(),
            content_digest: self.content_digest.as_deref(),
            payment: self.payment.as_deref(),
            proof: self.proof.as_deref(),
            compatible: self.compatible,
            ..agent::SignRequest::new(&self.method, &self.url, self.purpose)
        }
    }

    /// The nonce that was given, or a random one.
    pub(crate) fn nonce(&self) -> Result<Cow<'_, str>> {
        match &self.nonce {
            Some(nonce) => Ok(Cow::Borrowed(nonce)),
            None => random_uuid().map(Cow::Owned),
        }
    }
}
