//! `imagxp policy`: what a publisher writes.

use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::input::name;
use crate::output::shown;
use crate::policy_file;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use imagxp::Policy;
use imagxp::discovery::emit::{self, Kind, Site};
use imagxp::discovery::link;
use imagxp::encoding::hex_encode;
use imagxp::json::{Object, Value};
use std::path::{Path, PathBuf};

/// Check, publish and translate policies
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a policy; what is hardly meant is warned about
    Check {
        /// The policy: JSON, or TOML; `-` is standard input
        file: PathBuf,
        /// Fail when there is a warning
        #[arg(long)]
        strict: bool,
    },
    /// Print the JSON Schema of policies
    Schema,
    /// Print the public part of a policy, to be served at /.well-known/imagxp-policy.json
    Public {
        /// The policy: JSON, or TOML; `-` is standard input
        file: PathBuf,
    },
    /// Print the policy in other words: lines for robots.txt, response headers, or an RSL document
    Emit {
        /// What to print
        #[arg(value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
        kind: String,
        /// The policy: JSON, or TOML; `-` is standard input
        file: PathBuf,
        /// The origin of the policy to speak for; the first one otherwise
        #[arg(long, value_name = "URL")]
        origin: Option<String>,
        /// The page whose response headers are wanted
        #[arg(long, value_name = "PATH", default_value = "/")]
        path: String,
        /// Where the RSL document is served; /license.xml of the origin otherwise
        #[arg(long, value_name = "URL")]
        rsl_url: Option<String>,
    },
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::Check { file, strict } => return check(context, &file, strict),
            Command::Schema => context.out.document(Policy::schema().as_bytes())?,
            Command::Emit { kind, file, origin, path, rsl_url } => {
                let policy = policy_file::read(context, &file)?.policy;
                let mut site = Site::new(&policy, origin.as_deref())?;
                if let Some(url) = rsl_url {
                    site.rsl_url = link::absolute_url(&site.policy_url, &url)
                        .ok_or_else(|| CliError::usage(format!("`{url}` is not an https URL")))?;
                }
                let kind = Kind::from_name(&kind).unwrap_or(Kind::Robots);
                let text = emit::emit(&site, kind, &path)?;
                if context.out.is_json() {
                    let mut object = Object::new();
                    object.insert("kind", kind.as_str());
                    object.insert("text", text);
                    context.out.object(&object)?;
                } else {
                    context.out.text(&text)?;
                }
            }
            Command::Public { file } => {
                context.out.document(&policy_file::read(context, &file)?.policy.public_json())?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn check(context: &Context, file: &Path, strict: bool) -> Result<Exit, CliError> {
    let read = policy_file::read(context, file)?;
    let failed = strict && !read.remarks.is_empty();
    if context.out.is_json() {
        let remarks = read.remarks.iter().map(|(line, message)| {
            let mut remark = Object::new();
            let line = line.and_then(|line| u32::try_from(line).ok());
            remark.insert("line", line.map_or(Value::Null, Value::from));
            remark.insert("message", message.clone());
            Value::Object(remark)
        });
        let mut object = Object::new();
        object.insert("file", name(file));
        object.insert("ok", !failed);
        object.insert("hash", hex_encode(read.policy.hash()));
        object.insert("remarks", remarks.collect::<Vec<_>>());
        context.out.object(&object)?;
    } else {
        for (line, message) in &read.remarks {
            context.out.warning(
                &CliError::new(CliError::REMARK, message.clone()).in_file(name(file)).at_line(*line),
            );
        }
        let result = if failed { "refused because of its warnings" } else { "ok" };
        context.out.text(&format!("{}: {result}\n", shown(&name(file))))?;
    }
    Ok(if failed { Exit::Usage } else { Exit::Ok })
}
