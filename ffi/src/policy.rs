//! Policies.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::{give, need};
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::Policy;

/// A policy whose every rule holds.
pub struct imagxp_policy {
    pub(crate) policy: Policy,
    remarks: Vec<String>,
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
    boundary(err, || {
        give(policy, || {
            let policy = Policy::from_json(json.bytes()?)?;
            Ok(imagxp_policy { remarks: policy.remarks(), policy })
        })
    })
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

/// Writes the JSON Schema (2020-12) of policy documents.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_schema(
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(Policy::schema())))
}

/// Frees the policy. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_free(policy: Option<Box<imagxp_policy>>) {
    accessor((), || drop(policy));
}
