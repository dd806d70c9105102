//! AIPREF usage preferences: the `Content-Usage` header and robots.txt rule (draft-ietf-aipref-vocab, draft-ietf-aipref-attach).

use super::finding::{Findings, Level, SourceKind, quoted};
use super::statement::Wish;
use super::structured::{Bare, dictionary};
use super::vocabulary::Vocabulary;

/// What a text in a vocabulary says: labels and values as written, and the labels that were understood.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) terms: Vec<(String, String)>,
    pub(super) wishes: Vec<(&'static str, Wish)>,
}

/// The most labels that are repeated in a report.
pub(super) const MAX_TERMS: usize = 32;

/// Reads the value of the header, or of the rule without its path.
pub(super) fn parse(text: &str, source: SourceKind, line: Option<u32>, findings: &mut Findings) -> Said {
    let Some(members) = dictionary(text) else {
        findings.add(
            Level::Error,
            source,
            line,
            format!("`{}` is not a dictionary of RFC 9651, and says nothing", quoted(text)),
        );
        return Said::default();
    };
    let mut said = Said::default();
    let mut known: Vec<(&'static str, Bare<'_>)> = Vec::new();
    for (label, value) in &members {
        match Vocabulary::Aipref.term(label) {
            Some(term) => match known.iter_mut().find(|(own, _)| *own == term.label) {
                // The last of equal keys counts, also when it says nothing.
                Some((_, earlier)) => {
                    *earlier = *value;
                    let message = format!("`{label}` occurs more than once; the last counts");
                    findings.add(Level::Warning, source, line, message);
                }
                None => known.push((term.label, *value)),
            },
            None => {
                let message = format!("`{}` is not a known category and is ignored", quoted(label));
                findings.add(Level::Note, source, line, message);
                push(&mut said.terms, label, value);
            }
        }
    }
    for (label, value) in &known {
        push(&mut said.terms, label, value);
        match value {
            Bare::Token("y") => said.wishes.push((*label, Wish::Allow)),
            Bare::Token("n") => said.wishes.push((*label, Wish::Disallow)),
            // What we write ourselves where a narrower path takes a preference back.
            Bare::Token("unknown") => {}
            _ => {
                let message = format!("the value of `{label}` is neither `y` nor `n`: no preference");
                findings.add(Level::Warning, source, line, message);
            }
        }
    }
    said
}

/// Splits the value of a robots.txt rule into path and preferences.
pub(super) fn rule<'a>(value: &'a str, line: u32, findings: &mut Findings) -> (&'a str, &'a str) {
    match split_path(value) {
        (Some(path), rest) => (path, rest),
        (None, rest) => {
            let message = "the path is missing; the rule is read as one for `/`";
            findings.add(Level::Warning, SourceKind::Robots, Some(line), message);
            ("/", rest)
        }
    }
}

/// A path at the start of a value, and the rest.
pub(super) fn split_path(value: &str) -> (Option<&str>, &str) {
    if !value.starts_with('/') {
        return (None, value);
    }
    let (path, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    (Some(path), rest.trim_matches([' ', '\t']))
}

fn push(terms: &mut Vec<(String, String)>, label: &str, value: &Bare<'_>) {
    let value = match value {
        Bare::Token(token) => quoted(token),
        Bare::Other => "?".to_owned(),
    };
    if terms.len() < MAX_TERMS {
        terms.push((quoted(label), value));
    }
}
