//! Provenance receipts: what a publisher served, signed by the publisher.

use crate::error::ImagxpError;
use crate::headers::{Header, lines, signed};
use crate::identity::Identity;
use crate::manifest::Manifest;
use crate::policy::ContentOrigin;
use crate::{agent_id, boundary, digest, time};
use imagxp::Timestamp;
use imagxp::provenance as core;
use std::sync::Arc;

/// What was served: which bytes under which URL, when, to whom, and who made them (PROTOCOL §10).
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Eq)]
pub(crate) struct Receipt {
    /// The absolute URL that was requested.
    pub(crate) url: String,
    /// The SHA-256 of the body as it is sent, 32 bytes.
    pub(crate) content_sha256: Vec<u8>,
    /// Who made the content.
    pub(crate) origin: ContentOrigin,
    /// The publisher's name for this answer: the verdict's.
    pub(crate) trace_id: String,
    /// When.
    pub(crate) ts: Timestamp,
    /// To whom, when the reader was verified.
    #[uniffi(default = None)]
    pub(crate) agent_id: Option<String>,
}

#[uniffi::export]
impl Receipt {
    /// Signs the receipt with the key of the publisher's own identity; returns the two response headers.
    pub(crate) fn sign(&self, identity: Arc<Identity>) -> Result<Vec<Header>, ImagxpError> {
        let receipt = self.core()?;
        boundary::call(|| receipt.sign(identity.inner.signer()).map(|headers| signed(&headers)))
    }

    /// Checks that the receipt speaks of what arrived; throws `provenance.mismatch`, whose message says what differs.
    ///
    /// `agentId`: the reader's. `anyTime`: for evidence of long ago, the time is not compared with `now`.
    #[uniffi::method(default(agent_id = None, now = None, any_time = false))]
    pub(crate) fn check(
        &self,
        url: &str,
        content_sha256: &[u8],
        agent_id: Option<String>,
        now: Option<Timestamp>,
        any_time: bool,
    ) -> Result<(), ImagxpError> {
        let receipt = self.core()?;
        let content_sha256 = digest::sha256(content_sha256)?;
        let reader = agent_id.as_deref().map(|name| agent_id::parse(name, true)).transpose()?;
        let delivery = core::Delivery { url, content_sha256: &content_sha256, agent_id: reader.as_ref() };
        boundary::call(|| {
            if any_time { receipt.describes(&delivery) } else { receipt.check(&delivery, time::or_now(now)) }
        })
    }
}

impl Receipt {
    fn core(&self) -> Result<core::Receipt, ImagxpError> {
        Ok(core::Receipt {
            agent_id: self.agent_id.as_deref().map(|name| agent_id::parse(name, true)).transpose()?,
            content_sha256: digest::sha256(&self.content_sha256)?,
            origin: self.origin,
            trace_id: self.trace_id.clone(),
            ts: self.ts,
            url: self.url.clone(),
        })
    }

    fn of(receipt: &core::Receipt) -> Self {
        Self {
            url: receipt.url.clone(),
            content_sha256: receipt.content_sha256.to_vec(),
            origin: receipt.origin,
            trace_id: receipt.trace_id.clone(),
            ts: receipt.ts,
            agent_id: receipt.agent_id.as_ref().map(ToString::to_string),
        }
    }
}

/// A receipt as it was received. Nothing vouches for it before `verify`.
#[derive(uniffi::Object)]
pub(crate) struct SignedReceipt(core::SignedReceipt);

#[uniffi::export]
impl SignedReceipt {
    /// Finds the receipt among an answer's headers. Throws `provenance.missing` or `provenance.malformed`.
    #[uniffi::constructor]
    pub(crate) fn from_headers(headers: Vec<Header>) -> Result<Arc<Self>, ImagxpError> {
        let lines = lines(&headers);
        boundary::call(|| core::SignedReceipt::from_headers(&lines).map(|receipt| Arc::new(Self(receipt))))
    }

    /// What the receipt says.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt::of(self.0.receipt())
    }

    /// The thumbprint of the key that is said to have signed.
    pub(crate) fn key_id(&self) -> String {
        self.0.kid().as_str().to_owned()
    }

    /// The publisher in whose manifest the key must be; nil when the receipt's URL has no host that could publish one.
    #[uniffi::method(default(allow_loopback = false))]
    pub(crate) fn publisher(&self, allow_loopback: bool) -> Option<String> {
        self.0.publisher(allow_loopback).map(|publisher| publisher.to_string())
    }

    /// Verifies the signature with the publisher's manifest and returns the receipt. Then compare it with what arrived: `Receipt.check`.
    ///
    /// Throws `sig.invalid` or `identity.key_mismatch`.
    pub(crate) fn verify(&self, manifest: Arc<Manifest>) -> Result<Receipt, ImagxpError> {
        boundary::call(|| self.0.verify(&manifest.0).map(Receipt::of))
    }
}
