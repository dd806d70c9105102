//! `imagxp keys`: the broker's signing keys.

use super::server::{Options, now, wrong};
use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::Object;

/// The broker's signing keys, in the data folder or, sealed, in PostgreSQL
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
    /// End a key that has leaked, at once: it leaves the key set, and nothing that it signed counts any more
    ///
    /// When it was the one that signs, the key that waits for its day takes over, else a new one. Services that run notice within seconds.
    Drop {
        /// The key's name in the key set, its `kid`
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Why, for those who look later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        options: Options,
    },
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let (made, what) = match self.command {
            Command::Create(options) => (options.registry(context)?.create_key(now()?), "signs now"),
            Command::Rotate(options) => {
                (options.registry(context)?.rotate_keys(now()?), "published now, signs a day from now")
            }
            Command::Drop { kid, reason, options } => {
                (options.registry(context)?.drop_key(&kid, &reason, now()?), "signs now")
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
