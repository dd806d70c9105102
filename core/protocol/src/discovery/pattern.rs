//! Path patterns of robots.txt: `*`, a final `$`, longest match (RFC 9309 §2.2.2, §2.2.3).

use crate::encoding::hex_value;
use crate::held::Held;

/// Longer paths are not compared: no server takes them, and no pattern that matters is longer.
pub(super) const MAX_TARGET: usize = 8 * 1024;

/// A checked pattern, normalised for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    anchored: bool,
    length: usize,
}

impl Pattern {
    /// Reads a pattern; it starts with `/` or `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.starts_with(['/', '*']) {
            return None;
        }
        let (body, anchored) = match text.strip_suffix('$') {
            Some(body) => (body, true),
            None => (text, false),
        };
        let mut normal = String::with_capacity(body.len());
        for (index, part) in body.split('*').enumerate() {
            // Runs of stars mean one star.
            if index > 0 && !normal.ends_with('*') {
                normal.push('*');
            }
            normal.push_str(&normalise(part));
        }
        let length = normal.len() + usize::from(anchored);
        Some(Self { text: normal, anchored, length })
    }

    /// How specific the pattern is: its octets.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether the pattern matches the start (with `$`: the whole) of a target that [`target`] has normalised.
    ///
    /// Each part between stars is sought once, leftmost, in what the parts before it have left: that leaves the most for the rest,
    /// so nothing is ever tried twice and the time is that of reading both texts once.
    pub(super) fn matches(&self, target: &str) -> bool {
        let mut parts = self.text.split('*');
        let Some(mut rest) = target.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let Some(last) = parts.next_back() else { return !self.anchored || rest.is_empty() };
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        if self.anchored { rest.ends_with(last) } else { rest.contains(last) }
    }
}

impl Held for Pattern {
    fn held(&self) -> usize {
        self.text.held()
    }
}

/// Normalises the path and query of a request for comparison with patterns: literal `*` and `$` are percent-encoded.
pub(super) fn target(text: &str) -> String {
    normalise(text)
}

/// The pattern of robots.txt for one of a policy, which is for whole paths: a prefix when it ends with `*`, else two, without and
/// with a query. `None` when robots.txt cannot say it, because it has nothing for "one character".
pub(super) fn from_policy(text: &str) -> Option<Vec<String>> {
    if text.contains('?') {
        return None;
    }
    let parts: Vec<String> = text.split('*').map(normalise).collect();
    let joined = parts.join("*");
    let rooted = if joined.starts_with('/') { joined } else { format!("/{joined}") };
    Some(match rooted.strip_suffix('*') {
        Some(prefix) => vec![prefix.to_owned()],
        None => vec![format!("{rooted}$"), format!("{rooted}?")],
    })
}

/// RFC 9309 §2.2.2: unreserved characters stand for themselves, everything else that may not stand in a URL is percent-encoded in
/// upper case, reserved characters stay as they are written.
fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let value = match byte {
            b'%' => {
                let mut ahead = bytes.clone();
                match (ahead.next().and_then(hex_value), ahead.next().and_then(hex_value)) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        let value = high << 4 | low;
                        if !value.is_ascii_alphanumeric() && !b"-._~".contains(&value) {
                            push_encoded(&mut out, value);
                            continue;
                        }
                        value
                    }
                    _ => {
                        push_encoded(&mut out, byte);
                        continue;
                    }
                }
            }
            _ => byte,
        };
        if value.is_ascii_alphanumeric() || b"-._~!&'()+,;=:@/?[]".contains(&value) {
            out.push(char::from(value));
        } else {
            push_encoded(&mut out, value);
        }
    }
    out
}

fn push_encoded(out: &mut String, byte: u8) {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 });
    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(&target(path))
    }

    #[test]
    fn examples_of_rfc_9309_and_of_search_engines() {
        for (pattern, path, expected) in [
            ("/fish", "/fish.html", true),
            ("/fish", "/Fish", false),
            ("/fish*", "/fishheads/x", true),
            ("/*.php$", "/a/b.php", true),
            ("/*.php$", "/b.php?x", false),
            ("/*.php$", "/b.php5/x.php", true),
            ("/fish*.php", "/fishheads/catfish.php?p", true),
            ("/", "/", true),
            ("/$", "/a", false),
            ("*", "/a", true),
            ("/*a*a*b", "/xaab", true),
            ("/a$b", "/a$b", true),
            ("/a$b", "/a", false),
            ("/foo/bar/%E3%83%84", "/foo/bar/ツ", true),
            ("/foo/bar/ツ", "/foo/bar/%e3%83%84", true),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz", true),
            ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", true),
            ("/path/foo-%24", "/path/foo-$", true),
            ("/a%2Fb", "/a/b", false),
            ("/100%", "/100%25", true),
            ("/*aba*ba$", "/xabaxba", true),
            ("/*aba*ba$", "/xaba", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        assert!(Pattern::parse("fish").is_none());
        assert!(Pattern::parse("").is_none());
    }

    #[test]
    fn stars_are_folded_and_length_counts_octets() {
        assert_eq!(Pattern::parse("/**a***").unwrap(), Pattern::parse("/*a*").unwrap());
        assert_eq!(Pattern::parse("/a$").unwrap().length(), 3);
    }
}
