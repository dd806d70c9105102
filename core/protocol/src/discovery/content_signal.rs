//! Content Signals: `Content-Signal: search=yes, ai-train=no`, in robots.txt or as a header (contentsignals.org).

use super::content_usage::{MAX_TERMS, Said};
use super::finding::{Findings, Level, SourceKind, quoted};
use super::statement::Wish;
use super::vocabulary::Vocabulary;

/// The most signals of a line that are read.
const MAX_SIGNALS: usize = 64;

/// Reads the value of the header, or of the robots.txt line without its path. Names and values are read in either case.
pub(super) fn parse(text: &str, source: SourceKind, line: Option<u32>, findings: &mut Findings) -> Said {
    let mut said = Said::default();
    let mut add = |level, message: String| findings.add(level, source, line, message);
    if text.trim().is_empty() {
        add(Level::Error, "the line names no signal".to_owned());
    }
    for (index, part) in text.split(',').map(str::trim).enumerate() {
        if index == MAX_SIGNALS {
            add(Level::Error, "too many signals; the rest is ignored".to_owned());
            break;
        }
        if part.is_empty() {
            continue;
        }
        let Some((name, value)) = part.split_once('=') else {
            add(Level::Error, format!("`{}` is not of the form `name=yes` or `name=no`", quoted(part)));
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if said.terms.len() < MAX_TERMS {
            said.terms.push((quoted(&name), quoted(value)));
        }
        let Some(term) = Vocabulary::ContentSignal.term(&name) else {
            add(Level::Note, format!("`{}` is not a known signal and is ignored", quoted(&name)));
            continue;
        };
        let wish = match () {
            () if value.eq_ignore_ascii_case("yes") => Wish::Allow,
            () if value.eq_ignore_ascii_case("no") => Wish::Disallow,
            () => {
                add(Level::Error, format!("the value of `{name}` is neither `yes` nor `no`: no preference"));
                continue;
            }
        };
        match said.wishes.iter_mut().find(|(label, _)| *label == term.label) {
            Some((_, known)) => {
                if *known != wish {
                    add(Level::Error, format!("`{name}` is said to be both `yes` and `no`; `no` counts"));
                }
                *known = known.stricter(wish);
            }
            None => said.wishes.push((term.label, wish)),
        }
    }
    said
}
