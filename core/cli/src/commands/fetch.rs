//! `imagxp fetch`: reads one page as an agent does, and says what happened.

use super::{agent_id, purpose};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file;
use crate::output::shown;
use imagxp::agent::Identity;
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, ReaderOptions, Receipts, Redirects};
use imagxp::agent::spend::{Caps, MemorySpend, Spend, SpendStore};
use imagxp::agent::visit::{PaymentState, Report};
use imagxp::encoding::{base64_encode, hex_encode};
use imagxp::json::{Object, Value};
use imagxp::{ErrorKind, Purpose};
use imagxp_fetch::agent::{Agent, Page};
use imagxp_fetch::{Fetcher, Options};
use imagxp_files::atomic::{self, Existing};
use imagxp_files::spend::SpendFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Read one page: robots.txt, signature, payment within caps, receipt
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to read
    url: String,
    /// The private key: PEM, JWK or DER; `-` is standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The agent's domain
    #[arg(long, value_name = "DOMAIN")]
    agent_id: String,
    /// Why the agent reads
    #[arg(long, value_parser = purpose())]
    purpose: Purpose,
    /// The product token that robots.txt may name
    #[arg(long, value_name = "TOKEN", default_value = "imagxp-cli")]
    product: String,
    /// The most to pay for this read; nothing is paid without it
    #[arg(long, value_name = "AMOUNT")]
    max_price: Option<String>,
    /// The currency of all amounts
    #[arg(long, value_name = "CODE", default_value = "USD")]
    currency: String,
    /// The most to pay to one host in one UTC day; needs --spend-file
    #[arg(long, value_name = "AMOUNT", requires_all = ["max_price", "spend_file"])]
    max_per_host: Option<String>,
    /// The most to pay in one UTC day; needs --spend-file
    #[arg(long, value_name = "AMOUNT", requires_all = ["max_price", "spend_file"])]
    max_per_day: Option<String>,
    /// The most to pay ever; needs --spend-file
    #[arg(long, value_name = "AMOUNT", requires_all = ["max_price", "spend_file"])]
    max_total: Option<String>,
    /// A broker that may be paid, by its issuer URL; may be given several times
    #[arg(long, value_name = "ISSUER")]
    broker: Vec<String>,
    /// Where payments are remembered, so that none is made twice
    #[arg(long, value_name = "FILE")]
    spend_file: Option<PathBuf>,
    /// Write the body to this file when the status is 2xx [default: standard output, or nowhere with --json]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Refuse content without a provenance receipt that holds
    #[arg(long)]
    require_receipt: bool,
    /// Follow redirects to other origins, each as a visit of its own
    #[arg(long)]
    any_origin: bool,
    /// Admit http on localhost and 127.0.0.1, for development
    #[arg(long)]
    allow_loopback: bool,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let brokers = self.broker.iter().map(|issuer| TrustedBroker::new(issuer, self.allow_loopback));
        let options = ReaderOptions {
            brokers: brokers.collect::<imagxp::Result<_>>()?,
            redirects: if self.any_origin { Redirects::AnyOrigin } else { Redirects::SameOrigin },
            receipts: if self.require_receipt { Receipts::Require } else { Receipts::Verify },
            allow_loopback: self.allow_loopback,
            ..ReaderOptions::new(self.purpose, self.product.clone())
        };
        let identity = Identity::new(
            agent_id(&self.agent_id, self.allow_loopback)?,
            key_file::private(context, &self.key)?,
        );
        let purse = Arc::new(Purse::new(self.books()?));
        let fetcher = Fetcher::new(Options { allow_loopback: self.allow_loopback, ..Options::default() })?;
        let agent = Agent::new(identity, options, purse, fetcher)?;
        if let Some(path) = &self.output {
            // Told before anything is paid for.
            atomic::try_out(path, Existing::Replace).map_err(|error| unwritable(path, &error))?;
        }
        match agent.read(&self.url) {
            Ok(page) => self.page(context, &page),
            Err(refusal) => {
                say(context, &refusal.report);
                if context.out.is_json() {
                    let mut object = refusal.report.to_json();
                    let mut error = Object::new();
                    error.insert("code", refusal.error.code());
                    error.insert("message", refusal.error.message().to_owned());
                    object.insert("error", error);
                    context.out.object(&object)?;
                }
                match exit(refusal.error.kind()) {
                    Exit::Usage => Err(refusal.error.into()),
                    exit => {
                        if !context.out.is_json() {
                            context.out.error(&refusal.error.into());
                        }
                        Ok(exit)
                    }
                }
            }
        }
    }

    /// The books, with caps when a price may be paid.
    fn books(&self) -> Result<Arc<dyn SpendStore>, CliError> {
        let caps = match &self.max_price {
            None => None,
            Some(max_price) => {
                let mut caps = Caps::new(&self.currency, max_price)?;
                if let Some(amount) = &self.max_per_host {
                    caps = caps.with_per_host(amount)?;
                }
                if let Some(amount) = &self.max_per_day {
                    caps = caps.with_per_day(amount)?;
                }
                if let Some(amount) = &self.max_total {
                    caps = caps.with_total(amount)?;
                }
                Some(caps)
            }
        };
        Ok(match &self.spend_file {
            Some(path) => Arc::new(SpendFile::open(path, caps)?),
            None => Arc::new(MemorySpend::new(Spend::new(caps))),
        })
    }

    fn page(&self, context: &Context, page: &Page) -> Result<Exit, CliError> {
        say(context, &page.report);
        let written = self.write(page);
        // What was paid for goes somewhere.
        let paid = matches!(page.report.payment.state, PaymentState::Bought | PaymentState::Reused);
        let rescued = written.is_err() && paid;
        if context.out.is_json() {
            let mut object = page.report.to_json();
            let digest = imagxp::digest::sha256(&page.body);
            object.insert("content_sha256", hex_encode(&digest));
            object.insert("bytes", u32::try_from(page.body.len()).unwrap_or(u32::MAX));
            let output = written.as_ref().ok().copied().flatten();
            object.insert("output", output.map_or(Value::Null, |path| name(path).into()));
            if rescued {
                object.insert("body_base64", base64_encode(&page.body));
            }
            context.out.object(&object)?;
        } else if self.output.is_none() || rescued {
            context.out.bytes(&page.body)?;
        }
        if written?.is_none()
            && let Some(path) = &self.output
            && !context.out.is_json()
        {
            let path = name(path);
            context.out.complain(&format!(
                "output   {}: not written, for status {}\n",
                shown(&path),
                page.status
            ));
        }
        Ok(match page.status {
            200..=399 => Exit::Ok,
            400..=499 => Exit::Deny,
            _ => Exit::Undecided,
        })
    }

    /// Writes the body where it is wanted, if anywhere. What a server says of an error takes no page's place.
    fn write(&self, page: &Page) -> Result<Option<&Path>, CliError> {
        let is_content = (200..=299).contains(&page.status);
        let Some(path) = self.output.as_deref().filter(|_| is_content) else { return Ok(None) };
        atomic::write_with_mode(path, &page.body, Existing::Replace, atomic::PUBLIC)
            .map_err(|error| unwritable(path, &error))?;
        Ok(Some(path))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> CliError {
    CliError::new(CliError::UNWRITABLE, format!("cannot be written: {error}")).in_file(name(path))
}

/// Each step on standard error; with `--json` they are in the report.
fn say(context: &Context, report: &Report) {
    if context.out.is_json() {
        return;
    }
    for step in &report.steps {
        context.out.complain(&format!("{:<8} {}: {}\n", step.what, shown(&step.url), shown(&step.note)));
    }
    if report.payment.state != PaymentState::None
        && let Some(price) = &report.payment.price
    {
        let state = report.payment.state.as_str();
        context.out.complain(&format!("{state:<8} {} {}\n", price.amount, price.currency));
    }
    context.out.complain(&format!("receipt  {}\n", report.receipt.as_str()));
}

/// Refused is 1; what nobody knows yet is 3.
fn exit(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Argument => Exit::Usage,
        ErrorKind::SpendUnknown | ErrorKind::Io => Exit::Undecided,
        ErrorKind::Protocol(code) if code.is_undecided() => Exit::Undecided,
        _ => Exit::Deny,
    }
}
