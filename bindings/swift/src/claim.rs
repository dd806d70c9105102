//! The claim, as a publisher's own rule sees it.

use crate::json;
use imagxp::{Purpose, Timestamp};
use std::borrow::Cow;

/// A verified claim, given to the rule of the publisher's own.
#[derive(uniffi::Record)]
pub(crate) struct Claim {
    /// Who asks.
    pub(crate) agent_id: String,
    /// Why.
    pub(crate) purpose: Purpose,
    /// When the claim was made.
    pub(crate) ts: Timestamp,
    /// The nonce.
    pub(crate) nonce: String,
    /// What is asked for, normalised.
    pub(crate) resource: Option<String>,
    /// The method that was signed.
    pub(crate) method: Option<String>,
    /// The digest of the body that was signed.
    pub(crate) content_digest: Option<String>,
    /// Whether the agent says that it displays ads.
    pub(crate) ads_displayed: Option<bool>,
    /// Every other member, signed and uninterpreted: a JSON object.
    pub(crate) extra: Vec<u8>,
}

impl Claim {
    pub(crate) fn of(claim: &imagxp::Claim) -> Self {
        Self {
            agent_id: claim.agent_id.to_string(),
            purpose: claim.purpose,
            ts: claim.ts,
            nonce: claim.nonce().to_owned(),
            resource: claim.resource_text().map(Cow::into_owned),
            method: claim.method().map(str::to_owned),
            content_digest: claim.content_digest().map(str::to_owned),
            ads_displayed: claim.ads_displayed,
            extra: json::text(&claim.extra()),
        }
    }
}
