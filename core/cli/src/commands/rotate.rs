//! `imagxp rotate`: an agent's keys in a folder, and their rotation step by step.

use super::agent_id;
use super::keygen::Alg;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file::{keyring_passphrase, private};
use crate::output::shown;
use crate::{random, time};
use clap::Subcommand;
use imagxp::Timestamp;
use imagxp::agent::rotation::Stage;
use imagxp::crypto::{PrivateKey, PublicKey, Thumbprint};
use imagxp::json::{Object, Value};
use imagxp_files::rotation::{Keyring, MANIFEST};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Keep an agent's keys in a folder and rotate them in an order that no publisher notices
///
/// prepare, publish, wait an hour, switch, wait an hour, retire. A step that would come too early is refused, with the time from which
/// it is safe. Serve the manifest with `imagxp manifest serve --dir`, or copy imagxp-agent.json from the folder to your web server and
/// publish again then: the wait counts from there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder
    #[arg(long, global = true, value_name = "DIR", default_value = "imagxp-keys")]
    dir: PathBuf,
    /// The time of the step [default: the clock]
    #[arg(long, global = true, value_name = "TIME", value_parser = time::parse)]
    now: Option<Timestamp>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the folder for an agent, with a new key or one that exists
    Init {
        /// The agent's domain
        #[arg(long, value_name = "DOMAIN")]
        agent_id: String,
        /// The agent's current key [default: a new one]
        #[arg(long, value_name = "FILE", conflicts_with = "alg")]
        key: Option<PathBuf>,
        /// The algorithm of the new key
        #[arg(long, value_enum, default_value_t)]
        alg: Alg,
        /// Whom to write to, for example security@example.com
        #[arg(long)]
        contact: Option<String>,
        /// Encrypt the keys in the folder with a passphrase, which is asked for
        #[arg(long)]
        encrypt: bool,
        /// Admit localhost and 127.0.0.1, for development
        #[arg(long)]
        allow_loopback: bool,
    },
    /// Say where the rotation stands and when the next step is safe
    Status,
    /// Make the next key; nobody knows of it yet
    Prepare {
        /// The algorithm of the next key
        #[arg(long, value_enum, default_value_t)]
        alg: Alg,
    },
    /// List the next key in the manifest; again: restart the wait
    Publish {
        /// The longest max-age with which the manifest was served in the last hour, shared caches included [default: an hour]
        #[arg(long, value_name = "SECONDS")]
        max_age: Option<u32>,
    },
    /// Sign with the next key from now on; again: restart the wait
    Switch,
    /// Leave the old key out of the manifest, and remove it
    Retire,
    /// Go back to the old key
    Abort,
    /// Drop a compromised key at once, without any wait: publishers may refuse requests for a while
    Revoke {
        /// The key's thumbprint, as `imagxp rotate status` prints it
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let now = time::now_or(self.now)?;
        if let Command::Init { .. } = self.command {
            let keyring = self.init(context)?;
            return report(context, &keyring, now);
        }
        let mut keyring = Keyring::open(&self.dir)?;
        match self.command {
            Command::Status | Command::Init { .. } => {}
            Command::Prepare { alg } => {
                // Refused before anybody is asked for a passphrase.
                if keyring.rotation().stage() == Stage::Settled {
                    let passphrase = keyring_passphrase(context, &keyring)?;
                    keyring.prepare(alg.into(), passphrase.as_ref())?;
                } else {
                    keyring.prepare(alg.into(), None)?;
                }
            }
            Command::Publish { max_age } => keyring.publish(now, max_age)?,
            Command::Switch => keyring.switch(now)?,
            Command::Retire => keyring.retire(now)?,
            Command::Abort => keyring.abort(now)?,
            Command::Revoke { key } => {
                let key = Thumbprint::parse(&key)
                    .ok_or_else(|| CliError::usage(format!("`{key}` is not a thumbprint")))?;
                let sealed = keyring.rotation().needs_replacement(&key) && keyring.is_sealed()?;
                let passphrase = sealed.then(|| context.passphrase.choose(&context.input)).transpose()?;
                keyring.revoke(&key, passphrase.as_ref())?;
            }
        }
        report(context, &keyring, now)
    }

    fn init(self, context: &Context) -> Result<Keyring, CliError> {
        let Command::Init { agent_id: id, key, alg, contact, encrypt, allow_loopback } = self.command else {
            return Err(CliError::usage("not a folder to make"));
        };
        let agent = agent_id(&id, allow_loopback)?;
        let key = match key {
            Some(path) => private(context, &path)?,
            None => PrivateKey::generate(alg.into(), &mut random::fill)?,
        };
        let passphrase = encrypt.then(|| context.passphrase.choose(&context.input)).transpose()?;
        Ok(Keyring::create(&self.dir, agent, contact, &key, passphrase.as_ref())?)
    }
}

fn report(context: &Context, keyring: &Keyring, now: Timestamp) -> Result<Exit, CliError> {
    if context.out.is_json() {
        context.out.object(&report_json(keyring))?;
    } else {
        context.out.text(&report_text(keyring, now))?;
    }
    Ok(Exit::Ok)
}

fn report_text(keyring: &Keyring, now: Timestamp) -> String {
    let rotation = keyring.rotation();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}: {}", keyring.agent_id(), rotation.stage());
    let _ = writeln!(text, "  signs with  {}", named(rotation.signing_key()));
    if let Some(other) = rotation.other_key() {
        let label = if rotation.stage() == Stage::Switched { "old key" } else { "next key" };
        let _ = writeln!(text, "  {label:<10}  {}", named(other));
    }
    for key in rotation.revoked() {
        let _ = writeln!(text, "  revoked     {key}");
    }
    let _ = writeln!(text, "  manifest    {}", shown(&name(&keyring.path().join(MANIFEST))));
    let next = match rotation.stage() {
        Stage::Settled => "prepare",
        Stage::Prepared => "publish",
        Stage::Published => "switch",
        Stage::Switched => "retire",
    };
    let _ = match rotation.ready_at() {
        Some(ready) if ready > now => writeln!(text, "  next        {next}, from {ready} on"),
        _ => writeln!(text, "  next        {next}"),
    };
    text
}

fn report_json(keyring: &Keyring) -> Object<'static> {
    let rotation = keyring.rotation();
    let text = |value: Option<String>| value.map_or(Value::Null, Value::from);
    let thumbprint = |key: &PublicKey| key.thumbprint().as_str().to_owned();
    let revoked = rotation.revoked().iter().map(|key| Value::from(key.as_str().to_owned()));
    let mut object = Object::new();
    object.insert("agent_id", keyring.agent_id().as_str().to_owned());
    object.insert("stage", rotation.stage().as_str());
    object.insert("signing_key", thumbprint(rotation.signing_key()));
    object.insert("other_key", text(rotation.other_key().map(thumbprint)));
    object.insert("since", text(rotation.since().map(|at| at.to_string())));
    object.insert("ready_at", text(rotation.ready_at().map(|at| at.to_string())));
    object.insert("revoked", revoked.collect::<Vec<_>>());
    object.insert("manifest", name(&keyring.path().join(MANIFEST)));
    object
}

fn named(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.thumbprint())
}
