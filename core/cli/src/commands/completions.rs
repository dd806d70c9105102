//! `imagxp completions`: scripts for shells.

use crate::args::Cli;
use crate::context::Context;
use crate::error::{CliError, Exit};
use clap::CommandFactory;
use clap_complete::Shell;
use imagxp::json::Object;

/// Print a completion script
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        // Generated into memory: the generator panics when a write fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "imagxp", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        if context.out.is_json() {
            let mut object = Object::new();
            object.insert("shell", self.shell.to_string());
            object.insert("script", script);
            context.out.object(&object)?;
        } else {
            context.out.exact(&script)?;
        }
        Ok(Exit::Ok)
    }
}
