//! A robots.txt prepared for the crate that splits it: ASCII, one kind of line end, bounded lines, no near misses.

use super::finding::{Findings, Level, SourceKind, quoted};
use super::pattern::MAX_TARGET;
use super::robots::MAX_BYTES;

/// Longer lines, percent-encoded, are ignored: their patterns could match no target that is compared, and the crate would cut them,
/// which makes other rules of them.
const MAX_LINE: usize = MAX_TARGET + 256;

/// A file made safe for the crate: ASCII, one line end, no near misses.
pub(super) struct Prepared {
    pub(super) text: String,
    /// The lines as written.
    pub(super) lines: Vec<String>,
    pub(super) findings: Findings,
}

impl Prepared {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut findings = Findings::default();
        let mut error = |line: Option<u32>, message: String| {
            findings.add(Level::Error, SourceKind::Robots, line, message);
        };
        let mut bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Some(kept) = bytes.get(..MAX_BYTES)
            && bytes.len() > MAX_BYTES
        {
            // A rule that is cut in two would be another rule.
            let end = kept.iter().rposition(|b| matches!(b, b'\n' | b'\r')).unwrap_or(0);
            bytes = kept.get(..end).unwrap_or_default();
            error(None, "the file is longer than 500 KiB; the rest is ignored".to_owned());
        }
        let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
        let mut lines = Vec::new();
        let mut rest = bytes;
        let mut number: u32 = 0;
        loop {
            number = number.saturating_add(1);
            let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            if line.len() > 3 * MAX_LINE {
                error(Some(number), "the line is too long and is ignored".to_owned());
                lines.push(String::new());
            } else {
                let words = String::from_utf8_lossy(line);
                let before = text.len();
                match near_miss(&words) {
                    Some(key) => error(Some(number), format!("`{}` is not a known key", quoted(key))),
                    None => push_ascii(&mut text, line),
                }
                if text.len() - before > MAX_LINE {
                    text.truncate(before);
                    error(Some(number), "the line is too long and is ignored".to_owned());
                }
                lines.push(quoted(&words));
            }
            rest = match after {
                [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => rest,
                _ => break,
            };
            text.push('\n');
        }
        Self { text, lines, findings }
    }
}

/// Keys that the crate takes for these when a key only begins with them.
const KEYS: [&str; 12] = [
    "user-agent",
    "useragent",
    "user agent",
    "allow",
    "disallow",
    "dissallow",
    "dissalow",
    "disalow",
    "diasllow",
    "disallaw",
    "sitemap",
    "site-map",
];

/// The key of a line that begins with a key of RFC 9309 but is another, such as `Allowed`.
fn near_miss(line: &str) -> Option<&str> {
    let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
    let end = line.find(':').or_else(|| line.find([' ', '\t']))?;
    let key = line.get(..end)?.trim();
    let begins = |known: &&str| key.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known));
    let exact = KEYS.iter().any(|known| key.eq_ignore_ascii_case(known));
    (!exact && KEYS.iter().any(|known| begins(&known))).then_some(key)
}

/// Percent-encodes what is not printable ASCII, and a `%` that begins no encoding (the crate would swallow it).
fn push_ascii(text: &mut String, line: &[u8]) {
    for (index, &byte) in line.iter().enumerate() {
        let escape = |at: usize| line.get(at).is_some_and(u8::is_ascii_hexdigit);
        let keep = match byte {
            b'%' => escape(index + 1) && escape(index + 2),
            b'\t' => true,
            _ => byte.is_ascii() && !byte.is_ascii_control(),
        };
        if keep {
            text.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 });
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
