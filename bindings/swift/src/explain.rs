//! What happened in a verification, step by step.

use crate::json;
use crate::verdict::Verdict;
use imagxp::explain as core;

pub(crate) use imagxp::explain::StepResult;

/// How a step came out.
#[uniffi::remote(Enum)]
pub(crate) enum StepResult {
    /// The check passed.
    Passed,
    /// The check failed; the verdict's code says how.
    Failed,
    /// The check needs something that is not at hand.
    Undecided,
    /// The check does not apply to this request.
    Skipped,
}

/// One step of a verification.
#[derive(uniffi::Record)]
pub(crate) struct Step {
    /// The number of the step in PROTOCOL §5.
    pub(crate) number: u8,
    /// What is checked.
    pub(crate) name: String,
    /// How it came out.
    pub(crate) result: StepResult,
    /// What would have passed.
    pub(crate) expected: String,
    /// What there was; a stranger's bytes.
    pub(crate) received: String,
}

/// A verification, explained; it spent nothing.
#[derive(uniffi::Record)]
pub(crate) struct Explanation {
    /// The steps that were taken, in order.
    pub(crate) steps: Vec<Step>,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// All of it as lines for people, with a stranger's bytes escaped.
    pub(crate) text: String,
    /// All of it as JSON: `{"steps": […], "verdict": {…}}`.
    pub(crate) json: Vec<u8>,
}

impl Explanation {
    pub(crate) fn of(explanation: core::Explanation) -> Self {
        let step = |step: &core::Step| Step {
            number: step.number,
            name: step.name.to_owned(),
            result: step.result,
            expected: step.expected.clone(),
            received: step.received.clone(),
        };
        Self {
            steps: explanation.steps.iter().map(step).collect(),
            text: explanation.to_string(),
            json: json::text(&explanation.to_json()),
            verdict: Verdict::of(explanation.verdict),
        }
    }
}
