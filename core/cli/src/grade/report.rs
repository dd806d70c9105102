//! Marks, and why one was lost.

use crate::context::Context;
use crate::error::{CliError, Exit};
use imagxp::json::{Object, Value};
use std::fmt::Write as _;

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As PROTOCOL has it.
    Pass,
    /// Not so: what was expected, and what came.
    Fail(String),
    /// PROTOCOL accepts it, and has something better. It is no mark, neither won nor lost.
    Advice(String),
    /// Not tried, and why. It is no mark, neither won nor lost.
    Skipped(&'static str),
}

impl From<Result<(), String>> for Mark {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Fail, |()| Self::Pass)
    }
}

impl Mark {
    /// What would have lost the mark is worth no more than advice.
    pub(crate) fn advised(self) -> Self {
        match self {
            Self::Fail(reason) => Self::Advice(reason),
            other => other,
        }
    }

    /// This, unless there is more to say about what passes.
    pub(crate) fn and(self, more: impl FnOnce() -> Self) -> Self {
        if self == Self::Pass { more() } else { self }
    }
}

/// One line of a report.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The stable name of the case.
    pub(crate) id: &'static str,
    /// Where PROTOCOL says so.
    pub(crate) section: &'static str,
    /// What is right.
    pub(crate) what: &'static str,
    pub(crate) mark: Mark,
}

/// Everything that was tried on one implementation.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) graded: &'static str,
    pub(crate) url: String,
    pub(crate) lines: Vec<Line>,
}

impl Report {
    /// Marks won.
    fn won(&self) -> usize {
        self.count(|mark| *mark == Mark::Pass)
    }

    /// Marks that could be won.
    fn of(&self) -> usize {
        self.count(|mark| matches!(mark, Mark::Pass | Mark::Fail(_)))
    }

    fn advised(&self) -> usize {
        self.count(|mark| matches!(mark, Mark::Advice(_)))
    }

    fn skipped(&self) -> usize {
        self.count(|mark| matches!(mark, Mark::Skipped(_)))
    }

    fn count(&self, is: fn(&Mark) -> bool) -> usize {
        self.lines.iter().filter(|line| is(&line.mark)).count()
    }

    /// Prints it; 0 only for full marks.
    pub(crate) fn print(&self, context: &Context) -> Result<Exit, CliError> {
        if context.out.is_json() {
            context.out.object(&self.to_json())?;
        } else {
            context.out.text(&self.to_text())?;
        }
        Ok(if self.of() > 0 && self.won() == self.of() { Exit::Ok } else { Exit::Deny })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for Line { id, section, what, mark } in &self.lines {
            // Writing to a string does not fail.
            let _ = match mark {
                Mark::Pass => writeln!(text, "pass  {id:<34} {section:<4} {what}"),
                Mark::Fail(reason) => {
                    writeln!(text, "FAIL  {id:<34} {section:<4} {what}\n      {reason}")
                }
                Mark::Advice(reason) => {
                    writeln!(text, "note  {id:<34} {section:<4} {what}\n      {reason}")
                }
                Mark::Skipped(reason) => writeln!(text, "SKIPPED: {id}: {reason}"),
            };
        }
        let (won, of, advised, skipped) = (self.won(), self.of(), self.advised(), self.skipped());
        let _ = writeln!(text, "{won} of {of} marks, advice on {advised} cases, {skipped} cases skipped");
        text
    }

    fn to_json(&self) -> Object<'_> {
        let number = |count: usize| Value::from(u32::try_from(count).unwrap_or(u32::MAX));
        let cases = self.lines.iter().map(|line| {
            let mut case = Object::new();
            case.insert("id", line.id);
            case.insert("section", line.section);
            case.insert("what", line.what);
            let (result, reason) = match &line.mark {
                Mark::Pass => ("pass", None),
                Mark::Fail(reason) => ("fail", Some(reason.as_str())),
                Mark::Advice(reason) => ("advice", Some(reason.as_str())),
                Mark::Skipped(reason) => ("skipped", Some(*reason)),
            };
            case.insert("result", result);
            case.insert("reason", reason.map_or(Value::Null, Value::from));
            Value::Object(case)
        });
        let mut object = Object::new();
        object.insert("graded", self.graded);
        object.insert("url", self.url.as_str());
        object.insert("marks", number(self.won()));
        object.insert("of", number(self.of()));
        object.insert("advised", number(self.advised()));
        object.insert("skipped", number(self.skipped()));
        object.insert("cases", cases.collect::<Vec<_>>());
        object
    }
}
