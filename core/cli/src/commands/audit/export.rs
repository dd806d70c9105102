//! `imagxp audit export`: records for programs.

use super::show::Filter;
use crate::context::Context;
use crate::error::{CliError, Exit};
use clap::ValueEnum;
use imagxp::audit::{Entry, StoredVerdict};
use imagxp::encoding::hex_encode;
use imagxp_files::audit::scan;
use std::path::PathBuf;

/// Print records as JSON lines or CSV; nothing is verified
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the log
    log: PathBuf,
    /// The form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// Entries as they stand in the log, one a line
    #[default]
    Jsonl,
    /// RFC 4180, with a head line
    Csv,
}

const HEAD: &str =
    "entry,time,outcome,code,http,visitor,agent_id,key_id,purpose,method,url,payment,jti,manifest,trace_id\n";

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        if matches!(self.format, Format::Csv) {
            context.out.text(HEAD)?;
        }
        let mut failure = None;
        scan(&self.log, &mut |stored| {
            let Entry::Verdict(verdict) = stored.entry()? else { return Ok(true) };
            if !self.filter.admits(&verdict) {
                return Ok(true);
            }
            let printed = match self.format {
                Format::Jsonl => context.out.document(stored.bytes),
                Format::Csv => context.out.text(&row(stored.frame.number, &verdict)),
            };
            failure = printed.err();
            Ok(failure.is_none())
        })?;
        failure.map_or(Ok(Exit::Ok), Err)
    }
}

fn row(number: u64, verdict: &StoredVerdict) -> String {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let fields = [
        number.to_string(),
        verdict.time.to_string(),
        verdict.outcome.as_str().to_owned(),
        text(verdict.code.map(|code| code.as_str())),
        verdict.http.to_string(),
        verdict.visitor.as_str().to_owned(),
        text(verdict.agent_id.as_ref().map(|agent| agent.as_str())),
        text(verdict.key_id.as_ref().map(|id| id.as_str())),
        text(verdict.purpose.map(|purpose| purpose.as_str())),
        verdict.method.clone(),
        verdict.url.clone(),
        verdict.payment.as_str().to_owned(),
        text(verdict.jti.as_deref()),
        verdict.manifest.map(|hash| hex_encode(&hash)).unwrap_or_default(),
        verdict.trace_id.clone(),
    ];
    let mut row = fields.map(|field| cell(&field)).join(",");
    row.push('\n');
    row
}

/// One cell: quoted where RFC 4180 asks for it, and never a formula to a spreadsheet.
fn cell(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let text = if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("a,b\"c\nd"), "\"a,b\"\"c d\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("/posts/1"), "/posts/1");
    }
}
