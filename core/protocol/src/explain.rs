//! What happened in a verification, step by step, with what was expected and what was received (PROTOCOL §5).

use crate::json::{Object, Value};
use crate::publisher::Verdict;
use core::fmt;

/// How a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// The check passed.
    Passed,
    /// The check failed; the verdict's code says how.
    Failed,
    /// The check needs something that is not at hand.
    Undecided,
    /// The check does not apply to this request.
    Skipped,
}

impl StepResult {
    /// `passed`, `failed`, `undecided` or `skipped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the step in PROTOCOL §5, 1 to 14.
    pub number: u8,
    /// What is checked, in a few words.
    pub name: &'static str,
    /// How it came out.
    pub result: StepResult,
    /// What would have passed.
    pub expected: String,
    /// What there was.
    pub received: String,
}

/// A verification, explained. It spent nothing: no nonce, no use of a visa, no share of a rate.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The steps that were taken, in order; the last one that did not pass decided.
    pub steps: Vec<Step>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Explanation {
    /// The explanation as a JSON object: `{"steps": […], "verdict": {…}}`.
    pub fn to_json(&self) -> Object<'static> {
        let step = |step: &Step| {
            let mut object = Object::new();
            object.insert("step", u32::from(step.number));
            object.insert("name", step.name);
            object.insert("result", step.result.as_str());
            object.insert("expected", step.expected.clone());
            object.insert("received", step.received.clone());
            Value::Object(object)
        };
        let mut object = Object::new();
        object.insert("steps", self.steps.iter().map(step).collect::<Vec<_>>());
        object.insert("verdict", self.verdict.to_json());
        object
    }
}

impl fmt::Display for Explanation {
    /// Writes a few lines per step, for people. Whatever a stranger sent is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{:>2}  {:<9}  {}", step.number, step.result.as_str(), step.name)?;
            if step.result != StepResult::Skipped {
                writeln!(f, "      expected  {}", Printable(&step.expected))?;
                writeln!(f, "      received  {}", Printable(&step.received))?;
            }
        }
        let verdict = &self.verdict;
        write!(f, "=>  {}", verdict.outcome.as_str())?;
        if let Some(code) = verdict.code {
            write!(f, " {code} (http {}): {}", verdict.http, verdict.message)?;
        }
        if let Some(hint) = &verdict.hint {
            write!(f, "\n    hint: {}", Printable(hint))?;
        }
        if let Some(detail) = &verdict.detail {
            write!(f, "\n    detail: {}", Printable(detail))?;
        }
        writeln!(f)
    }
}

/// Text in which control characters are escaped, so that a stranger's bytes cannot move the cursor of a terminal.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            // Besides C0 and C1: what reorders, hides or breaks the text that is seen.
            let hostile = character.is_control()
                || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                    | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
            if hostile {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Bytes of a request as text for an explanation: at most 160 characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 160;
    let text = String::from_utf8_lossy(bytes.get(..MOST * 4).unwrap_or(bytes)).into_owned();
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < bytes.len() {
        short.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    short
}
