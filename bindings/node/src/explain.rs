//! What happened in a verification, step by step.

use crate::boundary;
use crate::json::JsonObject;
use crate::verdict::Verdict;
use imagxp::explain as core;
use napi::Result;
use napi_derive::napi;

/// One step of a verification.
#[napi(object, object_from_js = false)]
pub struct Step {
    /// The number of the step in PROTOCOL §5.
    pub number: u8,
    /// What is checked.
    pub name: &'static str,
    /// How it went.
    #[napi(ts_type = "'passed' | 'failed' | 'undecided' | 'skipped'")]
    pub result: &'static str,
    /// What would have passed.
    pub expected: String,
    /// What there was.
    pub received: String,
}

/// A verification, explained; it spent nothing. `toString()` prints it for people, with a stranger's bytes escaped.
#[napi]
pub struct Explanation(core::Explanation);

impl Explanation {
    pub(crate) const fn new(explanation: core::Explanation) -> Self {
        Self(explanation)
    }
}

#[napi]
impl Explanation {
    /// The steps that were taken, in order.
    #[napi(getter)]
    pub fn steps(&self) -> Vec<Step> {
        let step = |step: &core::Step| Step {
            number: step.number,
            name: step.name,
            result: step.result.as_str(),
            expected: step.expected.clone(),
            received: step.received.clone(),
        };
        self.0.steps.iter().map(step).collect()
    }

    /// The verdict.
    #[napi(getter)]
    pub fn verdict(&self) -> Verdict {
        Verdict::new(self.0.verdict.clone())
    }

    /// `{ steps: […], verdict: {…} }`; `JSON.stringify` calls it.
    #[napi(js_name = "toJSON", ts_return_type = "JsonObject")]
    pub fn to_json(&self) -> Result<JsonObject> {
        boundary::compute(|| JsonObject(self.0.to_json()))
    }

    /// For people.
    #[napi(js_name = "toString")]
    pub fn to_string(&self) -> Result<String> {
        boundary::compute(|| self.0.to_string())
    }
}
