//! Policy files: JSON, or the same structure in TOML.

use crate::context::Context;
use crate::error::CliError;
use crate::input::name;
use imagxp_policy_file::{PolicyFile, Refusal};
use std::path::Path;

/// Reads a policy: TOML when the name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like.
///
/// Errors have the code `usage.policy` and name the file and, where it can be told, the line.
pub(crate) fn read(context: &Context, path: &Path) -> Result<PolicyFile, CliError> {
    let text = context.input.text(path)?;
    imagxp_policy_file::read(&text, &path.to_string_lossy())
        .map_err(|Refusal { error, line }| CliError::from(error).at_line(line).in_file(name(path)))
}
