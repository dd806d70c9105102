//! Policies.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::content_origin::{imagxp_content_origin, origin_number};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::Policy;

/// A policy whose every rule holds.
pub struct imagxp_policy {
    pub(crate) policy: Policy,
    pub(crate) remarks: Vec<String>,
    /// As text, so that the accessor can lend them.
    origins: Vec<String>,
}

impl imagxp_policy {
    pub(crate) fn new(policy: Policy) -> Self {
        let origins = policy.origins().iter().map(ToString::to_string).collect();
        Self { remarks: policy.remarks(), origins, policy }
    }
}

/// Reads a policy from JSON, strictly, at most 256 KiB. Free it with `imagxp_policy_free`.
///
/// Error: `usage.policy`; its message names the member that is wrong, and the line.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_from_json(
    json: imagxp_slice<'_>,
    policy: Option<&mut MaybeUninit<*mut imagxp_policy>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give(policy, || Ok(imagxp_policy::new(Policy::from_json(json.bytes()?)?))))
}

/// Writes the public part, to be served at `/.well-known/imagxp-policy.json`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_public_json(
    policy: Option<&imagxp_policy>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(need(policy, "policy")?.policy.public_json())))
}

/// SHA-256 of the document's canonical form, 32 bytes. Lives as long as the policy.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_hash(policy: Option<&imagxp_policy>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        policy.map_or(imagxp_slice::NONE, |this| this.policy.hash().as_slice().into())
    })
}

/// The n-th origin of the site, counted from 0: `https://host` or `https://host:port`, normalised. Empty beyond the last. Lives as long as
/// the policy.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_origin(policy: Option<&imagxp_policy>, index: usize) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        policy.and_then(|this| this.origins.get(index)).map(String::as_str).into()
    })
}

/// Who made the content, which receipts state. 0 when the policy has no `provenance`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_content_origin(policy: Option<&imagxp_policy>) -> imagxp_content_origin {
    accessor(0, || {
        policy
            .and_then(|this| this.policy.document().provenance)
            .map_or(0, |provenance| origin_number(provenance.origin))
    })
}

/// Whether this is a policy for development, which a server on a public address must refuse.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_allows_loopback(policy: Option<&imagxp_policy>) -> bool {
    accessor(false, || policy.is_some_and(|this| this.policy.document().allow_loopback))
}

/// How many remarks there are: sentences about what is allowed but hardly meant. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_remark_count(policy: Option<&imagxp_policy>) -> usize {
    accessor(0, || policy.map_or(0, |this| this.remarks.len()))
}

/// The n-th remark, counted from 0; empty beyond the last. Lives as long as the policy.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_remark(policy: Option<&imagxp_policy>, index: usize) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || {
        policy.and_then(|this| this.remarks.get(index)).map(String::as_str).into()
    })
}

/// Frees the policy. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_free(policy: Option<Box<imagxp_policy>>) {
    accessor((), || drop(policy));
}
