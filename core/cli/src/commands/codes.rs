//! `imagxp codes`: the table of refusal codes.

use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::Code;
use imagxp::json::{Object, Value};
use std::fmt::Write as _;

/// List the refusal codes: HTTP status, retry rule, message and hint
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this code, or the codes that begin like this
    prefix: Option<String>,
}

impl Args {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let prefix = self.prefix.unwrap_or_default();
        let codes: Vec<Code> =
            Code::ALL.iter().copied().filter(|code| code.as_str().starts_with(&prefix)).collect();
        if codes.is_empty() {
            return Err(CliError::usage(format!("no code begins with `{prefix}`")));
        }
        if context.out.is_json() {
            let mut object = Object::new();
            object.insert("codes", codes.iter().map(|code| Value::Object(member(*code))).collect::<Vec<_>>());
            context.out.object(&object)?;
        } else {
            let mut text = String::new();
            for code in codes {
                // Writing to a string does not fail.
                let _ = writeln!(
                    text,
                    "{:<29} {:>4}  {}  {}",
                    code.as_str(),
                    code.number(),
                    code.http(),
                    code.retry()
                );
                let _ = writeln!(text, "    {}", code.message());
                let _ = writeln!(text, "    hint: {}", code.hint());
            }
            context.out.text(&text)?;
        }
        Ok(Exit::Ok)
    }
}

fn member(code: Code) -> Object<'static> {
    let mut member = Object::new();
    member.insert("code", code.as_str());
    member.insert("number", code.number());
    member.insert("http", u32::from(code.http()));
    member.insert("retry", code.retry().to_string());
    member.insert("message", code.message());
    member.insert("hint", code.hint());
    member
}
