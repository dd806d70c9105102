//! An agent's identity: its domain and its key.

use crate::agent_id::agent_id;
use crate::boundary::{accessor, boundary};
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::headers::imagxp_headers;
use crate::key::imagxp_key;
use crate::manifest::imagxp_manifest;
use crate::random::os_random;
use crate::sign::imagxp_sign_request;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::agent::Identity;
use imagxp::encoding::uuid_v4;
use imagxp::{Result, Timestamp};
use std::borrow::Cow;

/// An agent: its domain name and the key with which it signs. It may be used by several threads.
pub struct imagxp_identity {
    identity: Identity,
}

impl imagxp_identity {
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The caller's nonce, or a random one.
pub(crate) fn nonce_or_random(nonce: imagxp_slice<'_>) -> Result<Cow<'_, str>> {
    Ok(match nonce.optional("nonce")? {
        Some(nonce) => Cow::Borrowed(nonce),
        None => Cow::Owned(uuid()?),
    })
}

/// Joins a domain with a key. The key is shared: its handle may be freed at once. Free the identity with `imagxp_identity_free`.
///
/// `allow_loopback` is the switch of `imagxp_agent_id_is_valid`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_identity_new(
    agent: imagxp_slice<'_>,
    key: Option<&imagxp_key>,
    allow_loopback: bool,
    identity: Option<&mut MaybeUninit<*mut imagxp_identity>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(identity, || {
            let signer = need(key, "key")?.signer();
            Ok(imagxp_identity { identity: Identity::with_signer(agent_id(agent, allow_loopback)?, signer) })
        })
    })
}

/// Signs one request. Free the headers with `imagxp_headers_free`.
///
/// `now_ms` becomes the claim's time. `nonce` is 16 to 128 characters of `A-Z a-z 0-9 - . _ ~`, never used before; empty: a random UUID from
/// the operating system. Errors: `usage.argument` for what no publisher would accept, `usage.signer`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_identity_sign(
    identity: Option<&imagxp_identity>,
    request: Option<&imagxp_sign_request>,
    now_ms: i64,
    nonce: imagxp_slice<'_>,
    headers: Option<&mut MaybeUninit<*mut imagxp_headers>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(headers, || {
            let identity = &need(identity, "identity")?.identity;
            let request = need(request, "request")?.request.as_ref();
            let nonce = nonce_or_random(nonce)?;
            Ok(imagxp_headers { headers: identity.sign(&request, Timestamp::from_millis(now_ms), &nonce)? })
        })
    })
}

/// The manifest to publish, with this identity's key. `contact` may be empty. For a rotation, add the other key with `imagxp_manifest_add_key`.
/// Free the manifest with `imagxp_manifest_free`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_identity_manifest(
    identity: Option<&imagxp_identity>,
    contact: imagxp_slice<'_>,
    manifest: Option<&mut MaybeUninit<*mut imagxp_manifest>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(manifest, || {
            let contact = contact.optional("contact")?.map(str::to_owned);
            Ok(imagxp_manifest::new(need(identity, "identity")?.identity.manifest(contact, &[])?))
        })
    })
}

/// Frees the identity. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_identity_free(identity: Option<Box<imagxp_identity>>) {
    accessor((), || drop(identity));
}

/// A random UUID, version 4 (RFC 9562 section 5.4).
fn uuid() -> Result<String> {
    let mut bytes = [0_u8; 16];
    os_random(&mut bytes)?;
    Ok(uuid_v4(bytes))
}
