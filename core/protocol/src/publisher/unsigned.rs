//! Visitors without a signature: browser or not? A guess, and named as one (PROTOCOL §7).

use super::verdict::Visitor;
use super::verify::{Refusal, Run};
use crate::code::Code;
use crate::headers::RequestHeaders;
use crate::policy::Unsigned;
use crate::resource::path_readings;
use regex_lite::{Regex, RegexBuilder};

/// The patterns of the `isbot` crate, one regular expression a line. A test compares this copy with the crate, which cannot be
/// linked here: its regex engine would double the size of the shared library.
const PATTERNS: &str = include_str!("bots.txt");

/// Tells known bots by their User-Agent.
#[derive(Debug)]
pub(super) struct BotList {
    anywhere: Vec<&'static str>,
    prefixes: Vec<&'static str>,
    others: Option<Regex>,
}

impl BotList {
    /// Sorts the patterns: nearly all are plain text, which needs no regular expression.
    pub(super) fn new() -> Self {
        let is_plain = |text: &str| !text.bytes().any(|b| b"[]\\^$()|?+*".contains(&b));
        let (mut anywhere, mut prefixes, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for line in PATTERNS.lines().filter(|line| !line.trim().is_empty()) {
            match line.strip_prefix('^') {
                Some(rest) if is_plain(rest) => prefixes.push(rest),
                None if is_plain(line) => anywhere.push(line),
                _ => others.push(line),
            }
        }
        let others = RegexBuilder::new(&others.join("|")).build().ok();
        Self { anywhere, prefixes, others }
    }

    pub(super) fn is_bot(&self, user_agent: &str) -> bool {
        let lower = user_agent.to_ascii_lowercase();
        // A dot in a plain pattern stands for any character; all of them mean a dot in a name, so a dot it is.
        self.prefixes.iter().any(|prefix| lower.starts_with(prefix))
            || self.anywhere.iter().any(|text| lower.contains(text))
            // A list that does not compile must not turn bots into browsers.
            || self.others.as_ref().is_none_or(|regex| regex.is_match(&lower))
    }

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
        let rule = match path_readings(self.request.url) {
            Some(paths) => self.publisher.policy.unsigned_at(&paths),
            None => self.publisher.policy.unsigned_strictest(),
        };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &[(&str, bool)] = &[
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", false),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT_P20) Chrome/120", false),
        (
            "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0 Mobile Safari/537.36",
            false,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
            false,
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", true),
        ("GPTBot/1.0", true),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            true,
        ),
        ("curl/8.0", true),
        ("python-requests/2.31", true),
        ("Scrapy/2.11 (+https://scrapy.org)", true),
    ];

    #[test]
    fn knows_bots_from_browsers() {
        let list = BotList::new();
        for (user_agent, bot) in SAMPLES {
            assert_eq!(list.is_bot(user_agent), *bot, "{user_agent}");
        }
    }

    #[test]
    fn agrees_with_the_isbot_crate() {
        let (ours, theirs) = (BotList::new(), isbot::Bots::default());
        for (user_agent, _) in SAMPLES {
            assert_eq!(ours.is_bot(user_agent), theirs.is_bot(user_agent), "{user_agent}");
        }
        // Each plain pattern is found by both, alone and inside a longer text.
        for pattern in ours.anywhere.iter().chain(&ours.prefixes) {
            for text in [(*pattern).to_owned(), format!("{pattern} x"), format!("Zz/5 {pattern}")] {
                assert_eq!(ours.is_bot(&text), theirs.is_bot(&text), "{text}");
            }
        }
    }
}
