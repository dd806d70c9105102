//! A site that has been graded before: what it remembers under the names that the policy gives is waited for.

use super::World;
use super::request::refused;
use crate::grade::wire::Answer;
use imagxp::Code;
use std::time::Duration;

/// A site asks for a manifest anew after 30 s (PROTOCOL §4), and the grading policy's rate is over by then.
pub(super) const AGENT: Duration = Duration::from_secs(31);
/// It asks for a key set anew after a minute (PROTOCOL §8).
pub(super) const BROKER: Duration = Duration::from_secs(61);

impl World {
    /// The answer, or a second one after so long, if the first is one that an earlier run explains: keys are new in each run.
    pub(super) fn once_more(
        wait: Duration,
        explained: &[Code],
        ask: impl Fn() -> Result<Answer, String>,
    ) -> Result<Answer, String> {
        let answer = ask()?;
        if explained.iter().any(|code| refused(&answer, *code).is_ok()) {
            std::thread::sleep(wait);
            return ask();
        }
        Ok(answer)
    }
}
