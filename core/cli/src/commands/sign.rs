//! `imagxp sign`: the headers of one signed request.

use super::{agent_id, purpose};
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::{self, name};
use crate::shell::quote;
use crate::{key_file, random, time};
use clap::ValueEnum;
use imagxp::agent::{Identity, SignRequest, SignedHeaders};
use imagxp::digest::content_digest;
use imagxp::headers::user_agent;
use imagxp::json::{Object, Value};
use imagxp::resource::to_uri;
use imagxp::{Purpose, Timestamp};
use imagxp_files::dotenv::Variables;
use imagxp_files::rotation::Keyring;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What a client of this program's own calls itself.
const PRODUCT: &str = concat!("imagxp-cli/", env!("CARGO_PKG_VERSION"));

/// Sign one request
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The private key: encrypted, PEM, JWK or DER, or a folder of `imagxp rotate`; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "env")]
    key: Option<PathBuf>,
    /// A file with the variables of the reference SDK (IMAGXP_PRIVATE_KEY, IMAGXP_AGENT_ID, …) instead of a key
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    env: Option<PathBuf>,
    /// The agent's domain [default: what the folder or the .env file says]
    #[arg(long, value_name = "DOMAIN")]
    agent_id: Option<String>,
    /// Why the agent reads
    #[arg(long, value_parser = purpose())]
    purpose: Purpose,
    /// The absolute URL that will be requested
    #[arg(long)]
    url: String,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// 16 to 128 characters of A-Z a-z 0-9 - . _ ~ [default: a random UUID]
    #[arg(long, allow_hyphen_values = true)]
    nonce: Option<String>,
    /// The time of signing [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    now: Option<Timestamp>,
    /// A visa, or @FILE with one
    #[arg(long, value_name = "TOKEN")]
    payment: Option<String>,
    /// An ad-impression proof, or @FILE with one
    #[arg(long, value_name = "TOKEN")]
    proof: Option<String>,
    /// A JSON object that becomes the claim's context, or @FILE with one
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// Whether ads are displayed, said in the claim's context
    #[arg(long, value_name = "BOOL")]
    ads_displayed: Option<bool>,
    /// The body that will be sent: its digest is signed; `-` is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The product to name in User-Agent, before IMAGXP/1.0
    #[arg(long, value_name = "TEXT", default_value = PRODUCT)]
    user_agent: String,
    /// Also send the visa as x-imagxp-credential, for publishers that run the reference SDK
    #[arg(long)]
    compatible: bool,
    /// What to print [default: headers; with --json: json]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Admit localhost and 127.0.0.1 as agents, for development
    #[arg(long)]
    allow_loopback: bool,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One header to a line
    Headers,
    /// The whole request, as `imagxp verify` reads it
    Json,
    /// A command that sends the request
    Curl,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let format = match (self.format, context.out.is_json()) {
            (None | Some(Format::Json), true) => Format::Json,
            (Some(_), true) => return Err(CliError::usage("--json prints JSON; leave --format out")),
            (named, false) => named.unwrap_or(Format::Headers),
        };
        let from_option = |value: &Option<String>| {
            value.as_deref().map(|value| input::or_file(&context.input, value)).transpose()
        };
        let payment = from_option(&self.payment)?;
        let proof = from_option(&self.proof)?;
        let claim_context = from_option(&self.context)?;
        let digest = self
            .body
            .as_deref()
            .map(|body| context.input.bytes(body))
            .transpose()?
            .map(|body| content_digest(&body));
        let identity = self.identity(context)?;
        let nonce = self.nonce.clone().map_or_else(random::uuid, Ok)?;
        let url = to_uri(&self.url);
        let request = SignRequest {
            ads_displayed: self.ads_displayed,
            context: claim_context.as_deref(),
            content_digest: digest.as_deref(),
            payment: payment.as_deref(),
            proof: proof.as_deref(),
            compatible: self.compatible,
            ..SignRequest::new(&self.method, &url, self.purpose)
        };
        let signed = identity.sign(&request, time::now_or(self.now)?, &nonce)?;
        let lines = lines(&self.user_agent, &signed)?;
        match format {
            Format::Json => context.out.object(&json(&request, &lines))?,
            Format::Curl => context.out.text(&curl(&request, &lines, self.body.as_deref())?)?,
            Format::Headers => {
                let text: String = lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
                context.out.text(&text)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Args {
    fn identity(&self, context: &Context) -> Result<Identity, CliError> {
        let (told, key) = match (&self.key, &self.env) {
            (Some(path), _) => {
                let told = match Keyring::is_in(path) {
                    true => Some(Keyring::open(path)?.agent_id().as_str().to_owned()),
                    false => None,
                };
                (told, key_file::private(context, path)?)
            }
            (None, Some(path)) => {
                let at = |error: imagxp::Error| CliError::from(error).in_file(name(path));
                let found = Variables::parse(&context.input.secret(path)?).map_err(at)?;
                (found.agent_id().map(str::to_owned), found.key().map_err(at)?)
            }
            (None, None) => return Err(CliError::usage("either --key or --env is needed")),
        };
        let named = match (&self.agent_id, told) {
            (Some(named), Some(told)) if *named != told => {
                return Err(CliError::usage(format!("the key is for `{told}`, not for `{named}`")));
            }
            (Some(named), _) => named.clone(),
            (None, Some(told)) => told,
            (None, None) => return Err(CliError::usage("--agent-id is needed")),
        };
        Ok(Identity::new(agent_id(&named, self.allow_loopback)?, key))
    }
}

/// All header lines, `User-Agent` first.
fn lines<'a>(product: &str, signed: &'a SignedHeaders) -> Result<Vec<(&'static str, String)>, CliError> {
    let product = user_agent(product);
    if !product.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(CliError::usage("a User-Agent has printable ASCII characters only"));
    }
    let own = signed.iter().map(|(name, value): (&'static str, &'a str)| (name, value.to_owned()));
    Ok(std::iter::once(("User-Agent", product)).chain(own).collect())
}

fn json(request: &SignRequest<'_>, lines: &[(&'static str, String)]) -> Object<'static> {
    let headers = lines.iter().map(|(name, value)| Value::Array(vec![(*name).into(), value.clone().into()]));
    let mut object = Object::new();
    object.insert("method", request.method.to_owned());
    object.insert("url", request.url.to_owned());
    object.insert("headers", headers.collect::<Vec<_>>());
    if let Some(digest) = request.content_digest {
        object.insert("body_digest", digest.to_owned());
    }
    object
}

/// A command line for a POSIX shell.
fn curl(
    request: &SignRequest<'_>,
    lines: &[(&'static str, String)],
    body: Option<&Path>,
) -> Result<String, CliError> {
    // curl would follow `[1-9]` and `/../` in its own ways, and the signed URL is the one that must be sent.
    let mut text = String::from("curl --globoff --path-as-is");
    // `--request HEAD` waits for a body that never comes.
    match request.method {
        "HEAD" => text.push_str(" --head"),
        method => text.push_str(&format!(" --request {}", quote(method))),
    }
    for (name, value) in lines {
        // Writing to a string does not fail.
        let _ = write!(text, " \\\n  --header {}", quote(&format!("{name}: {value}")));
    }
    if let Some(body) = body {
        let path = body.to_str().filter(|path| !path.contains(char::is_control)).ok_or_else(|| {
            CliError::usage("a command cannot show this path: it is not printable text").in_file(name(body))
        })?;
        let _ = write!(text, " \\\n  --data-binary {}", quote(&format!("@{path}")));
    }
    let _ = writeln!(text, " \\\n  --url {}", quote(request.url));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_sends_exactly_what_was_signed() {
        let request = SignRequest::new("GET", "https://pub.example/a?b=it's&c=[1-3]", Purpose::Summary);
        let text = curl(&request, &[("User-Agent", "x".into())], Some(Path::new("$(id).json"))).unwrap();
        assert!(text.contains("--globoff --path-as-is --request GET"), "{text}");
        assert!(text.contains(r"--url 'https://pub.example/a?b=it'\''s&c=[1-3]'"), "{text}");
        assert!(text.contains("--data-binary '@$(id).json'"), "{text}");
        let head = SignRequest::new("HEAD", "https://pub.example/", Purpose::Summary);
        assert!(curl(&head, &[], None).unwrap().contains(" --head "));
        assert!(curl(&head, &[], Some(Path::new("a\u{1b}b"))).is_err());
    }
}
