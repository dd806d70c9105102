//! `imagxp man`: manual pages, for packagers.

use crate::args::Cli;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use clap::CommandFactory;
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};

/// Write manual pages, one for each command, into a folder
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The folder, which must exist
    folder: PathBuf,
}

impl Args {
    pub(crate) fn run(self, _: &Context) -> Result<Exit, CliError> {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        write(&command, &self.folder).map_err(|error| {
            CliError::new(CliError::UNWRITABLE, format!("cannot be written: {error}"))
                .in_file(name(&self.folder))
        })?;
        Ok(Exit::Ok)
    }
}

/// The page of a command, and of each below it, with the same footer and header: clap_mangen alone would name the command there.
fn write(command: &clap::Command, folder: &Path) -> io::Result<()> {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    for below in shown {
        write(below, folder)?;
    }
    let source = concat!("imagxp ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(source).manual("IMAGXP").generate_to(folder)?;
    Ok(())
}
