//! `imagxp canonicalize`: RFC 8785.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use imagxp::json::{Limits, Object, canonicalize};
use imagxp_policy_file::locate;
use std::path::PathBuf;

/// Print the RFC 8785 (JCS) form of a JSON document: the bytes that are signed, without a line feed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The document; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let bytes = context.input.bytes(&self.file)?;
        let canonical = canonicalize(&bytes, &Limits::INTERCHANGE).map_err(|error| {
            let line = locate::of_refusal(&bytes, &error);
            CliError::new(error.code().as_str(), error.reason()).in_file(name(&self.file)).at_line(Some(line))
        })?;
        let canonical = String::from_utf8(canonical).map_err(|_| CliError::malformed("not UTF-8"))?;
        if context.out.is_json() {
            let mut object = Object::new();
            object.insert("canonical", canonical);
            context.out.object(&object)?;
        } else {
            context.out.exact(&canonical)?;
        }
        Ok(Exit::Ok)
    }
}
