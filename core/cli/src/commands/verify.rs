//! `imagxp verify`: one request in, one verdict out.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::output::shown;
use crate::request_file::{Form, RequestFile};
use crate::{key_file, policy_file, time};
use clap::ValueEnum;
use imagxp::json::{Limits, Value, parse_object};
use imagxp::publisher::{NeedKind, PaymentState, Publisher, Redemption, Verdict};
use imagxp::{AgentId, ErrorKind, Policy, Request, Timestamp};
use imagxp_fetch::{Fetcher, Resolver};
use imagxp_files::audit::AuditLog;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Judge one request by a policy: exit code 0 allow, 1 deny, 3 undecided
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    inputs: Inputs,
    /// The broker's answer about a visa that the policy wants redeemed
    #[arg(long, value_enum, value_name = "ANSWER")]
    redeemed: Option<Answer>,
    /// Fetch the manifest and the key set that the verdict needs and that were not handed in
    #[arg(long)]
    fetch: bool,
    #[command(flatten)]
    audit: Audit,
}

/// Where the verdict is recorded.
#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// Record the verdict in this audit log; the folder is made when it is missing
    #[arg(long, value_name = "DIR", requires = "audit_key")]
    audit: Option<PathBuf>,
    /// The publisher's private key, which signs the log's checkpoints
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_key: Option<PathBuf>,
    /// The log's name [default: HOST/imagxp-audit, with the host of the policy's first origin]
    #[arg(long, value_name = "NAME", requires = "audit")]
    audit_origin: Option<String>,
}

impl Audit {
    fn open(&self, context: &Context, policy: &Policy) -> Result<Option<Arc<AuditLog>>, CliError> {
        let (Some(folder), Some(key)) = (&self.audit, &self.audit_key) else { return Ok(None) };
        let key = key_file::private(context, key)?;
        let first = policy.origins().first().map(|origin| origin.authority()).unwrap_or_default();
        let origin = self.audit_origin.clone().unwrap_or_else(|| format!("{first}/imagxp-audit"));
        Ok(Some(Arc::new(AuditLog::open(folder, Arc::new(key), imagxp_files::audit::Options::new(origin))?)))
    }
}

/// What `verify` and `explain` read.
#[derive(Debug, clap::Args)]
pub(crate) struct Inputs {
    /// The request: JSON as `sign --format json` prints it, or an HTTP/1.x head; `-` is standard input
    request: PathBuf,
    /// The form of the request
    #[arg(long, value_enum, default_value_t)]
    input: Form,
    /// The publisher's policy: JSON, or TOML
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// An agent's manifest, as fetched from URL or from the domain that it names; may be repeated
    #[arg(long, value_name = "[URL=]FILE")]
    manifest: Vec<OsString>,
    /// A key set, as fetched from URL; may be repeated
    #[arg(long, value_name = "URL=FILE")]
    jwks: Vec<OsString>,
    /// The body of the request, when it is not in the request file: for its digest
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The time at which the request came [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    now: Option<Timestamp>,
}

/// A broker's answer.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Answer {
    /// The money stands behind the visa
    Accepted,
    /// The broker refuses the visa
    Refused,
    /// The broker cannot be asked
    Unavailable,
}

impl From<Answer> for Redemption {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted => Self::Accepted,
            Answer::Refused => Self::Refused,
            Answer::Unavailable => Self::Unavailable,
        }
    }
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let Prepared { publisher, request, now, audit } = self.inputs.prepare(context, Some(&self.audit))?;
        let resolver = self.fetch.then(|| resolver(&publisher)).transpose()?;
        let mut verification = request.with(|request| {
            // A body that was not given will not be read: the refusal of a claim that names its digest is final, and is recorded.
            let request = Request { body_digest: request.body_digest.or(Some("")), ..*request };
            match &resolver {
                Some(resolver) => resolver.verify(&publisher, &request, now),
                None => publisher.verify(&request, now),
            }
        });
        let wants_broker = verification.verdict.needs.iter().any(|need| need.kind == NeedKind::Redeem);
        if let (Some(answer), true, Some(mut pending)) =
            (self.redeemed, wants_broker, verification.pending.take())
        {
            pending.redeemed(answer.into());
            verification = match &resolver {
                Some(resolver) => resolver.resume(&publisher, pending, now),
                None => publisher.resume(pending, now),
            };
        }
        if let Some(log) = audit {
            log.close()?;
        }
        let verdict = &verification.verdict;
        if context.out.is_json() {
            context.out.object(&verdict.to_json())?;
        } else {
            context.out.text(&readable(verdict))?;
        }
        Ok(verdict.into())
    }
}

/// Loopback is the policy's to allow.
fn resolver(publisher: &Publisher) -> Result<Resolver, CliError> {
    let allow_loopback = publisher.policy().document().allow_loopback;
    let fetcher = Fetcher::new(imagxp_fetch::Options { allow_loopback, ..imagxp_fetch::Options::default() })?;
    Ok(Resolver::new(fetcher))
}

/// Everything at hand.
pub(crate) struct Prepared {
    pub(crate) publisher: Publisher,
    pub(crate) request: RequestFile,
    pub(crate) now: Timestamp,
    audit: Option<Arc<AuditLog>>,
}

impl Inputs {
    /// Reads the files and supplies what was fetched. A manifest or key set that breaks a rule is warned about, and the verdict
    /// then says what it leads to, as it would on a site.
    pub(crate) fn prepare(&self, context: &Context, audit: Option<&Audit>) -> Result<Prepared, CliError> {
        self.expect_one_stdin()?;
        let now = time::now_or(self.now)?;
        let policy = policy_file::read(context, &self.policy)?.policy;
        let audit = audit.map(|audit| audit.open(context, &policy)).transpose()?.flatten();
        // A process of one request has no replays to hide: a fixed secret makes runs repeatable, trace id included.
        let publisher = Publisher::new(policy, [0; 16]);
        let publisher = match &audit {
            Some(log) => publisher.with_audit(Arc::clone(log) as _),
            None => publisher,
        };
        for argument in &self.manifest {
            let (url, path) = split_url(argument);
            let body = context.input.bytes(&path)?;
            let url = url.map_or_else(|| own_url(&body), Ok).map_err(|error| error.in_file(name(&path)))?;
            supply(context, &publisher, &url, &path, &body, now)?;
        }
        for argument in &self.jwks {
            let (Some(url), path) = split_url(argument) else {
                return Err(CliError::usage("a key set needs the URL it was fetched from: --jwks URL=FILE"));
            };
            supply(context, &publisher, &url, &path, &context.input.bytes(&path)?, now)?;
        }
        let request = RequestFile::read(context, &self.request, self.input, self.body.as_deref())?;
        Ok(Prepared { publisher, request, now, audit })
    }
}

impl Inputs {
    /// Files are parsed as they are read, and an empty policy would be a puzzling answer to the second `-`.
    fn expect_one_stdin(&self) -> Result<(), CliError> {
        let documents = self.manifest.iter().chain(&self.jwks).map(|argument| split_url(argument).1);
        let files = [&self.request, &self.policy].into_iter().chain(&self.body).cloned();
        match files.chain(documents).filter(|path| path == Path::new("-")).count() {
            0 | 1 => Ok(()),
            _ => Err(CliError::usage("standard input can be read for one argument only")),
        }
    }
}

fn supply(
    context: &Context,
    publisher: &Publisher,
    url: &str,
    path: &Path,
    body: &[u8],
    now: Timestamp,
) -> Result<(), CliError> {
    match publisher.supply(url, body, None, now) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::Argument => {
            return Err(CliError::from(error).in_file(name(path)));
        }
        Err(error) => context.out.warning(&CliError::from(error).in_file(name(path))),
    }
    Ok(())
}

/// Splits `URL=FILE`. URLs of manifests and key sets may contain `=`, so the file is what follows the last one.
fn split_url(argument: &OsStr) -> (Option<String>, PathBuf) {
    let split = argument.to_str().filter(|text| text.starts_with("https://") || text.starts_with("http://"));
    match split.and_then(|text| text.rsplit_once('=')) {
        Some((url, path)) => (Some(url.to_owned()), path.into()),
        None => (None, argument.into()),
    }
}

/// Where a manifest that names its agent would have been fetched from.
fn own_url(body: &[u8]) -> Result<String, CliError> {
    let object = parse_object(body, &Limits::INTERCHANGE)
        .map_err(|error| CliError::malformed(format!("not a manifest: {}", error.reason())))?;
    let agent = object.get("agent_id").and_then(Value::as_str).and_then(|text| AgentId::parse(text, true));
    agent
        .map(|agent| agent.manifest_url())
        .ok_or_else(|| CliError::malformed("the manifest names no domain; say --manifest URL=FILE"))
}

/// A verdict for people: what is known, and nothing that is not.
fn readable(verdict: &Verdict) -> String {
    let mut text = verdict.outcome.as_str().to_owned();
    // Writing to a string does not fail.
    if let Some(code) = verdict.code {
        let _ = write!(text, "  {code} (http {}): {}", verdict.http, verdict.message);
    }
    text.push('\n');
    if verdict.would_deny {
        text.push_str("  observe mode: the policy would have refused this request\n");
    }
    let mut field = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<9} {}", shown(value));
        }
    };
    field("hint", verdict.hint.as_deref());
    field("detail", verdict.detail.as_deref());
    let retry = verdict.retry.to_string();
    field("retry", verdict.code.map(|_| retry.as_str()));
    field("visitor", Some(verdict.visitor.as_str()));
    field("agent", verdict.agent_id.as_ref().map(AgentId::as_str));
    field("key", verdict.key_id.as_ref().map(|id| id.as_str()));
    field("binding", verdict.agent_id.as_ref().map(|_| verdict.binding.as_str()));
    field("purpose", verdict.purpose.map(|purpose| purpose.as_str()));
    field("resource", verdict.resource.as_deref());
    let payment = payment(verdict);
    field("payment", (verdict.payment.state != PaymentState::NotRequired).then_some(payment.as_str()));
    for warning in &verdict.warnings {
        field("warning", Some(warning.as_str()));
    }
    for need in &verdict.needs {
        field("needs", Some(&format!("{} {}", need.kind.as_str(), need.url)));
    }
    for (name, value) in &verdict.response_headers {
        field("answer", Some(&format!("{name}: {value}")));
    }
    text
}

fn payment(verdict: &Verdict) -> String {
    let facts = &verdict.payment;
    let mut text = facts.state.as_str().to_owned();
    if let (Some(amount), Some(currency)) = (&facts.amount, &facts.currency) {
        let _ = write!(text, ", {amount} {currency}");
    }
    if let Some(issuer) = &facts.issuer {
        let _ = write!(text, ", from {issuer}");
    }
    if let Some(jti) = &facts.jti {
        let _ = write!(text, ", jti {jti}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_from_files() {
        let split = |text: &str| {
            let (url, path) = split_url(OsStr::new(text));
            (url, path.to_string_lossy().into_owned())
        };
        assert_eq!(split("a=b.json"), (None, "a=b.json".into()));
        assert_eq!(split("https://a.b/j?x=1=c.json"), (Some("https://a.b/j?x=1".into()), "c.json".into()));
        assert_eq!(split("http://localhost:1/x=-"), (Some("http://localhost:1/x".into()), "-".into()));
    }
}
