//! `imagxp broker deposit`, `account`, `statement`.

use super::at::{At, Once, told};
use super::show::show;
use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp_fetch::broker::Period;

/// Book money that has come in, as an operator; the reference counts once, for ever
#[derive(Debug, clap::Args)]
pub(crate) struct Deposit {
    /// Whose: a domain
    owner: String,
    /// How much, for example 10.00
    amount: String,
    /// What the bank or payment provider calls it
    #[arg(long, value_name = "TEXT")]
    reference: String,
    #[command(flatten)]
    booking: Booking,
}

/// What every command has that moves money.
#[derive(Debug, clap::Args)]
pub(super) struct Booking {
    /// In which asset [default: the broker's first]
    #[arg(long, value_name = "CODE")]
    pub(super) asset: Option<String>,
    /// A note: why
    #[arg(long, value_name = "TEXT")]
    pub(super) memo: Option<String>,
    #[command(flatten)]
    pub(super) once: Once,
    #[command(flatten)]
    pub(super) at: At,
}

impl Deposit {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Booking { asset, memo, once, at } = &self.booking;
        let (asset, memo, key) = (asset.as_deref(), memo.as_deref(), once.idempotency_key.as_deref());
        let client = at.client(context)?;
        match told(context, client.deposit(&self.owner, &self.amount, asset, &self.reference, memo, key))? {
            Ok(transfer) => show(context, &transfer),
            Err(exit) => Ok(exit),
        }
    }
}

/// Show an owner's accounts
#[derive(Debug, clap::Args)]
pub(crate) struct Account {
    /// Whose [default: the domain of --agent-id]
    owner: Option<String>,
    #[command(flatten)]
    at: At,
}

impl Account {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match told(context, self.at.client(context)?.account(self.owner.as_deref()))? {
            Ok(accounts) => show(context, &accounts),
            Err(exit) => Ok(exit),
        }
    }
}

/// Show a statement: opening balance, transfers, closing balance
#[derive(Debug, clap::Args)]
pub(crate) struct Statement {
    /// Whose [default: the domain of --agent-id]
    owner: Option<String>,
    /// In which asset [default: the broker's first]
    #[arg(long, value_name = "CODE")]
    asset: Option<String>,
    /// From when on, RFC 3339 [default: the beginning]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when, exclusive, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    at: At,
}

impl Statement {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let period =
            Period { asset: self.asset.as_deref(), from: self.from.as_deref(), until: self.until.as_deref() };
        match told(context, self.at.client(context)?.statement(self.owner.as_deref(), &period))? {
            Ok(statement) => show(context, &statement),
            Err(exit) => Ok(exit),
        }
    }
}
