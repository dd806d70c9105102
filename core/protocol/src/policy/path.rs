//! Path patterns: `*` for any run of characters and `?` for one, over the whole path (PROTOCOL §7 `paths`).

use super::{policy_error, policy_refused};
use crate::error::Result;
use crate::held::Held;

/// A checked pattern for a whole path.
///
/// `*` crosses slashes, as publishers know it from robots.txt (RFC 9309 §2.2.3): a rule for `/premium/*` must not leave
/// `/premium/a/b` open. `**` means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    literal: usize,
}

impl PathPattern {
    /// Reads a pattern: it starts with `/` or `*`, has at most 1024 bytes and at most 16 runs of stars.
    #[cold]
    pub fn parse(text: &str) -> Result<Self> {
        if !text.starts_with(['/', '*']) {
            return Err(policy_refused(format_args!("path pattern `{text}` does not start with `/`")));
        }
        // Rules are compared with decoded, folded paths: these could never match, and a deny that never matches is an open door.
        let escape = text
            .as_bytes()
            .windows(3)
            .any(|w| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()));
        let dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
        if escape || dots || text.contains("//") || text.contains(['\\', ';']) {
            return Err(policy_refused(format_args!(
                "path pattern `{text}` is not written as decoded, without `//`, `.`, `..`, `;` and `\\`"
            )));
        }
        let mut folded = String::with_capacity(text.len());
        for character in text.chars() {
            if character != '*' || !folded.ends_with('*') {
                folded.push(character);
            }
        }
        let stars = folded.matches('*').count();
        if text.len() > 1024 || stars > 16 {
            return Err(policy_error("a path pattern has at most 1024 bytes and 16 stars"));
        }
        let literal = folded.chars().filter(|character| !matches!(character, '*' | '?')).count();
        Ok(Self { text: folded, literal })
    }

    /// How specific the pattern is: its characters that stand for themselves (RFC 9309 §2.2.2).
    pub fn specificity(&self) -> usize {
        self.literal
    }

    /// Whether the pattern matches the whole path. Linear in the path for each star, without recursion.
    pub fn matches(&self, path: &str) -> bool {
        Self::matches_by(&self.text, path, false)
    }

    /// Whether a router that ignores the case of ASCII letters, or a slash at the end of the path, would take the path for one that matches.
    /// `/premium/*` matches `/premium/`, and so loosely `/premium`.
    pub fn matches_loosely(&self, path: &str) -> bool {
        let matches = |pattern, path| Self::matches_by(pattern, path, true);
        matches(&self.text, path)
            || match path.strip_suffix('/') {
                Some("") => false,
                Some(path) => matches(&self.text, path),
                None => self.before_slash().is_some_and(|pattern| matches(pattern, path)),
            }
    }

    /// The pattern for what this matches with a slash after it; no path is copied to append one.
    fn before_slash(&self) -> Option<&str> {
        self.text.strip_suffix('*').unwrap_or(&self.text).strip_suffix(['/', '?'])
    }

    /// `folds`: whether ASCII letters are compared without regard to case. One copy of it in the library: it is asked four times.
    #[inline(never)]
    fn matches_by(pattern: &str, path: &str, folds: bool) -> bool {
        let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
        let (mut p, mut t) = (0_usize, 0_usize);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(&byte) = path.get(t) {
            match pattern.get(p) {
                Some(b'*') => {
                    p += 1;
                    retry = Some((p, t));
                }
                Some(b'?') => {
                    p += 1;
                    // One character, however many bytes it has.
                    t += 1;
                    while path.get(t).is_some_and(|b| b & 0xc0 == 0x80) {
                        t += 1;
                    }
                }
                Some(&expected) if expected == byte || folds && expected.eq_ignore_ascii_case(&byte) => {
                    p += 1;
                    t += 1;
                }
                _ => match retry {
                    Some((after_star, start)) => {
                        p = after_star;
                        t = start + 1;
                        retry = Some((after_star, t));
                    }
                    None => return false,
                },
            }
        }
        pattern.get(p..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
    }
}

impl Held for PathPattern {
    fn held(&self) -> usize {
        self.text.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_paths() {
        for (pattern, path, expected) in [
            ("/premium/*", "/premium/", true),
            ("/premium/*", "/premium/a/b", true),
            ("/premium/**", "/premium/a/b", true),
            ("/premium/*", "/premium", false),
            ("/premium/*", "/free/premium/", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/*.pdf", "/x/y.pdf", true),
            ("/*.pdf", "/x/y.pdf.html", false),
            ("/?/x", "/é/x", true),
            ("/?/x", "/ab/x", false),
            ("*", "/", true),
            ("/*a*b", "/xaxaxb", true),
            ("/*a*b", "/xbxa", false),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
        for bad in ["premium", "/my%20files/*", "/a//b", "/a/./b", "/a/../b", "/a;v=1/*", "/a\\b"] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
        assert!(PathPattern::parse(&format!("/{}", "*a".repeat(17))).is_err());
        assert_eq!(PathPattern::parse("/a/*").unwrap().specificity(), 3);
    }

    #[test]
    fn routers_that_do_not_look_so_closely() {
        for (pattern, path, expected) in [
            ("/premium/*", "/PREMIUM/a", true),
            ("/Premium", "/premium", true),
            ("/premium", "/premium/", true),
            ("/premium", "/premium//", false),
            ("/premium/", "/premium", true),
            ("/premium/*", "/Premium", true),
            ("/premium/*", "/premiums", false),
            ("/*/", "/a/b", true),
            ("/premium*", "/premiu", false),
            ("/a?", "/a", true),
            ("/", "/", true),
            ("/*", "/", true),
            ("/?*", "/", false),
            ("/premium", "/premiums", false),
        ] {
            assert_eq!(
                PathPattern::parse(pattern).unwrap().matches_loosely(path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    /// Who folds the slash at the end of a path serves at one what is at the other.
    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for pattern in
            ["/a", "/a/", "/a/*", "/*/", "/*a", "/a*", "/a?", "/?", "*", "*/", "/*/?", "/*/*", "/a/?*", "/"]
        {
            let pattern = PathPattern::parse(pattern).unwrap();
            for path in ["/a", "/b", "/ab", "/a/b", "/é", "/a/é"] {
                let with_slash = format!("{path}/");
                let either = pattern.matches(path) || pattern.matches(&with_slash);
                assert_eq!(pattern.matches_loosely(path), either, "{pattern:?} {path}");
                assert_eq!(pattern.matches_loosely(&with_slash), either, "{pattern:?} {path}/");
            }
        }
    }

    #[test]
    fn hostile_patterns_stay_cheap() {
        let pattern = PathPattern::parse(&format!("/{}b", "*a".repeat(15))).unwrap();
        assert!(!pattern.matches(&format!("/{}", "a".repeat(4096))));
    }
}
