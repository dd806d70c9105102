//! Visitors without a signature: browser or not? A guess, and named as one (PROTOCOL §7).

use super::refusal::Refusal;
use super::verdict::Visitor;
use super::verify::Run;
use crate::code::Code;
use crate::headers::RequestHeaders;
use crate::policy::Unsigned;
use crate::resource::path_readings;

/// The patterns of the `isbot` crate, one regular expression a line. A test compares this copy with the crate, which cannot be
/// linked here: its regex engine would double the size of the shared library.
const PATTERNS: &str = include_str!("bots.txt");

/// Those patterns that are more than plain text, with what matches them in a text without capitals. Written out, since even a small
/// regex engine is 40 KB and a millisecond for each publisher.
const SPECIAL: &[(&str, Matches)] = &[
    ("[ ]+bot", |text| text.contains(" bot")),
    (r"^[a-z.0-9/ \-_]*bot", |text| {
        let is_other = |c: char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '/' | ' ' | '-' | '_');
        text.split(is_other).next().is_some_and(|start| start.contains("bot"))
    }),
    (
        r"^fdm[\s/]\d",
        |text| matches!(text.as_bytes(), [b'f', b'd', b'm', gap, b'0'..=b'9', ..] if is_gap(*gap)),
    ),
    ("^viber$", |text| text == "viber"),
    (r"^whatsapp\+?/[0-9\.]+ [a-z]$", |text| {
        text.strip_prefix("whatsapp")
            .map(|rest| rest.strip_prefix('+').unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix('/')?.split_once(' '))
            .is_some_and(|(version, system)| {
                !version.is_empty()
                    && version.bytes().all(|b| b == b'.' || b.is_ascii_digit())
                    && matches!(system.as_bytes(), [b'a'..=b'z'])
            })
    }),
    (r"bot($|[/\);-]+)", |text| {
        followed(text, "bot", |rest| matches!(rest, [] | [b'/' | b')' | b';' | b'-', ..]))
    }),
    ("daum(oa)?[ /][0-9]", |text| {
        followed(text, "daum", |rest| {
            matches!(rest.strip_prefix(b"oa").unwrap_or(rest), [b' ' | b'/', b'0'..=b'9', ..])
        })
    }),
    ("http[s]?://", |text| text.contains("http://") || text.contains("https://")),
    (r"ptst[\s/]", |text| followed(text, "ptst", |rest| matches!(rest, [gap, ..] if is_gap(*gap)))),
];

/// Whether a text without capitals matches.
type Matches = fn(&str) -> bool;

/// `[\s/]`
const fn is_gap(byte: u8) -> bool {
    matches!(byte, b'/' | b' ' | b'\t'..=b'\r')
}

/// Whether the word occurs with something acceptable behind it.
fn followed(text: &str, word: &str, accepts: fn(&[u8]) -> bool) -> bool {
    text.match_indices(word).any(|(at, _)| text.as_bytes().get(at + word.len()..).is_some_and(accepts))
}

/// Tells known bots by their User-Agent.
#[derive(Debug)]
pub(super) struct BotList {
    anywhere: Vec<String>,
    prefixes: Vec<String>,
}

impl BotList {
    /// Sorts the patterns: nearly all are plain text.
    pub(super) fn new() -> Self {
        let (mut anywhere, mut prefixes) = (Vec::new(), Vec::new());
        for line in PATTERNS.lines().filter(|line| !line.trim().is_empty()) {
            let is_special = SPECIAL.iter().any(|(pattern, _)| *pattern == line);
            // A dot stands for any character; all of them mean a dot in a name, so a dot it is, as where it is written `\.`.
            match line.strip_prefix('^') {
                _ if is_special => {}
                Some(rest) => prefixes.push(rest.replace("\\.", ".")),
                None => anywhere.push(line.replace("\\.", ".")),
            }
        }
        Self { anywhere, prefixes }
    }

    pub(super) fn is_bot(&self, user_agent: &str) -> bool {
        let lower = user_agent.to_ascii_lowercase();
        self.prefixes.iter().any(|prefix| lower.starts_with(prefix))
            || self.anywhere.iter().any(|text| lower.contains(text))
            || SPECIAL.iter().any(|(_, matches)| matches(&lower))
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
    use proptest::prelude::*;

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

    /// One text for each side of each pattern that is written out; what a regex engine says of them and of others is below.
    #[test]
    fn special_patterns_have_two_sides() {
        let list = BotList::new();
        for (text, bot) in [
            ("fdm 3x", true),
            ("fdm\t3", true),
            ("fdm-3", false),
            ("fdm x", false),
            ("viber", true),
            ("viber1", false),
            ("WhatsApp/2.23 a", true),
            ("whatsapp+/2 n", true),
            ("whatsapp/ a", false),
            ("whatsapp/2x a", false),
            ("whatsapp/2 ab", false),
            ("whatsapp 2", false),
            ("x http://a.example", true),
            ("x https://a.example", true),
            ("x http:/a.example", false),
            ("daum 1", true),
            ("daumoa/1", true),
            ("daum x", false),
            ("ptst/1", true),
            ("ptst1", false),
            ("é robot", true),
            ("é robot)", true),
            ("é robotic", false),
        ] {
            // What none of these matches may be a bot's by another pattern.
            assert!(list.is_bot(text) >= bot, "{text}");
            let matching = |(pattern, matches): &(&str, Matches)| {
                let found = matches(&text.to_lowercase());
                assert_eq!(
                    found,
                    regex_lite::Regex::new(pattern).unwrap().is_match(&text.to_lowercase()),
                    "{pattern} {text}"
                );
                found
            };
            assert_eq!(SPECIAL.iter().filter(|special| matching(special)).count() > 0, bot, "{text}");
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
            assert!(
                !pattern.contains(['[', ']', '\\', '^', '$', '(', ')', '|', '?', '+', '*']),
                "{pattern} is not plain"
            );
            for text in [pattern.clone(), format!("{pattern} x"), format!("Zz/5 {pattern}")] {
                assert_eq!(ours.is_bot(&text), theirs.is_bot(&text), "{text}");
            }
        }
    }
    proptest! {
        /// Each pattern that is written out, against a regex engine.
        #[test]
        fn special_patterns_are_what_they_say(
            text in "( |\t|\n|\u{b}|\u{c}|\r|/|-|_|\\.|;|\\)|\\+|[a-z0-9é]|bot|fdm|viber|whatsapp|daum|oa|https?|://|ptst){0,8}",
        ) {
            for (pattern, matches) in SPECIAL {
                let regex = regex_lite::Regex::new(pattern).unwrap();
                prop_assert_eq!(matches(&text), regex.is_match(&text), "{} {:?}", pattern, text);
            }
        }
    }
}
