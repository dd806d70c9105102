//! Known bots, by their User-Agent: the list of the crate `isbot` (PROTOCOL §7).

/// The patterns of the `isbot` crate, one regular expression a line. A test compares this copy with the crate, which cannot be
/// linked here: its regex engine would double the size of the shared library.
const PATTERNS: &str = include_str!("bots.txt");

/// A pattern that is more than plain text. Written out, since even a small regex engine is 40 KB and a millisecond for each publisher.
struct Special {
    pattern: &'static str,
    /// What is in whatever matches.
    word: &'static str,
    /// Whether that is its beginning.
    first: bool,
    /// Whether a text without capitals, in which the word is, matches.
    matches: fn(&str) -> bool,
}

const fn special(
    pattern: &'static str,
    word: &'static str,
    first: bool,
    matches: fn(&str) -> bool,
) -> Special {
    Special { pattern, word, first, matches }
}

const SPECIAL: &[Special] = &[
    special("[ ]+bot", " bot", false, |_| true),
    special(r"^[a-z.0-9/ \-_]*bot", "bot", false, |text| {
        let is_other = |b: u8| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b' ' | b'-' | b'_');
        let start = text.bytes().position(is_other).and_then(|end| text.get(..end)).unwrap_or(text);
        followed(start, "bot", |_| true)
    }),
    special(
        r"^fdm[\s/]\d",
        "fdm",
        true,
        |text| matches!(text.as_bytes(), [_, _, _, gap, b'0'..=b'9', ..] if is_gap(*gap)),
    ),
    special("^viber$", "viber", true, |text| text == "viber"),
    special(r"^whatsapp\+?/[0-9\.]+ [a-z]$", "whatsapp", true, |text| {
        text.strip_prefix("whatsapp")
            .map(|rest| rest.strip_prefix('+').unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix('/')?.split_once(' '))
            .is_some_and(|(version, system)| {
                !version.is_empty()
                    && version.bytes().all(|b| b == b'.' || b.is_ascii_digit())
                    && matches!(system.as_bytes(), [b'a'..=b'z'])
            })
    }),
    special(r"bot($|[/\);-]+)", "bot", false, |text| {
        followed(text, "bot", |rest| matches!(rest, [] | [b'/' | b')' | b';' | b'-', ..]))
    }),
    special("daum(oa)?[ /][0-9]", "daum", false, |text| {
        followed(text, "daum", |rest| {
            matches!(rest.strip_prefix(b"oa").unwrap_or(rest), [b' ' | b'/', b'0'..=b'9', ..])
        })
    }),
    special("http[s]?://", "http", false, |text| {
        followed(text, "http", |rest| rest.strip_prefix(b"s").unwrap_or(rest).starts_with(b"://"))
    }),
    special(r"ptst[\s/]", "ptst", false, |text| {
        followed(text, "ptst", |rest| matches!(rest, [gap, ..] if is_gap(*gap)))
    }),
];

/// `[\s/]`
const fn is_gap(byte: u8) -> bool {
    matches!(byte, b'/' | b' ' | b'\t'..=b'\r')
}

/// Whether the word occurs with something acceptable behind it.
fn followed(text: &str, word: &str, accepts: fn(&[u8]) -> bool) -> bool {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        if rest.strip_prefix(word.as_bytes()).is_some_and(accepts) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// A text to look for.
struct Word {
    text: Vec<u8>,
    /// Only at the beginning.
    first: bool,
    /// The place in `SPECIAL` of a pattern that says whether it counts.
    special: Option<usize>,
    /// The next in its slot, counted from one; 0 after the last.
    next: u16,
}

/// How many bytes of a word choose its slot; none is shorter.
const KEY: usize = 3;
/// Many more than words, so that nearly every place of a text finds its slot empty.
const SLOTS: usize = 2048;

/// Where words that begin so are.
const fn slot(key: [u8; KEY]) -> usize {
    let [one, two, three] = key;
    let spread = u32::from_le_bytes([one, two, three, 0]).wrapping_mul(0x9E37_79B1);
    (spread >> (u32::BITS - SLOTS.ilog2())) as usize
}

/// Tells known bots by their User-Agent, in one pass: three hundred searches took half of what a browser's request cost nginx.
pub(super) struct BotList {
    words: Vec<Word>,
    /// The first word of each slot, counted from one.
    slots: Vec<u16>,
}

impl core::fmt::Debug for BotList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BotList")
    }
}

impl BotList {
    /// Sorts the patterns: nearly all are plain text.
    pub(super) fn new() -> Self {
        let mut list = Self { words: Vec::with_capacity(384), slots: vec![0; SLOTS] };
        for (at, special) in SPECIAL.iter().enumerate() {
            list.add(special.word.into(), special.first, Some(at));
        }
        for line in PATTERNS.lines() {
            if !SPECIAL.iter().any(|special| special.pattern == line) {
                // A dot stands for any character; all of them mean a dot in a name, so a dot it is, as where it is written `\.`.
                let text = line.strip_prefix('^').unwrap_or(line).bytes().filter(|b| *b != b'\\').collect();
                list.add(text, line.starts_with('^'), None);
            }
        }
        list
    }

    fn add(&mut self, text: Vec<u8>, first: bool, special: Option<usize>) {
        let head = text.first_chunk().and_then(|key| self.slots.get_mut(slot(*key)));
        let (Some(head), Ok(number)) = (head, u16::try_from(self.words.len() + 1)) else { return };
        let next = core::mem::replace(head, number);
        self.words.push(Word { text, first, special, next });
    }

    /// The words that begin so, and perhaps others.
    fn words(&self, key: [u8; KEY]) -> impl Iterator<Item = &Word> {
        let mut number = self.slots.get(slot(key)).copied().unwrap_or(0);
        core::iter::from_fn(move || {
            let word = self.words.get(usize::from(number).checked_sub(1)?)?;
            number = word.next;
            Some(word)
        })
    }

    pub(super) fn is_bot(&self, user_agent: &str) -> bool {
        let lower = user_agent.to_ascii_lowercase();
        // Each pattern is asked once: a text of nothing but its word is no more work.
        let mut asked = [false; SPECIAL.len()];
        let mut rest = lower.as_bytes();
        let mut first = true;
        while let Some(key) = rest.first_chunk() {
            for word in self.words(*key) {
                if (word.first && !first) || !rest.starts_with(&word.text) {
                    continue;
                }
                let Some(at) = word.special else { return true };
                let is_new = asked.get_mut(at).is_some_and(|asked| !core::mem::replace(asked, true));
                if is_new && SPECIAL.get(at).is_some_and(|special| (special.matches)(&lower)) {
                    return true;
                }
            }
            rest = rest.get(1..).unwrap_or_default();
            first = false;
        }
        false
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
        ("Mozilla/5.0 (Linux; Android 9; CUBOT_P20; CUBOT_P20) Chrome/120", false),
        ("GPTBot/1.0", true),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            true,
        ),
        ("curl/8.0", true),
        ("python-requests/2.31", true),
        ("Scrapy/2.11 (+https://scrapy.org)", true),
    ];

    impl Special {
        fn is_in(&self, text: &str) -> bool {
            let has_word = if self.first { text.starts_with(self.word) } else { text.contains(self.word) };
            has_word && (self.matches)(text)
        }
    }

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
            ("robotic", true),
            ("é robot", true),
            ("é robot)", true),
            ("é robotic", false),
        ] {
            // What none of these matches may be a bot's by another pattern.
            assert!(list.is_bot(text) >= bot, "{text}");
            let lower = text.to_lowercase();
            let matching = |special: &Special| {
                let found = special.is_in(&lower);
                let regex = regex_lite::Regex::new(special.pattern).unwrap();
                assert_eq!(found, regex.is_match(&lower), "{} {text}", special.pattern);
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
        for word in ours.words.iter().filter(|word| word.special.is_none()) {
            let pattern = core::str::from_utf8(&word.text).unwrap();
            assert!(pattern.len() >= KEY, "{pattern} has no slot");
            assert!(
                !pattern.contains(['[', ']', '\\', '^', '$', '(', ')', '|', '?', '+', '*']),
                "{pattern} is not plain"
            );
            for text in [pattern.to_owned(), format!("{pattern} x"), format!("Zz/5 {pattern}")] {
                assert_eq!(ours.is_bot(&text), theirs.is_bot(&text), "{text}");
            }
        }
    }

    /// A search for each word by itself.
    fn one_by_one(list: &BotList, text: &str) -> bool {
        let plain = list.words.iter().filter(|word| word.special.is_none()).any(|word| {
            let word_text = core::str::from_utf8(&word.text).unwrap();
            if word.first { text.starts_with(word_text) } else { text.contains(word_text) }
        });
        plain || SPECIAL.iter().any(|special| special.is_in(text))
    }

    #[test]
    fn every_word_is_in_its_slot() {
        let list = BotList::new();
        let lines: Vec<&str> = PATTERNS.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(list.words.len(), lines.len(), "each pattern has one word");
        // Before a dot a backslash may be left out; before anything else it would mean something.
        for line in lines.iter().filter(|line| SPECIAL.iter().all(|special| special.pattern != **line)) {
            assert!(!line.replace("\\.", "").contains('\\'), "{line} is not plain");
        }
        for word in &list.words {
            let key = word.text.first_chunk().unwrap();
            assert!(list.words(*key).any(|other| other.text == word.text));
        }
        assert!(!list.is_bot("") && !list.is_bot("ab"));
        let mut list = list;
        list.add(b"ab".to_vec(), false, None);
        assert_eq!(list.words.len(), lines.len(), "a word without a slot would be found nowhere");
    }

    proptest! {
        /// Words and halves of words, in any order.
        #[test]
        fn one_pass_finds_what_a_search_for_each_finds(
            pieces in prop::collection::vec((any::<prop::sample::Index>(), 0..6usize, "[ a-z/;é]{0,2}"), 0..6),
        ) {
            let list = BotList::new();
            let text: String = pieces
                .iter()
                .map(|(index, less, glue)| {
                    let word = core::str::from_utf8(&index.get(&list.words).text).unwrap();
                    format!("{glue}{}", word.get(..word.len().saturating_sub(*less)).unwrap_or(word))
                })
                .collect();
            prop_assert_eq!(list.is_bot(&text), one_by_one(&list, &text), "{}", text);
        }

        /// Each pattern that is written out, against a regex engine.
        #[test]
        fn special_patterns_are_what_they_say(
            text in "( |\t|\n|\u{b}|\u{c}|\r|/|-|_|\\.|;|\\)|\\+|[a-z0-9é]|bot|fdm|viber|whatsapp|daum|oa|https?|://|ptst){0,8}",
        ) {
            for special in SPECIAL {
                let regex = regex_lite::Regex::new(special.pattern).unwrap();
                prop_assert_eq!(special.is_in(&text), regex.is_match(&text), "{} {:?}", special.pattern, text);
            }
        }
    }
}
