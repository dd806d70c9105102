//! `imagxp keys`: the broker's signing keys.

use super::server::{Options, now, wrong};
use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::Object;
use imagxp_server::keys;

/// The broker's signing keys, in the data folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the first key, which signs at once
    Create(Options),
    /// Make the next key: published now, it signs a day from now; the old one stays until what it signed has expired
    Rotate(Options),
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let (made, what) = match self.command {
            Command::Create(options) => {
                let (data, passphrase) = options.places()?;
                (keys::create(&data, &passphrase, now()?), "signs now")
            }
            Command::Rotate(options) => {
                let (data, passphrase) = options.places()?;
                (keys::rotate(&data, &passphrase, now()?), "published now, signs a day from now")
            }
        };
        let kid = made.map_err(wrong)?;
        if context.out.is_json() {
            let mut object = Object::new();
            object.insert("kid", kid);
            context.out.object(&object)?;
        } else {
            context.out.text(&format!("{kid}: {what}\n"))?;
        }
        Ok(Exit::Ok)
    }
}
