//! `imagxp audit`: what a publisher decided, kept so that nobody can quietly change it.

mod export;
mod prove;
mod show;
mod verify;

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file;
use clap::Subcommand;
use imagxp::crypto::PublicKey;
use imagxp::json::{Limits, Value, parse_object};
use imagxp::manifest::MAX_MANIFEST_BYTES;
use imagxp::{AgentId, Manifest};
use std::path::{Path, PathBuf};

/// Verify audit logs, prove records, show and export them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
    Prove(prove::Args),
    Show(show::Args),
    Export(export::Args),
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Verify(args) => args.run(context),
            Command::Prove(args) => args.run(context),
            Command::Show(args) => args.run(context),
            Command::Export(args) => args.run(context),
        }
    }
}

/// Who signs the log's checkpoints, as the verifier knows it.
#[derive(Debug, clap::Args)]
struct Keys {
    /// A key of the publisher that signs checkpoints: PEM, JWK, DER, or base64 SPKI; may be repeated
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The publisher's own manifest, whose keys are all accepted
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
}

impl Keys {
    fn read(&self, context: &Context) -> Result<Vec<PublicKey>, CliError> {
        let mut keys = Vec::new();
        for path in &self.key {
            keys.push(key_file::public(context, path)?);
        }
        for path in &self.manifest {
            let manifest = read_manifest(context, path).map_err(|error| error.in_file(name(path)))?;
            keys.extend(manifest.keys().iter().map(|entry| entry.key.clone()));
        }
        Ok(keys)
    }

    fn required(&self, context: &Context) -> Result<Vec<PublicKey>, CliError> {
        let keys = self.read(context)?;
        if keys.is_empty() {
            return Err(CliError::usage("say who signs the checkpoints: --key FILE or --manifest FILE"));
        }
        Ok(keys)
    }
}

fn read_manifest(context: &Context, path: &Path) -> Result<Manifest, CliError> {
    let bytes = context.input.bytes(path)?;
    let object = parse_object(&bytes, &Limits::MANIFEST)
        .map_err(|error| CliError::malformed(format!("not a manifest: {}", error.reason())))?;
    let agent = object.get("agent_id").and_then(Value::as_str).and_then(|text| AgentId::parse(text, true));
    let agent = agent.ok_or_else(|| CliError::malformed("the manifest names no domain"))?;
    Ok(Manifest::parse(&bytes, &agent, MAX_MANIFEST_BYTES)?)
}
