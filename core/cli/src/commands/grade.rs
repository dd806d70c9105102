//! `imagxp grade`: what somebody's signer or verifier does with every case of the protocol.

use super::agent_id;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::grade::verifier::{Extent, Place};
use crate::grade::{Roots, Site, signer, verifier};
use std::path::PathBuf;
use std::time::Duration;

/// Grade somebody's signer or verifier over HTTP
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Grade the verifier of a site that applies the policy of `grade policy`
    Verifier(Verifier),
    /// Grade an agent by what it sends to a site that the grader plays
    Signer(Signer),
    /// Print the policy that a site must apply while its verifier is graded
    Policy(Setting),
}

/// Where the grader's own agents and brokers live.
#[derive(Debug, clap::Args)]
struct Setting {
    /// The site, by any URL of it
    url: String,
    /// On this machine: the first of the four ports of those that the policy names
    #[arg(long, value_name = "PORT", default_value_t = 7400, conflicts_with = "domain")]
    port: u16,
    /// On the Internet: a domain whose subdomains lead to --listen through https
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// The site takes no visas: leaves those cases out
    #[arg(long)]
    no_payment: bool,
}

#[derive(Debug, clap::Args)]
struct Verifier {
    #[command(flatten)]
    setting: Setting,
    /// Where the grader listens for its domains; with --domain only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400", requires = "domain")]
    listen: String,
    /// Also try what takes half a minute
    #[arg(long)]
    slow: bool,
    /// Certificates (PEM) of further authorities, for the site
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Signer {
    /// The agent's own site, where its manifest is: http only on this machine
    url: String,
    /// Where the grader's site listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// By which origin the agent finds it [default: http://ADDRESS]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Another origin that leads to the same listener, for the redirect to another site [default: localhost for 127.0.0.1]
    #[arg(long, value_name = "ORIGIN")]
    other_origin: Option<String>,
    /// A command that reads the one URL behind it; run by sh for each room
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// How many seconds to wait for the agent; with --run for each command
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    patience: u64,
    /// Certificates (PEM) of further authorities, for the manifest
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Verifier(args) => args.run(context),
            Command::Signer(args) => args.run(context),
            Command::Policy(setting) => {
                let site = Site::parse(&setting.url, &roots(context, None)?)?;
                let place = setting.place()?;
                context.out.object(&verifier::policy(site.origin(), &place, !setting.no_payment))?;
                Ok(Exit::Ok)
            }
        }
    }
}

impl Setting {
    fn place(&self) -> Result<Place, CliError> {
        match &self.domain {
            None => Ok(Place::Loopback(self.port)),
            Some(domain) => Ok(Place::Domain(agent_id(domain, false)?.as_str().to_owned())),
        }
    }
}

impl Verifier {
    fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let site = Site::parse(&self.setting.url, &roots(context, self.roots.as_ref())?)?;
        let place = self.setting.place()?;
        let extent = Extent { payment: !self.setting.no_payment, slow: self.slow };
        verifier::grade(site, &place, &self.listen, extent)?.print(context)
    }
}

impl Signer {
    fn run(self, context: &Context) -> Result<Exit, CliError> {
        let trusted = roots(context, self.roots.as_ref())?;
        let home = Site::parse(&self.url, &trusted)?.origin().to_owned();
        let (scheme, authority) = home.split_once("://").unwrap_or_default();
        let agent = agent_id(authority, scheme == "http")?;
        if scheme == "http" && !agent.is_loopback() {
            return Err(CliError::usage("manifests are fetched by https, but for those on this machine"));
        }
        if self.other_origin.is_some() && self.other_origin == self.origin {
            return Err(CliError::usage("--other-origin is the origin itself"));
        }
        let setup = signer::Setup {
            agent,
            home,
            listen: self.listen,
            origin: self.origin.map(|origin| origin.trim_end_matches('/').to_owned()),
            other_origin: self.other_origin.map(|origin| origin.trim_end_matches('/').to_owned()),
            run: self.run,
            patience: Duration::from_secs(self.patience),
        };
        // What has to be read is told at once and beside the report.
        let say = |text: &str| {
            context.out.complain(text);
            Ok(())
        };
        signer::grade(&setup, &trusted, &say)?.print(context)
    }
}

fn roots(context: &Context, file: Option<&PathBuf>) -> Result<Roots, CliError> {
    let more = file.map(|file| context.input.bytes(file)).transpose()?;
    Roots::new(more.as_deref())
}
