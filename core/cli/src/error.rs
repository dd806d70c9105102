//! How a run ends, and what it says when it fails.

use imagxp::json::{Object, Value};
use imagxp::publisher::{Outcome, Verdict};
use std::borrow::Cow;
use std::process::ExitCode;

/// How a run ended, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The request may pass, or the command did its work.
    Ok = 0,
    /// The request may not pass.
    Deny = 1,
    /// The arguments or the files are wrong.
    Usage = 2,
    /// The verdict lacks something.
    Undecided = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Verdict> for Exit {
    fn from(verdict: &Verdict) -> Self {
        match verdict.outcome {
            Outcome::Allow => Self::Ok,
            Outcome::Deny => Self::Deny,
            Outcome::Undecided => Self::Undecided,
        }
    }
}

/// What went wrong: a stable code, one sentence, and where. It never holds key material.
#[derive(Debug)]
pub(crate) struct CliError {
    code: Cow<'static, str>,
    message: String,
    file: Option<String>,
    line: Option<usize>,
}

impl CliError {
    /// The arguments are wrong.
    pub(crate) const USAGE: &'static str = "usage.argument";
    /// A file cannot be read.
    pub(crate) const UNREADABLE: &'static str = "file.unreadable";
    /// A file or a stream cannot be written.
    pub(crate) const UNWRITABLE: &'static str = "file.unwritable";
    /// A file is there already.
    pub(crate) const EXISTS: &'static str = "file.exists";
    /// A file is larger than this program reads.
    pub(crate) const TOO_LARGE: &'static str = "file.too_large";
    /// A file is not what it should be.
    pub(crate) const MALFORMED: &'static str = "file.malformed";
    /// A private key can be read by others; a warning.
    pub(crate) const PERMISSIONS: &'static str = "file.permissions";
    /// A secret was about to be shown on a terminal.
    pub(crate) const TERMINAL: &'static str = "output.terminal";
    /// A policy says something that is hardly meant; a warning.
    pub(crate) const REMARK: &'static str = "policy.remark";
    /// The operating system gives no randomness, or the clock makes no sense.
    pub(crate) const SYSTEM: &'static str = "system.unavailable";

    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), file: None, line: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Self::USAGE, message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Self::MALFORMED, message)
    }

    /// Names the file that is wrong.
    pub(crate) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Names the line that is wrong, counted from 1.
    pub(crate) fn at_line(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }

    /// One line: `FILE:LINE: error: CODE: message`, which editors find their way by.
    pub(crate) fn line(&self, kind: &str) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        format!("{place}{kind}: {}: {}", self.code, self.message)
    }

    /// `{"error": {"code", "message", "file"?, "line"?}}`, or the same under another name.
    pub(crate) fn to_json(&self, member: &'static str) -> Object<'static> {
        let mut error = Object::new();
        error.insert("code", self.code.clone());
        error.insert("message", self.message.clone());
        if let Some(file) = &self.file {
            error.insert("file", file.clone());
        }
        if let Some(line) = self.line.and_then(|line| u32::try_from(line).ok()) {
            error.insert("line", line);
        }
        let mut object = Object::new();
        object.insert(member, Value::Object(error));
        object
    }
}

impl From<imagxp::Error> for CliError {
    fn from(error: imagxp::Error) -> Self {
        // One level of cause says where in a document the trouble is; deeper ones repeat it.
        let message = match std::error::Error::source(&error) {
            Some(cause) if !error.message().contains(&cause.to_string()) => {
                format!("{} ({cause})", error.message())
            }
            Some(_) => error.message().to_owned(),
            None => error.message().to_owned(),
        };
        Self::new(error.code(), message)
    }
}
