//! `imagxp audit verify`: a log, or evidence from one.

use super::Keys;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::output::shown;
use imagxp::audit::{Evidence, Proven, SignedCheckpoint};
use imagxp::json::{Number, Object, Value};
use imagxp::publisher::KeyBinding;
use imagxp::{Claim, ErrorKind};
use imagxp_files::audit::{Expectation, Finding, Report, verify};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Prove that a log, or evidence from one, is what was written: exit code 0, or 1 when altered
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the log
    #[arg(required_unless_present = "bundle", conflicts_with = "bundle")]
    log: Option<PathBuf>,
    /// Evidence that `audit prove` wrote, instead of a log; `-` is standard input
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// A checkpoint that was kept elsewhere; the log must still contain what it sealed
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    checkpoint: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match (&self.bundle, &self.log) {
            (Some(bundle), _) => self.evidence(context, bundle),
            (None, Some(log)) => {
                let keys = self.keys.required(context)?;
                let kept = match &self.checkpoint {
                    None => None,
                    Some(path) => {
                        let note = context.input.bytes(path)?;
                        let note = note.trim_ascii_end().iter().chain(b"\n").copied().collect::<Vec<u8>>();
                        let read = SignedCheckpoint::parse(&note);
                        Some(read.map_err(|error| CliError::from(error).in_file(name(path)))?)
                    }
                };
                let report = verify(log, &Expectation { keys: &keys, kept: kept.as_ref() })?;
                if context.out.is_json() {
                    context.out.object(&json(&report))?;
                } else {
                    context.out.text(&readable(&report))?;
                }
                Ok(if report.is_intact() { Exit::Ok } else { Exit::Deny })
            }
            (None, None) => Err(CliError::usage("say which log, or --bundle FILE")),
        }
    }

    fn evidence(&self, context: &Context, bundle: &std::path::Path) -> Result<Exit, CliError> {
        let keys = self.keys.read(context)?;
        let bytes = context.input.bytes(bundle)?;
        let proven = match Evidence::parse(&bytes).and_then(|evidence| evidence.verify(&keys)) {
            Ok(proven) => proven,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AuditAltered | ErrorKind::AuditProof | ErrorKind::AuditMalformed
                ) =>
            {
                context.out.error(&CliError::from(error).in_file(name(bundle)));
                return Ok(Exit::Deny);
            }
            Err(error) => return Err(CliError::from(error).in_file(name(bundle))),
        };
        if !proven.key_known {
            let message =
                "the key came with the evidence: compare it with the publisher's own manifest, or say --key";
            context.out.warning(&CliError::new(CliError::REMARK, message).in_file(name(bundle)));
        }
        if context.out.is_json() {
            context.out.object(&proven.to_json())?;
        } else {
            context.out.text(&proven_text(&proven))?;
        }
        Ok(Exit::Ok)
    }
}

fn number(value: u64) -> Value<'static> {
    i64::try_from(value).ok().and_then(Number::from_i64).map_or(Value::Null, Value::Number)
}

fn json(report: &Report) -> Object<'_> {
    let mut object = Object::new();
    object.insert("intact", report.is_intact());
    object.insert("origin", report.origin.as_str());
    for (name, value) in report.counts() {
        object.insert(name, number(value));
    }
    let finding = |finding: &Finding| {
        let mut object = Object::new();
        object.insert("file", finding.file.clone());
        object.insert("line", number(finding.line));
        object.insert("entry", finding.entry.map_or(Value::Null, number));
        object.insert("message", finding.message.clone());
        Value::Object(object)
    };
    object.insert("findings", report.findings.iter().map(finding).collect::<Vec<_>>());
    object
}

fn readable(report: &Report) -> String {
    let mut text = if report.is_intact() { String::from("intact") } else { String::from("ALTERED") };
    // Writing to a string does not fail.
    let _ = writeln!(text, "  {}", shown(&report.origin));
    for (name, value) in report.counts() {
        let _ = writeln!(text, "  {:<18}{value}", name.replace('_', " "));
    }
    for finding in &report.findings {
        let entry = finding.entry.map_or(String::new(), |entry| format!("entry {entry}: "));
        let _ =
            writeln!(text, "{}:{}: {entry}{}", shown(&finding.file), finding.line, shown(&finding.message));
    }
    if report.is_intact() && report.sealed < report.entries {
        let unsealed = report.entries - report.sealed;
        let _ = writeln!(
            text,
            "the last {unsealed} are not sealed yet: they could have been changed, reordered or removed"
        );
    }
    text
}

fn proven_text(proven: &Proven) -> String {
    let verdict = &proven.verdict;
    let mut text = format!(
        "proven  entry {} of {}, sealed with {} others by {}\n",
        proven.number,
        shown(&proven.origin),
        proven.size - 1,
        proven.key_id.as_str()
    );
    // What was signed comes first: the rest is the publisher's word.
    if let Some(claim) = &proven.claim {
        let _ = writeln!(text, "  signed    {}", shown(&signed(claim)));
    }
    let signature = match (&proven.claim, verdict.binding) {
        (None, _) => "nobody was verified, and the record says so",
        (Some(_), KeyBinding::Domain) => "the agent's signature verifies with the manifest that was in force",
        (Some(_), _) => "a signature verifies, by a key that nobody vouches for, in this name",
    };
    let _ = writeln!(text, "  request   {signature}");
    let _ = writeln!(text, "  record    {}", shown(&verdict.summary()));
    let url = match proven.claim.as_ref().and_then(|claim| verdict.url_signed(claim)) {
        Some(true) => "the record's URL is the one that was signed",
        Some(false) => "the record's URL is NOT the one that was signed: it is the publisher's word",
        None if verdict.url_cut => {
            "of the record's URL only the beginning is here: whether it was signed cannot be told"
        }
        None => "the record's URL was not signed: it is the publisher's word",
    };
    let _ = writeln!(text, "  url       {url}");
    let _ = writeln!(text, "  trace     {}", shown(&verdict.trace_id));
    if let Some(jti) = &verdict.jti {
        let _ = writeln!(text, "  visa      {}", shown(jti));
    }
    text
}

/// What a claim asks for, in the order of a record's summary, with the nonce.
fn signed(claim: &Claim) -> String {
    let resource = claim.resource_text();
    format!(
        "{} {} {} {} {} nonce {}",
        claim.ts,
        claim.agent_id,
        claim.purpose,
        claim.method().unwrap_or("-"),
        resource.as_deref().unwrap_or("-"),
        claim.nonce(),
    )
}
