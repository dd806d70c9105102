//! `imagxp audit prove`: one record as evidence.

use super::Keys;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::key_file;
use imagxp_files::audit::{Selector, prove};
use std::path::PathBuf;

/// Write one record as evidence that a third party can verify without the log
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the log
    log: PathBuf,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    keys: Keys,
    /// Write to this file, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The number of the entry, as `audit show` prints it
    entry: Option<u64>,
    /// The trace id of the verdict
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    trace_id: Option<String>,
    /// The nonce of the request
    #[arg(long, value_name = "NONCE", allow_hyphen_values = true)]
    nonce: Option<String>,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let keys = self.keys.required(context)?;
        let selector = match (&self.which.entry, &self.which.trace_id, &self.which.nonce) {
            (Some(entry), _, _) => Selector::Number(*entry),
            (_, Some(id), _) => Selector::TraceId(id),
            (_, _, Some(nonce)) => Selector::Nonce(nonce),
            _ => return Err(CliError::usage("say which record")),
        };
        let evidence = prove(&self.log, selector, &keys)?.to_json()?;
        match &self.out {
            None => context.out.document(&evidence)?,
            // Who was asked for what is not for everybody on this machine.
            Some(path) => key_file::write(path, &[evidence.as_slice(), b"\n"].concat(), false)?,
        }
        Ok(Exit::Ok)
    }
}
