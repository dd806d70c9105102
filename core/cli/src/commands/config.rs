//! `imagxp config check`: what is in force.

use super::server::{Options, warn_of_variables, wrong};
use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::{Object, Value};

/// The configuration of `imagxp serve`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every option, its value and who set it, and refuse what `serve` would refuse of them; passwords are not shown
    Check(Options),
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Command::Check(options) = self.command;
        let layers = options.layers()?;
        warn_of_variables(&layers, context);
        let settings = layers.settings();
        if context.out.is_json() {
            let mut object = Object::new();
            for setting in &settings {
                let mut entry = Object::new();
                entry.insert("value", setting.value.clone());
                entry.insert("source", setting.source.as_str());
                object.insert(setting.name, Value::Object(entry));
            }
            context.out.object(&object)?;
        } else {
            let mut text = String::new();
            for setting in &settings {
                text.push_str(&format!(
                    "{:<20} {:<11} {}\n",
                    setting.name,
                    setting.source.as_str(),
                    setting.value
                ));
            }
            context.out.text(&text)?;
        }
        imagxp_server::check(&layers.config().map_err(wrong)?).map_err(wrong)?;
        Ok(Exit::Ok)
    }
}
