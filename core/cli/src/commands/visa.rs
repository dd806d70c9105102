//! `imagxp visa`: what a broker does, for tests and demonstrations.

use super::{agent_id, purpose};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::{key_file, random, time};
use clap::Subcommand;
use imagxp::amount::Amount;
use imagxp::crypto::Thumbprint;
use imagxp::json::Object;
use imagxp::policy::Money;
use imagxp::visa::{NewVisa, issue};
use imagxp::{Purpose, Timestamp};
use std::path::PathBuf;

/// Issue visas with a key of one's own: for test brokers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a visa. Nothing is paid or booked: a real broker's ledger decides whether it may issue one
    Issue(Issue),
}

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "imagxp visa issue [OPTIONS] --key <FILE> --issuer <URL> --audience <ORIGIN>\n       \
    --agent-id <DOMAIN> --amount <AMOUNT>"
)]
struct Issue {
    /// The broker's private ES256 key; `-` is standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The broker's URL, exactly as publishers' policies name it
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The publisher's origin, https://host
    #[arg(long, value_name = "ORIGIN")]
    audience: String,
    /// The agent's domain
    #[arg(long, value_name = "DOMAIN")]
    agent_id: String,
    /// Bind the visa to the agent's key with this thumbprint
    #[arg(long, value_name = "THUMBPRINT", value_parser = thumbprint, allow_hyphen_values = true)]
    jkt: Option<Thumbprint>,
    /// What is paid, a decimal such as 0.001
    #[arg(long, value_parser = amount)]
    amount: Amount,
    /// In which currency
    #[arg(long, default_value = "USD")]
    currency: String,
    /// How many seconds the visa lives, at most 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    lifetime: u32,
    /// The visa's name, 8 to 128 bytes [default: a random UUID]
    #[arg(long, allow_hyphen_values = true)]
    jti: Option<String>,
    /// How often it may be used
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    max_uses: u32,
    /// Limit it to this purpose; may be repeated
    #[arg(long, value_parser = purpose())]
    purpose: Vec<Purpose>,
    /// When it is issued [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    now: Option<Timestamp>,
    /// Admit localhost and 127.0.0.1 as agents, for development
    #[arg(long)]
    allow_loopback: bool,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Command::Issue(issue) = self.command;
        issue.run(context)
    }
}

impl Issue {
    fn run(self, context: &Context) -> Result<Exit, CliError> {
        let agent = agent_id(&self.agent_id, self.allow_loopback)?;
        let key = key_file::private(context, &self.key)?;
        key_file::require_es256(&key, &self.key)?;
        let jti = self.jti.map_or_else(random::uuid, Ok)?;
        let issued_at = time::now_or(self.now)?;
        let paid = Money { amount: self.amount, currency: self.currency };
        let visa = NewVisa {
            issuer: &self.issuer,
            audience: &self.audience,
            agent_id: &agent,
            key: self.jkt.as_ref(),
            jti: &jti,
            issued_at,
            lifetime_s: self.lifetime,
            paid: &paid,
            purposes: &self.purpose,
            max_uses: self.max_uses,
        };
        let token = issue(&visa, &key)?;
        if !context.out.is_json() {
            context.out.text(&format!("{token}\n"))?;
            return Ok(Exit::Ok);
        }
        let mut object = Object::new();
        object.insert("token", token);
        object.insert("jti", jti.as_str());
        object.insert("kid", key.public_key().thumbprint().as_str());
        object.insert("expires_at", issued_at.saturating_add_secs(i64::from(self.lifetime)).to_string());
        context.out.object(&object)?;
        Ok(Exit::Ok)
    }
}

fn thumbprint(text: &str) -> Result<Thumbprint, &'static str> {
    Thumbprint::parse(text).ok_or("expected the 43 characters of an RFC 7638 thumbprint")
}

fn amount(text: &str) -> Result<Amount, &'static str> {
    Amount::parse(text).ok_or("expected a decimal such as 0.001")
}
