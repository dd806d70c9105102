//! `imagxp operator`: who runs the broker.

use super::server::{Options, now, wrong};
use crate::context::Context;
use crate::error::{CliError, Exit};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use imagxp::json::{Object, Value};
use imagxp_server::Registry;
use imagxp_server::operators::Role;

/// The broker's operators; a service that runs notices a change within seconds, and the ledger's log has it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add an operator; the token is printed on standard output, once, and kept nowhere
    Add {
        /// The name, which is written beside everything that the operator does
        name: String,
        /// What the operator may do: book deposits and nothing else; read; also book deposits and withdrawals; everything
        #[arg(long, default_value = "viewer", value_parser = role())]
        role: Role,
        #[command(flatten)]
        options: Options,
    },
    /// Remove an operator, whose token and sessions end with it
    Remove {
        /// The name
        name: String,
        #[command(flatten)]
        options: Options,
    },
    /// List the operators
    List(Options),
}

/// Notes the change in the ledger's log. What a ledger cannot take now, the service notes when it can.
fn note(context: &Context, registry: &Registry, options: &Options) -> Result<(), CliError> {
    if let Err(error) = registry.note_operators(&options.beside()?, now()?) {
        context.out.warning(&wrong(error));
    }
    Ok(())
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["depositor", "viewer", "cashier", "admin"])
        .try_map(|name| Role::from_name(&name).ok_or("not a role"))
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Add { name, role, options } => {
                let registry = options.registry(context)?;
                let token = registry.add_operator(&name, role, now()?).map_err(wrong)?;
                note(context, &registry, &options)?;
                let text = if context.out.is_json() {
                    let mut object = Object::new();
                    object.insert("name", name);
                    object.insert("role", role.as_str());
                    object.insert("token", token.as_str().to_owned());
                    format!("{}\n", String::from_utf8_lossy(&imagxp::json::object_to_canonical(&object)))
                } else {
                    format!("{}\n", token.as_str())
                };
                // A terminal is where it is meant to be read: it cannot be asked for again.
                context.out.secret(&text, true)?;
            }
            Command::Remove { name, options } => {
                let registry = options.registry(context)?;
                registry.remove_operator(&name, now()?).map_err(wrong)?;
                note(context, &registry, &options)?;
            }
            Command::List(options) => {
                let operators = options.registry_to_read(context)?.operators().map_err(wrong)?;
                if context.out.is_json() {
                    let list = operators.list().iter().map(|operator| {
                        let mut object = Object::new();
                        object.insert("name", operator.name.clone());
                        object.insert("role", operator.role.as_str());
                        object.insert("created_at", operator.created_at.clone());
                        Value::Object(object)
                    });
                    let mut object = Object::new();
                    object.insert("operators", list.collect::<Vec<_>>());
                    context.out.object(&object)?;
                } else {
                    let lines = operators.list().iter().map(|operator| {
                        format!(
                            "{:<24} {:<8} {}\n",
                            operator.name,
                            operator.role.as_str(),
                            operator.created_at
                        )
                    });
                    context.out.text(&lines.collect::<String>())?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}
