//! Provenance receipts: what a publisher served, signed by the publisher.

use crate::agent_id::{self, DevelopmentOptions, loopback};
use crate::digest::Sha256;
use crate::headers::{Joined, pairs};
use crate::identity::Identity;
use crate::js::{ClassInstance, JsBoolean, JsString};
use crate::manifest::Manifest;
use crate::options::options;
use crate::time::{self, DateTime, Time};
use crate::{boundary, errors};
use imagxp::policy::ContentOrigin;
use imagxp::provenance as core;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

options! {
    /// What a receipt also says.
    ReceiptOptions {
        /// Who made the content.
        #[napi(ts_type = "ContentOrigin")]
        origin: JsString,
        /// The verdict's `traceId`.
        trace_id: JsString,
        /// The verified reader, if any.
        #[napi(ts_type = "string | null")]
        agent_id: Option<JsString>,
        /// The clock's time unless given.
        now: Option<Time>,
    }
}

options! {
    /// What arrived, for `Receipt.check`.
    DeliveryOptions {
        /// What was requested.
        url: JsString,
        /// 32 bytes, or hex, of what arrived.
        content_sha256: Sha256,
        /// The reader.
        #[napi(ts_type = "string | null")]
        agent_id: Option<JsString>,
        /// The clock's time unless given.
        now: Option<Time>,
        /// For evidence of long ago: the time is not compared with `now`.
        any_time: Option<JsBoolean>,
    }
}

/// What was served: which bytes under which URL, when, to whom, and who made them.
#[napi]
#[derive(Clone)]
pub struct Receipt(core::Receipt);

#[napi]
impl Receipt {
    /// A receipt to sign. `contentSha256`: 32 bytes, or hex, of the body as it is sent.
    #[napi(constructor)]
    pub fn new(url: JsString, content_sha256: Sha256, options: ReceiptOptions) -> Result<Self> {
        let agent_id = options.agent_id.map(|name| agent_id::parse(&name, true)).transpose()?;
        let origin = ContentOrigin::from_name(&options.origin).ok_or_else(|| {
            errors::argument(&format!("`{}` is not HUMAN, SYNTHETIC or HYBRID", &*options.origin))
        })?;
        let (trace_id, ts) = (options.trace_id.0, time::or_now(options.now));
        Ok(Self(core::Receipt {
            agent_id,
            content_sha256: content_sha256.0,
            origin,
            trace_id,
            ts,
            url: url.0,
        }))
    }

    /// To whom, when the reader was verified.
    #[napi(getter)]
    pub fn agent_id(&self) -> Option<&str> {
        self.0.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// The SHA-256 of the content, 32 bytes.
    #[napi(getter)]
    pub fn content_sha256(&self) -> Buffer {
        self.0.content_sha256.to_vec().into()
    }

    /// Who made the content.
    #[napi(getter, ts_return_type = "ContentOrigin")]
    pub fn origin(&self) -> &'static str {
        self.0.origin.as_str()
    }

    /// The publisher's name for this answer.
    #[napi(getter)]
    pub fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// When.
    #[napi(getter)]
    pub fn ts(&self) -> DateTime {
        DateTime(self.0.ts)
    }

    /// The absolute URL that was requested.
    #[napi(getter)]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Signs the receipt with the key of the publisher's own identity; returns the two response headers.
    #[napi]
    pub fn sign(&self, identity: ClassInstance<Identity>) -> Result<Vec<(String, String)>> {
        boundary::call(|| self.0.sign(identity.inner.signer())).map(|lines| pairs(&lines))
    }

    /// Checks that the receipt speaks of what arrived; an error with the code `provenance.mismatch` says what differs.
    #[napi]
    pub fn check(&self, delivery: DeliveryOptions) -> Result<()> {
        let agent_id = delivery.agent_id.map(|name| agent_id::parse(&name, true)).transpose()?;
        let arrived = core::Delivery {
            url: &delivery.url,
            content_sha256: &delivery.content_sha256.0,
            agent_id: agent_id.as_ref(),
        };
        let now = time::or_now(delivery.now);
        boundary::call(|| {
            if delivery.any_time.is_some_and(|flag| flag.0) {
                self.0.describes(&arrived)
            } else {
                self.0.check(&arrived, now)
            }
        })
    }
}

/// A receipt as it was received. Nothing vouches for it before `verify`.
#[napi]
pub struct SignedReceipt(core::SignedReceipt);

#[napi]
impl SignedReceipt {
    /// Finds the receipt among an answer's headers; an error with the code `provenance.*` when it is missing or cannot be read.
    #[napi(configurable, writable, ts_args_type = "headers: Headers", ts_return_type = "SignedReceipt")]
    pub fn from_headers(headers: Joined, count: u32, separator: u32) -> Result<Option<SignedReceipt>> {
        let Some(lines) = headers.lines(count, separator) else { return Ok(None) };
        boundary::call(|| core::SignedReceipt::from_headers(&lines).map(Self).map(Some))
    }

    /// What the receipt says.
    #[napi(getter)]
    pub fn receipt(&self) -> Receipt {
        Receipt(self.0.receipt().clone())
    }

    /// The thumbprint of the key that is said to have signed.
    #[napi(getter)]
    pub fn key_id(&self) -> &str {
        self.0.kid().as_str()
    }

    /// The publisher in whose manifest the key must be; `null` when the receipt's URL has no host that could publish one.
    #[napi]
    pub fn publisher(&self, options: Option<DevelopmentOptions>) -> Option<String> {
        self.0.publisher(loopback(options.as_ref())).map(|publisher| publisher.to_string())
    }

    /// Verifies the signature with the publisher's manifest and returns the receipt; an error with the code `sig.invalid` or
    /// `identity.key_mismatch` otherwise. Then compare it with what arrived: `Receipt.check`.
    #[napi]
    pub fn verify(&self, manifest: ClassInstance<Manifest>) -> Result<Receipt> {
        boundary::call(|| self.0.verify(&manifest.0).cloned().map(Receipt))
    }
}
