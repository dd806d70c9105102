//! Visitors without a signature: browser or not? A guess, and named as one (PROTOCOL §7).

use super::bots::BotList;
use super::refusal::Refusal;
use super::verdict::Visitor;
use super::verify::Run;
use crate::code::Code;
use crate::headers::RequestHeaders;
use crate::policy::Unsigned;
use crate::resource::few_path_readings;

/// The longest path, in bytes, whose readings are made for somebody who has shown nothing: a name of 255 bytes, each of them escaped, and the
/// folders that it is in. A longer one that servers may read in several ways is answered by the strictest rule there is.
const MAX_READ_PATH: usize = 1024;

impl BotList {
    /// Whether this looks like a browser: a User-Agent that is no bot's, a language, and fetch metadata.
    pub(super) fn is_browser(&self, headers: &RequestHeaders<'_>) -> bool {
        let Some(user_agent) = headers.user_agent.and_then(|value| core::str::from_utf8(value).ok()) else {
            return false;
        };
        let speaks = headers.accept_language.is_some_and(|value| !value.is_empty());
        // The cheap signs first: most clients that are no browser fail them.
        speaks
            && headers.has_sec_fetch
            && !user_agent.is_empty()
            && user_agent.len() <= 1024
            && !self.is_bot(user_agent)
    }
}

impl Run<'_> {
    /// The whole verification of a visitor without a signature.
    pub(super) fn unsigned(&mut self, headers: &RequestHeaders<'_>) -> Result<(), Refusal> {
        let rule = self.unsigned_rule();
        let browser = self.publisher.bots.is_browser(headers);
        self.facts.visitor = if browser { Visitor::UnsignedBrowser } else { Visitor::UnsignedClient };
        let allowed = match rule {
            Unsigned::Allow => true,
            Unsigned::Browsers => browser,
            Unsigned::Deny => false,
        };
        let refusal = (!allowed).then(|| Refusal::new(Code::AuthRequired));
        self.check(10, "visitors without a signature", refusal, || {
            let expected = match rule {
                Unsigned::Allow => "anyone",
                Unsigned::Browsers => "what looks like a browser",
                Unsigned::Deny => "a signed request",
            };
            let received =
                if browser { "looks like a browser (a guess)" } else { "does not look like a browser" };
            (expected.into(), received.into())
        })
    }

    /// What the policy says of visitors without a signature, here. Paths only tighten it: where none does, nobody asks which path this is.
    fn unsigned_rule(&self) -> Unsigned {
        let policy = &self.publisher.policy;
        let strictest = policy.unsigned_strictest();
        if strictest == policy.document().unsigned {
            return strictest;
        }
        few_path_readings(self.request.url, MAX_READ_PATH)
            .map_or(strictest, |paths| policy.unsigned_at(&paths))
    }
}
