//! `imagxp audit show`: records for people.

use crate::commands;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::output::shown;
use imagxp::audit::{Entry, StoredVerdict};
use imagxp::{AgentId, Code, Purpose};
use imagxp_files::audit::scan;
use std::path::PathBuf;

/// Print records, one a line; nothing is verified
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the log
    log: PathBuf,
    #[command(flatten)]
    filter: Filter,
}

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only requests of this agent
    #[arg(long, value_name = "DOMAIN")]
    agent: Option<String>,
    /// Only verdicts with this code; `ok` for those without one
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Option<CodeFilter>,
    /// Only requests for this purpose
    #[arg(long, value_parser = commands::purpose())]
    purpose: Option<Purpose>,
}

#[derive(Clone, Copy, Debug)]
struct CodeFilter(Option<Code>);

fn code(text: &str) -> Result<CodeFilter, String> {
    match text {
        "ok" => Ok(CodeFilter(None)),
        _ => Code::from_name(text)
            .map(|code| CodeFilter(Some(code)))
            .ok_or_else(|| format!("`{text}` is not a code; see `imagxp codes`")),
    }
}

impl Filter {
    pub(super) fn admits(&self, verdict: &StoredVerdict) -> bool {
        let agent = verdict.agent_id.as_ref().map(AgentId::as_str);
        self.agent.as_ref().is_none_or(|wanted| agent == Some(wanted))
            && self.code.is_none_or(|wanted| wanted.0 == verdict.code)
            && self.purpose.is_none_or(|wanted| verdict.purpose == Some(wanted))
    }
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let mut failure = None;
        scan(&self.log, &mut |stored| {
            let Entry::Verdict(verdict) = stored.entry()? else { return Ok(true) };
            if !self.filter.admits(&verdict) {
                return Ok(true);
            }
            let printed = if context.out.is_json() {
                context.out.document(stored.bytes)
            } else {
                context.out.text(&format!("{:>8} {}\n", stored.frame.number, shown(&verdict.summary())))
            };
            failure = printed.err();
            Ok(failure.is_none())
        })?;
        failure.map_or(Ok(Exit::Ok), Err)
    }
}
