//! `imagxp key`: the public facts of a key.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file::{print_facts, public};
use crate::output::shown;
use clap::Subcommand;
use std::path::PathBuf;

/// Look at keys
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the public facts of a key: algorithm, thumbprint, SPKI, JWK
    Show {
        /// A private or public key: encrypted, PEM, JWK, DER, or base64 SPKI; `-` is standard input
        file: PathBuf,
    },
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Command::Show { file } = self.command;
        let key = public(context, &file)?;
        print_facts(&context.out, &key, Some(&file), &format!("{}:\n", shown(&name(&file))))?;
        Ok(Exit::Ok)
    }
}
