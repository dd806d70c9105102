//! `imagxp man`: manual pages, for packagers.

use crate::args::Cli;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use clap::CommandFactory;
use std::path::PathBuf;

/// Write manual pages, one for each command, into a folder
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The folder, which must exist
    folder: PathBuf,
}

impl Args {
    pub(crate) fn run(self, _: &Context) -> Result<Exit, CliError> {
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(|error| {
            CliError::new(CliError::UNWRITABLE, format!("cannot be written: {error}"))
                .in_file(name(&self.folder))
        })?;
        Ok(Exit::Ok)
    }
}
