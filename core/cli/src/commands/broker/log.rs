//! `imagxp broker log`: what an operator says of the log of a broker that runs.

use super::at::{At, Once, told};
use super::show::show;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// The log of a broker that runs: accept it, or say that the clock is right, as an operator (admin)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Go on with a log that has gone back (`log.rewound`): it lacks what the service has kept of it
    ///
    /// For an operator who has looked at what is missing. The service takes writes again at once, the log says who accepted it, and the
    /// kept checkpoint is set aside in the data folder, not deleted. Of several processes each is asked at its own address.
    Accept(Said),
    /// Say that the broker's clock is right, although the log's last entry is far from it (`clock.wrong`)
    ///
    /// When the log is ahead this is a dispute, whose number the answer has as `seq`; a second operator agrees with --dispute.
    TrustClock {
        /// The number of the entry by which another operator has disputed the log's time
        #[arg(long, value_name = "SEQ")]
        dispute: Option<u64>,
        #[command(flatten)]
        said: Said,
    },
}

/// What is said, where, and by whom.
#[derive(Debug, clap::Args)]
struct Said {
    /// Why, for those who look later
    #[arg(long, value_name = "TEXT")]
    memo: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

impl Args {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let (said, dispute) = match &self.command {
            Command::Accept(said) => (said, None),
            Command::TrustClock { dispute, said } => (said, Some(*dispute)),
        };
        let client = said.at.client(context)?;
        let key = said.once.idempotency_key.as_deref();
        let event = match dispute {
            None => client.accept_log(&said.memo, key),
            Some(dispute) => client.trust_clock(&said.memo, dispute, key),
        };
        match told(context, event)? {
            Ok(event) => show(context, &event),
            Err(exit) => Ok(exit),
        }
    }
}
