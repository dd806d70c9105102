//! Policies as people write them: files in TOML or JSON, whose mistakes are told with their lines, and the schema for editors.

use crate::boundary::boundary;
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::give;
use crate::policy::imagxp_policy;
use crate::status::imagxp_status;
use core::mem::MaybeUninit;
use imagxp::{Error, ErrorKind, Policy};
use imagxp_policy_file::Refusal;

/// Reads a policy from the text of a file: TOML when the file's name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like.
/// At most 256 KiB. Free it with `imagxp_policy_free`.
///
/// Error: `usage.policy`; its message begins with `line N: ` wherever that can be told, and so do the remarks.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_from_text(
    text: imagxp_slice<'_>,
    file_name: imagxp_slice<'_>,
    policy: Option<&mut MaybeUninit<*mut imagxp_policy>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(policy, || {
            // Bytes of a file, as `imagxp_policy_from_json` takes them: what is wrong with them is wrong with the policy.
            let text = core::str::from_utf8(text.bytes()?)
                .map_err(|_| Error::new(ErrorKind::Policy, "the policy is not UTF-8"))?;
            let read = imagxp_policy_file::read(text, file_name.text("file_name")?);
            let file = read.map_err(|Refusal { error, line }| match line {
                Some(line) => Error::new(error.kind(), format!("line {line}: {}", error.message())),
                None => error,
            })?;
            let mut policy = imagxp_policy::new(file.policy);
            policy.remarks = file.remarks.into_iter().map(at_line).collect();
            Ok(policy)
        })
    })
}

fn at_line((line, remark): (Option<usize>, String)) -> String {
    line.map_or_else(|| remark.clone(), |line| format!("line {line}: {remark}"))
}

/// Writes the JSON Schema (2020-12) of policy documents.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_policy_schema(
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(Policy::schema())))
}
