//! `imagxp broker issue`, `redeem`, `visa`, `contest`, `decide`.

use super::at::{At, Once, told};
use super::show::show;
use crate::commands::purpose;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::request_file::{Form, RequestFile};
use imagxp::Purpose;
use imagxp::json::{Object, Value};
use imagxp_fetch::broker::{Presented, Want};
use std::path::PathBuf;

/// Buy a visa, as an agent; without --json the visa alone is printed, for `imagxp sign --payment`
#[derive(Debug, clap::Args)]
pub(crate) struct Issue {
    /// The publisher's origin
    resource: String,
    /// For how much, for example 0.05
    amount: String,
    /// In which asset
    #[arg(long, value_name = "CODE", default_value = "USD")]
    currency: String,
    /// What for
    #[arg(long, value_parser = purpose())]
    purpose: Purpose,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

impl Issue {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let client = self.at.client(context)?;
        let want = Want {
            resource: self.resource,
            amount: self.amount,
            currency: self.currency,
            purpose: self.purpose,
        };
        let visa = match told(context, client.issue(&want, self.once.idempotency_key.as_deref()))? {
            Ok(visa) => visa,
            Err(exit) => return Ok(exit),
        };
        if !context.out.is_json() {
            context.out.secret(&format!("{}\n", visa.token()), true)?;
            return Ok(Exit::Ok);
        }
        let mut object = Object::new();
        object.insert("token", visa.token());
        object.insert("jti", visa.jti());
        object.insert("amount", visa.price().amount.to_string());
        object.insert("currency", visa.price().currency.as_str());
        object.insert("expires_at", visa.exp().to_string());
        context.out.object(&object)?;
        Ok(Exit::Ok)
    }
}

/// Redeem the visas of requests, as the publisher; each file is a request as `imagxp verify` takes it
#[derive(Debug, clap::Args)]
pub(crate) struct Redeem {
    /// The requests: 1 to 1000
    #[arg(required = true, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// The form of the files
    #[arg(long, value_enum, default_value_t)]
    form: Form,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

impl Redeem {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let read = |path: &PathBuf| -> Result<Presented, CliError> {
            let file = RequestFile::read(context, path, self.form, None)?;
            Ok(file.with(|request| Presented::of_request(request.headers))?)
        };
        let visas = self.requests.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let client = self.at.client(context)?;
        let results = match told(context, client.redeem(&visas, self.once.idempotency_key.as_deref()))? {
            Ok(results) => results,
            Err(exit) => return Ok(exit),
        };
        let mut object = Object::new();
        object.insert(
            "results",
            results.iter().map(|result| Value::from(result.to_json())).collect::<Vec<_>>(),
        );
        show(context, &object)?;
        Ok(if results.iter().any(imagxp_fetch::broker::Redeemed::is_transient) {
            Exit::Undecided
        } else if results.iter().all(|result| result.accepted) {
            Exit::Ok
        } else {
            Exit::Deny
        })
    }
}

/// Show a visa
#[derive(Debug, clap::Args)]
pub(crate) struct Visa {
    /// Its name
    #[arg(allow_hyphen_values = true)]
    jti: String,
    #[command(flatten)]
    at: At,
}

impl Visa {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match told(context, self.at.client(context)?.visa(&self.jti))? {
            Ok(visa) => show(context, &visa),
            Err(exit) => Ok(exit),
        }
    }
}

/// Contest, as the publisher, that the money of a visa is withheld: an operator decides
#[derive(Debug, clap::Args)]
pub(crate) struct Contest {
    /// The visa's name
    #[arg(allow_hyphen_values = true)]
    jti: String,
    /// What there is to say, at most 256 bytes
    statement: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

impl Contest {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let key = self.once.idempotency_key.as_deref();
        match told(context, self.at.client(context)?.contest(&self.jti, &self.statement, key))? {
            Ok(visa) => show(context, &visa),
            Err(exit) => Ok(exit),
        }
    }
}

/// Decide a dispute, as an operator
#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// The visa's name
    #[arg(allow_hyphen_values = true)]
    jti: String,
    /// Who gets the money: the publisher, the agent, or both
    #[arg(value_parser = ["release", "refund", "split"])]
    decision: String,
    /// The publisher's part of a split, before the fee
    #[arg(long, value_name = "AMOUNT", required_if_eq("decision", "split"))]
    amount: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    memo: Option<String>,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    at: At,
}

impl Decide {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let (amount, memo, key) =
            (self.amount.as_deref(), self.memo.as_deref(), self.once.idempotency_key.as_deref());
        match told(context, self.at.client(context)?.decide(&self.jti, &self.decision, amount, memo, key))? {
            Ok(visa) => show(context, &visa),
            Err(exit) => Ok(exit),
        }
    }
}
