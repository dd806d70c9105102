//! `imagxp broker lock`, `unlock`, `slash`.

use super::at::told;
use super::money::Booking;
use super::show::show;
use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::Object;
use imagxp_fetch::broker::{Bond, BrokerClient, BrokerError};

/// Lock money under the name of a bond, as its owner or as an operator (admin): it cannot be spent until it is given back
#[derive(Debug, clap::Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    part: Part,
}

/// Give a bond or a part of it back to its owner, as an operator (admin)
#[derive(Debug, clap::Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    part: Part,
}

/// Take a bond or a part of it for the treasury, as an operator (admin); --memo says why
#[derive(Debug, clap::Args)]
pub(crate) struct Slash {
    #[command(flatten)]
    part: Part,
}

/// Which money.
#[derive(Debug, clap::Args)]
struct Part {
    /// Whose: a domain
    owner: String,
    /// What the bond is called
    bond: String,
    /// How much, for example 10.00
    amount: String,
    #[command(flatten)]
    booking: Booking,
}

/// What is asked of the broker.
type Ask = fn(&BrokerClient, &Bond<'_>, Option<&str>) -> Result<Object<'static>, BrokerError>;

impl Part {
    fn ask(&self, context: &Context, ask: Ask) -> Result<Exit, CliError> {
        let Booking { asset, memo, once, at } = &self.booking;
        let bond = Bond {
            owner: Some(&self.owner),
            name: &self.bond,
            amount: &self.amount,
            asset: asset.as_deref(),
            memo: memo.as_deref(),
        };
        let client = at.client(context)?;
        match told(context, ask(&client, &bond, once.idempotency_key.as_deref()))? {
            Ok(transfer) => show(context, &transfer),
            Err(exit) => Ok(exit),
        }
    }
}

impl Lock {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        self.part.ask(context, BrokerClient::lock)
    }
}

impl Unlock {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        self.part.ask(context, BrokerClient::unlock)
    }
}

impl Slash {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        self.part.ask(context, BrokerClient::slash)
    }
}
