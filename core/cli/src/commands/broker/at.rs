//! Which broker, and as whom.

use crate::commands::agent_id;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::key_file;
use imagxp::agent::Identity;
use imagxp_fetch::broker::{BrokerClient, BrokerError};
use imagxp_fetch::{Fetcher, Options};
use std::path::PathBuf;
use zeroize::Zeroizing;

const TOKEN: &str = "IMAGXP_OPERATOR_TOKEN";

/// The options of every command that asks a broker.
#[derive(Debug, clap::Args)]
pub(super) struct At {
    /// The broker's origin
    #[arg(long, value_name = "URL")]
    broker: String,
    /// A file with an operator's token; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "agent_id"])]
    token_file: Option<PathBuf>,
    /// The private key of an agent or a publisher, who signs: PEM, JWK or DER, or a folder of `imagxp rotate`
    #[arg(long, value_name = "FILE", requires = "agent_id")]
    key: Option<PathBuf>,
    /// The domain of the key
    #[arg(long, value_name = "DOMAIN", requires = "key")]
    agent_id: Option<String>,
    /// Admit http on localhost and 127.0.0.1, for development
    #[arg(long)]
    allow_loopback: bool,
}

/// The option of every command that changes something.
#[derive(Debug, clap::Args)]
pub(super) struct Once {
    /// Names what is done: asked again, the same is answered and nothing is done twice [default: random]
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(super) idempotency_key: Option<String>,
}

impl At {
    pub(super) fn client(&self, context: &Context) -> Result<BrokerClient, CliError> {
        let fetcher = Fetcher::new(Options { allow_loopback: self.allow_loopback, ..Options::default() })?;
        let client = match (&self.key, &self.agent_id) {
            (Some(key), Some(name)) => {
                let identity =
                    Identity::new(agent_id(name, self.allow_loopback)?, key_file::private(context, key)?);
                BrokerClient::new(&self.broker, identity, fetcher)
            }
            _ => BrokerClient::operator(&self.broker, self.token(context)?.trim(), fetcher),
        };
        client.map_err(wrong)
    }

    fn token(&self, context: &Context) -> Result<Zeroizing<String>, CliError> {
        let Some(file) = &self.token_file else {
            return std::env::var(TOKEN).map(Zeroizing::new).map_err(|_| {
                CliError::usage(format!(
                    "say who asks: --key and --agent-id, --token-file, or the variable {TOKEN}"
                ))
            });
        };
        let text = context.input.secret(file)?;
        let text =
            core::str::from_utf8(&text).map_err(|_| CliError::usage("the operator's token is not text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// A broker's error as this program's.
pub(super) fn wrong(error: BrokerError) -> CliError {
    let mut message = error.message().to_owned();
    if let Some(id) = error.request_id() {
        message.push_str(&format!(" (request {id})"));
    }
    if let Some(key) = error.idempotency_key().filter(|_| error.is_unknown()) {
        message
            .push_str(&format!("; whether it was done is not known, ask again with --idempotency-key {key}"));
    }
    CliError::new(error.code().to_owned(), message)
}

/// What came of asking; a refusal is told, and ends with an exit code of its own.
pub(super) fn told<T>(context: &Context, asked: Result<T, BrokerError>) -> Result<Result<T, Exit>, CliError> {
    match asked {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.code().starts_with("usage.") => Err(wrong(error)),
        Err(error) => {
            let exit = if error.is_unknown() || error.is_transient() || error.status().is_none() {
                Exit::Undecided
            } else {
                Exit::Deny
            };
            context.out.error(&wrong(error));
            Ok(Err(exit))
        }
    }
}
