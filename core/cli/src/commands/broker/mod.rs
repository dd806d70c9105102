//! `imagxp broker`: everything around a broker, beside it in its data folder or from far away over its API (BROKER).

mod at;
mod bond;
mod ledger;
mod log;
mod money;
mod show;
mod visas;

use crate::context::Context;
use crate::error::{CliError, Exit};

/// Said at the end of `imagxp broker --help`.
const EXIT_CODES: &str = "\
Commands with --broker ask a broker that runs: as an operator with a token (--token-file, or the
variable IMAGXP_OPERATOR_TOKEN), or as an agent or publisher that signs (--key, --agent-id). The
others work on the data folder or the database itself, also while the service runs.

Exit codes:
  0  done
  1  the broker refuses, or the ledger is not sound
  2  wrong usage, or broken input
  3  the broker cannot be asked now; what was begun is found by the same --idempotency-key";

/// Run a broker and use one: deposits, bonds, visas, statements, log, audit, backup
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Deposit(money::Deposit),
    Lock(bond::Lock),
    Unlock(bond::Unlock),
    Slash(bond::Slash),
    Account(money::Account),
    Statement(money::Statement),
    Issue(visas::Issue),
    Redeem(visas::Redeem),
    Visa(visas::Visa),
    Contest(visas::Contest),
    Decide(visas::Decide),
    Settle(ledger::Settle),
    Ledger(ledger::Args),
    Log(log::Args),
    Backup(ledger::Backup),
    Restore(ledger::Restore),
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Deposit(args) => args.run(context),
            Command::Lock(args) => args.run(context),
            Command::Unlock(args) => args.run(context),
            Command::Slash(args) => args.run(context),
            Command::Account(args) => args.run(context),
            Command::Statement(args) => args.run(context),
            Command::Issue(args) => args.run(context),
            Command::Redeem(args) => args.run(context),
            Command::Visa(args) => args.run(context),
            Command::Contest(args) => args.run(context),
            Command::Decide(args) => args.run(context),
            Command::Settle(args) => args.run(context),
            Command::Ledger(args) => args.run(context),
            Command::Log(args) => args.run(context),
            Command::Backup(args) => args.run(context),
            Command::Restore(args) => args.run(context),
        }
    }
}
