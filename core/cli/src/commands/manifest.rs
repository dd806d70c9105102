//! `imagxp manifest`: the key document that an agent publishes.

use super::agent_id;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::key_file::public;
use crate::output::shown;
use crate::time;
use clap::Subcommand;
use imagxp::json::{Limits, Object, Value, canonicalize};
use imagxp::manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestKey};
use imagxp::{AgentId, Timestamp};
use imagxp_fetch::{Fetcher, Options, Profile};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Print the manifest to publish at https://AGENT_ID/.well-known/imagxp-agent.json
///
/// `imagxp rotate` keeps keys, and the order and waits of their rotation, in a folder.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The agent's domain
    #[arg(long, value_name = "DOMAIN", required = true)]
    agent_id: Option<String>,
    /// The current key, private or public, with the dates between which it exists, if any
    #[arg(long, value_name = "FILE[:FROM..UNTIL]", required = true)]
    key: Option<OsString>,
    /// A further key; may be repeated
    #[arg(long, value_name = "FILE[:FROM..UNTIL]")]
    also: Vec<OsString>,
    /// Whom to write to, for example security@example.com
    #[arg(long)]
    contact: Option<String>,
    /// Admit localhost and 127.0.0.1, for development
    #[arg(long)]
    allow_loopback: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a manifest over HTTP, for a proxy that speaks TLS: /.well-known/imagxp-agent.json and nothing else
    Serve(super::serve::Args),
    /// Fetch an agent's manifest as publishers do, check it, and print it
    Fetch {
        /// The agent's domain, or the URL of its manifest
        agent: String,
        /// The time for which to tell whether a key exists [default: the clock]
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        now: Option<Timestamp>,
        /// Admit localhost and 127.0.0.1, for development
        #[arg(long)]
        allow_loopback: bool,
    },
    /// Check a manifest that was fetched from an agent's domain
    Check {
        /// The manifest; `-` is standard input
        file: PathBuf,
        /// The domain it was fetched from
        #[arg(long, value_name = "DOMAIN")]
        agent_id: String,
        /// The time for which to tell which keys exist [default: the clock]
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        now: Option<Timestamp>,
        /// Admit localhost and 127.0.0.1, for development
        #[arg(long)]
        allow_loopback: bool,
    },
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Some(Command::Check { ref file, agent_id: ref id, now, allow_loopback }) => {
                check(context, file, id, now, allow_loopback)
            }
            Some(Command::Serve(args)) => args.run(context),
            Some(Command::Fetch { ref agent, now, allow_loopback }) => {
                fetch(context, agent, now, allow_loopback)
            }
            None => self.make(context),
        }
    }

    fn make(self, context: &Context) -> Result<Exit, CliError> {
        let agent = agent_id(self.agent_id.as_deref().unwrap_or_default(), self.allow_loopback)?;
        let keys = self
            .key
            .iter()
            .chain(&self.also)
            .map(|text| dated_key(context, text))
            .collect::<Result<_, _>>()?;
        let manifest = Manifest::new(agent, self.contact, keys)?;
        let json = manifest.to_json();
        // What is printed here is what publishers will read.
        Manifest::parse(&json, manifest.agent_id(), MAX_MANIFEST_BYTES)?;
        context.out.document(&json)?;
        Ok(Exit::Ok)
    }
}

fn fetch(
    context: &Context,
    agent: &str,
    now: Option<Timestamp>,
    allow_loopback: bool,
) -> Result<Exit, CliError> {
    let agent = match AgentId::from_manifest_url(agent).filter(|id| allow_loopback || !id.is_loopback()) {
        Some(agent) => agent,
        None => agent_id(agent, allow_loopback)?,
    };
    let now = time::now_or(now)?;
    let url = agent.manifest_url();
    let fetcher = Fetcher::new(Options { allow_loopback, ..Options::default() })?;
    let body = match fetcher.get(&url, Profile::MANIFEST) {
        Ok(answer) => answer.body,
        Err(error) => return Err(CliError::new(error.failure.code().as_str(), error.detail).in_file(url)),
    };
    let manifest = Manifest::parse(&body, &agent, MAX_MANIFEST_BYTES)
        .map_err(|error| CliError::from(error).in_file(url.clone()))?;
    warn_without_key(context, &manifest, &url, now);
    context.out.document(&canonicalize(&body, &Limits::INTERCHANGE).map_err(imagxp::Error::from)?)?;
    Ok(Exit::Ok)
}

fn warn_without_key(context: &Context, manifest: &Manifest, place: &str, now: Timestamp) {
    if manifest.keys_at(now).next().is_none() {
        let warning =
            CliError::new(imagxp::Code::IdentityKeyMismatch.as_str(), format!("no key exists at {now}"));
        context.out.warning(&warning.in_file(place));
    }
}

fn check(
    context: &Context,
    file: &Path,
    id: &str,
    now: Option<Timestamp>,
    allow_loopback: bool,
) -> Result<Exit, CliError> {
    let agent = agent_id(id, allow_loopback)?;
    let now = time::now_or(now)?;
    let manifest = Manifest::parse(&context.input.bytes(file)?, &agent, MAX_MANIFEST_BYTES)
        .map_err(|error| CliError::from(error).in_file(name(file)))?;
    warn_without_key(context, &manifest, &name(file), now);
    if context.out.is_json() {
        context.out.object(&report_json(&manifest, now))?;
    } else {
        context.out.text(&report(&manifest, file, now))?;
    }
    Ok(Exit::Ok)
}

fn report(manifest: &Manifest, file: &Path, now: Timestamp) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}: ok, the manifest of {}", shown(&name(file)), manifest.agent_id());
    let _ = writeln!(text, "  published at  {}", manifest.agent_id().manifest_url());
    if let Some(contact) = manifest.contact() {
        let _ = writeln!(text, "  contact       {}", shown(contact));
    }
    for entry in manifest.keys() {
        let state = if entry.exists_at(now) { "exists" } else { "does not exist now" };
        let _ = write!(text, "  key           {} {}, {state}", entry.key.algorithm(), entry.key.thumbprint());
        if let Some(start) = entry.not_before {
            let _ = write!(text, ", from {start}");
        }
        if let Some(end) = entry.not_after {
            let _ = write!(text, ", until {end}");
        }
        text.push('\n');
    }
    text
}

fn report_json(manifest: &Manifest, now: Timestamp) -> Object<'static> {
    let date = |time: Option<Timestamp>| time.map_or(Value::Null, |time| time.to_string().into());
    let keys = manifest.keys().iter().map(|entry| {
        let mut key = Object::new();
        key.insert("kid", entry.key.thumbprint().as_str().to_owned());
        key.insert("algorithm", entry.key.algorithm().as_str());
        key.insert("not_before", date(entry.not_before));
        key.insert("not_after", date(entry.not_after));
        key.insert("exists", entry.exists_at(now));
        Value::Object(key)
    });
    let mut object = Object::new();
    object.insert("agent_id", manifest.agent_id().as_str().to_owned());
    object.insert("url", manifest.agent_id().manifest_url());
    object.insert("contact", manifest.contact().map_or(Value::Null, |contact| contact.to_owned().into()));
    object.insert("keys", keys.collect::<Vec<_>>());
    object
}

fn dated_key(context: &Context, text: &OsStr) -> Result<ManifestKey, CliError> {
    let (path, not_before, not_after) = split_dates(text);
    if not_before.zip(not_after).is_some_and(|(start, end)| start > end) {
        return Err(CliError::usage("the key's last date is before its first").in_file(name(&path)));
    }
    Ok(ManifestKey { key: public(context, &path)?, not_before, not_after })
}

/// Splits `FILE[:FROM..UNTIL]`, either date optional. What does not end in dates is a path, with whatever colons and dots it has.
fn split_dates(text: &OsStr) -> (PathBuf, Option<Timestamp>, Option<Timestamp>) {
    let date = |text: &str| match text {
        "" => Some(None),
        _ => Timestamp::parse(text).map(Some),
    };
    let split = || {
        let (left, until) = text.to_str()?.rsplit_once("..")?;
        let until = date(until)?;
        // Times contain colons too: the one before the whole of `FROM` is the right one.
        let (path, from) = left.match_indices(':').find_map(|(at, _)| {
            let (path, rest) = left.split_at_checked(at)?;
            Some((path, date(rest.strip_prefix(':')?)?))
        })?;
        (!path.is_empty()).then(|| (path.into(), from, until))
    };
    split().unwrap_or_else(|| (text.into(), None, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_split_from_paths() {
        const FROM: &str = "2026-12-01T00:00:00Z";
        const UNTIL: &str = "2027-12-01T00:00:00Z";
        let (from, until) = (Timestamp::parse(FROM), Timestamp::parse(UNTIL));
        for (text, path, start, end) in [
            (format!("a.pem:{FROM}..{UNTIL}"), "a.pem", from, until),
            (format!("a.pem:{FROM}.."), "a.pem", from, None),
            (format!("a.pem:..{UNTIL}"), "a.pem", None, until),
            ("a.pem:..".into(), "a.pem", None, None),
            (format!("C:\\a:b.pem:{FROM}..{UNTIL}"), "C:\\a:b.pem", from, until),
            ("../a.pem".into(), "../a.pem", None, None),
            ("a..".into(), "a..", None, None),
            (format!("a.pem:{FROM}"), &format!("a.pem:{FROM}"), None, None),
            (format!(":{FROM}.."), &format!(":{FROM}.."), None, None),
        ] {
            assert_eq!(split_dates(OsStr::new(&text)), (PathBuf::from(path), start, end), "{text}");
        }
    }
}
