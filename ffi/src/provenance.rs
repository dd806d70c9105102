//! Provenance receipts: written by a publisher, read by an agent.

use crate::agent_id::agent_id;
use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::content_origin::{imagxp_content_origin, origin_number};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::headers::imagxp_headers;
use crate::key::imagxp_key;
use crate::manifest::imagxp_manifest;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::policy::ContentOrigin;
use imagxp::provenance::{Delivery, Receipt, SignedReceipt};
use imagxp::{AgentId, Error, Result, Timestamp};

/// A receipt as it was received: nothing vouches for what it says before `imagxp_receipt_verify`. Slices that its accessors return live as
/// long as it does.
pub struct imagxp_receipt {
    signed: SignedReceipt,
}

pub(crate) fn sha256(bytes: imagxp_slice<'_>) -> Result<[u8; 32]> {
    let bytes = bytes.bytes()?;
    bytes.try_into().map_err(|_| Error::argument(format!("a SHA-256 has 32 bytes, not {}", bytes.len())))
}

fn reader(agent: imagxp_slice<'_>) -> Result<Option<AgentId>> {
    if agent.optional("agent")?.is_none() { Ok(None) } else { agent_id(agent, true).map(Some) }
}

/// Signs a receipt with the publisher's key: the response headers `x-imagxp-provenance` and `x-imagxp-provenance-sig`. Free them with
/// `imagxp_headers_free`. The key must be in the manifest at the publisher's own domain.
///
/// `url` is the absolute URL that was requested, `content_sha256` the 32 bytes of the hash of the body as it is sent, `trace_id` the
/// verdict's (or another name of 1 to 128 visible ASCII characters), `agent` the verified reader or empty.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_sign(
    key: Option<&imagxp_key>,
    url: imagxp_slice<'_>,
    content_sha256: imagxp_slice<'_>,
    origin: imagxp_content_origin,
    trace_id: imagxp_slice<'_>,
    agent: imagxp_slice<'_>,
    now_ms: i64,
    headers: Option<&mut MaybeUninit<*mut imagxp_headers>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(headers, || {
            let receipt = Receipt {
                agent_id: reader(agent)?,
                content_sha256: sha256(content_sha256)?,
                origin: ContentOrigin::ALL
                    .into_iter()
                    .find(|candidate| origin_number(*candidate) == origin)
                    .ok_or_else(|| Error::argument(format!("{origin} is not a content origin")))?,
                trace_id: trace_id.text("trace_id")?.to_owned(),
                ts: Timestamp::from_millis(now_ms),
                url: url.text("url")?.to_owned(),
            };
            Ok(imagxp_headers { headers: receipt.sign(&*need(key, "key")?.signer())? })
        })
    })
}

/// Reads the values of the two response headers. Free the receipt with `imagxp_receipt_free`.
///
/// Errors: `provenance.missing` when one is empty, `provenance.malformed`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_parse(
    provenance: imagxp_slice<'_>,
    signature: imagxp_slice<'_>,
    receipt: Option<&mut MaybeUninit<*mut imagxp_receipt>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(receipt, || {
            let lines = [
                (imagxp::headers::PROVENANCE, provenance.bytes()?),
                (imagxp::headers::PROVENANCE_SIG, signature.bytes()?),
            ];
            let present = lines.iter().filter(|(_, value)| !value.is_empty());
            let lines: Vec<_> = present.map(|(name, value)| (name.as_bytes(), *value)).collect();
            SignedReceipt::from_headers(&lines).map(|signed| imagxp_receipt { signed })
        })
    })
}

/// Where the publisher's manifest is, with which the receipt can be verified. `allow_loopback` is the switch for development.
///
/// Error: `identity.key_mismatch` when the receipt's URL has no host that could publish one.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_manifest_url(
    receipt: Option<&imagxp_receipt>,
    allow_loopback: bool,
    url: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(url, || {
            let publisher = need(receipt, "receipt")?.signed.publisher(allow_loopback);
            publisher.map(|publisher| publisher.manifest_url()).ok_or_else(|| {
                Error::protocol(
                    imagxp::Code::IdentityKeyMismatch,
                    "the receipt's URL has no host that publishes keys",
                )
            })
        })
    })
}

/// Verifies the receipt's signature with the publisher's manifest, read by `imagxp_manifest_parse` for the host of the receipt's URL.
///
/// Errors: `identity.key_mismatch`, `sig.invalid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_verify(
    receipt: Option<&imagxp_receipt>,
    manifest: Option<&imagxp_manifest>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let signed = &need(receipt, "receipt")?.signed;
        signed.verify(need(manifest, "manifest")?.manifest()).map(|_| ())
    })
}

/// Whether the receipt speaks of what arrived: the URL that was requested, the 32 bytes of the body's SHA-256, the reading agent (empty: none),
/// and now. Error: `provenance.mismatch`, which says what differs.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_check(
    receipt: Option<&imagxp_receipt>,
    url: imagxp_slice<'_>,
    content_sha256: imagxp_slice<'_>,
    agent: imagxp_slice<'_>,
    now_ms: i64,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let agent = reader(agent)?;
        let delivery = Delivery {
            url: url.text("url")?,
            content_sha256: &sha256(content_sha256)?,
            agent_id: agent.as_ref(),
        };
        need(receipt, "receipt")?.signed.receipt().check(&delivery, Timestamp::from_millis(now_ms))
    })
}

fn field<'a>(
    receipt: Option<&'a imagxp_receipt>,
    field: impl FnOnce(&'a SignedReceipt) -> Option<&'a str>,
) -> imagxp_slice<'a> {
    accessor(imagxp_slice::NONE, || receipt.and_then(|this| field(&this.signed)).into())
}

/// The URL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_url(receipt: Option<&imagxp_receipt>) -> imagxp_slice<'_> {
    field(receipt, |signed| Some(&signed.receipt().url))
}

/// The reader; empty when the receipt names none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_agent_id(receipt: Option<&imagxp_receipt>) -> imagxp_slice<'_> {
    field(receipt, |signed| signed.receipt().agent_id.as_ref().map(AgentId::as_str))
}

/// The publisher's name for this answer.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_trace_id(receipt: Option<&imagxp_receipt>) -> imagxp_slice<'_> {
    field(receipt, |signed| Some(&signed.receipt().trace_id))
}

/// The thumbprint of the key that signed.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_key_id(receipt: Option<&imagxp_receipt>) -> imagxp_slice<'_> {
    field(receipt, |signed| Some(signed.kid().as_str()))
}

/// The 32 bytes of the content's SHA-256.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_content_sha256(receipt: Option<&imagxp_receipt>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || match receipt {
        Some(this) => this.signed.receipt().content_sha256.as_slice().into(),
        None => imagxp_slice::NONE,
    })
}

/// Who made the content. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_origin(receipt: Option<&imagxp_receipt>) -> imagxp_content_origin {
    accessor(0, || receipt.map_or(0, |this| origin_number(this.signed.receipt().origin)))
}

/// When the content was served, in milliseconds since 1970. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_time_ms(receipt: Option<&imagxp_receipt>) -> i64 {
    accessor(0, || receipt.map_or(0, |this| this.signed.receipt().ts.as_millis()))
}

/// Frees the receipt. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_receipt_free(receipt: Option<Box<imagxp_receipt>>) {
    accessor((), || drop(receipt));
}
