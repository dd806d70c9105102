//! Policy files: JSON, or the same structure in TOML (PROTOCOL §7), with the line of what is wrong. The core reads JSON only; TOML is turned into it
//! here, for the command line and the C library.

#![forbid(unsafe_code)]

pub mod locate;

use imagxp::json::{self, Limits, Number, Object, Value, object_to_canonical};
use imagxp::{Error, ErrorKind, Policy};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The core's own bound on nesting is 8; deeper TOML need not even be walked.
const MAX_DEPTH: usize = 16;

/// A policy file that has been read.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// What the policy's author may not have meant, with the line where that can be told.
    pub remarks: Vec<(Option<usize>, String)>,
}

/// Why a policy file is not acceptable: an error with the code `usage.policy`, and the line where that can be told, counted from 1.
#[derive(Debug)]
pub struct Refusal {
    /// What is wrong.
    pub error: Error,
    /// Where.
    pub line: Option<usize>,
}

/// Reads a policy: TOML when the name ends in `.toml`, JSON when it ends in `.json`, else whichever it looks like.
pub fn read(text: &str, name: &str) -> Result<PolicyFile, Refusal> {
    let is_toml = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("toml") => true,
        Some("json") => false,
        _ => !text.trim_ascii_start().starts_with('{'),
    };
    if is_toml { from_toml(text) } else { from_json(text) }
}

fn from_json(text: &str) -> Result<PolicyFile, Refusal> {
    let policy = Policy::from_json(text.as_bytes()).map_err(|error| {
        let (line, sentence) = split_line(error.message());
        let line = match json::parse(text.as_bytes(), &Limits::POLICY) {
            Err(refusal) => Some(locate::of_refusal(text.as_bytes(), &refusal)),
            Ok(_) => line.or_else(|| locate::in_json(text, member(sentence)?)),
        };
        Refusal { error: error_with(&error, sentence), line }
    })?;
    let remarks = remarks(&policy, |path| locate::in_json(text, path));
    Ok(PolicyFile { policy, remarks })
}

fn from_toml(text: &str) -> Result<PolicyFile, Refusal> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| locate::line_of(text, span.start));
        Refusal { error: policy_error(error.message().replace('\n', "; ")), line }
    })?;
    let document = document.get_ref();
    let json = object_to_canonical(
        &object(document, 1)
            .map_err(|(error, offset)| Refusal { error, line: Some(locate::line_of(text, offset)) })?,
    );
    let policy = Policy::from_json(&json).map_err(|error| {
        // The line that the core names is one of the JSON text, which has but one.
        let (_, sentence) = split_line(error.message());
        let line =
            member(sentence).and_then(|path| locate::in_toml(text, document, &with_variant(path, sentence)));
        Refusal { error: error_with(&error, sentence), line }
    })?;
    let remarks = remarks(&policy, |path| locate::in_toml(text, document, path));
    Ok(PolicyFile { policy, remarks })
}

fn remarks(policy: &Policy, line: impl Fn(&str) -> Option<usize>) -> Vec<(Option<usize>, String)> {
    policy.remarks().into_iter().map(|remark| (member(&remark).and_then(&line), remark)).collect()
}

/// Takes `line N: ` off the front of the core's sentence, and the path of the whole document, which says nothing.
fn split_line(sentence: &str) -> (Option<usize>, &str) {
    let split = sentence.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let (line, rest) = match split.and_then(|(line, rest)| Some((line.parse().ok()?, rest))) {
        Some((line, rest)) => (Some(line), rest),
        None => (None, sentence),
    };
    (line, rest.strip_prefix("`.`: ").unwrap_or(rest))
}

/// The first member that a sentence names, in backticks: `paths[0].price`, or `unsigned: browsers` with its value.
fn member(sentence: &str) -> Option<&str> {
    let (_, rest) = sentence.split_once('`')?;
    let (path, _) = rest.split_once('`')?;
    Some(path.split_once(':').map_or(path, |(path, _)| path))
}

/// A path that ends in an unknown name has `?` there, and the sentence tells the name.
fn with_variant(path: &str, sentence: &str) -> String {
    let variant = sentence.split_once("unknown variant `").and_then(|(_, rest)| rest.split_once('`'));
    match (path.strip_suffix('?'), variant) {
        (Some(path), Some((name, _))) => format!("{path}{name}"),
        _ => path.to_owned(),
    }
}

fn error_with(error: &Error, sentence: &str) -> Error {
    Error::new(error.kind(), sentence.to_owned())
}

fn policy_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Policy, message.into())
}

/// An error and the offset in the TOML text that it concerns.
type At<T> = Result<T, (Error, usize)>;

fn object(table: &DeTable<'_>, depth: usize) -> At<Object<'static>> {
    let mut object = Object::new();
    for (name, value) in table {
        object.insert(name.get_ref().clone().into_owned(), value_of(value, depth)?);
    }
    Ok(object)
}

fn value_of(value: &Spanned<DeValue<'_>>, depth: usize) -> At<Value<'static>> {
    let start = value.span().start;
    let refuse = |message: &str| Err((policy_error(message), start));
    if depth > MAX_DEPTH {
        return refuse("nested too deeply");
    }
    Ok(match value.get_ref() {
        DeValue::String(text) => text.clone().into_owned().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => {
            let exact = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(Number::from_i64);
            match exact {
                Some(number) => number.into(),
                None => return refuse("a number is out of range"),
            }
        }
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => number.into(),
            None => return refuse("a number is not finite"),
        },
        DeValue::Datetime(_) => return refuse("a policy has no dates; write a string"),
        DeValue::Array(list) => {
            list.iter().map(|value| value_of(value, depth + 1)).collect::<At<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => object(table, depth + 1)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_make_the_same_policy() {
        let json = r#"{"version":1,"origins":["https://pub.example"],"purposes":{"SUMMARY":{"price":{"amount":"0.10","currency":"USD"}}}}"#;
        let toml = "version = 1\norigins = ['https://pub.example']\n[purposes.SUMMARY]\nprice = { amount = '0.10', currency = 'USD' }\n";
        let (json, toml) = (from_json(json).unwrap().policy, from_toml(toml).unwrap().policy);
        assert_eq!(json.hash(), toml.hash());
    }

    #[test]
    fn sentences_of_the_core_are_understood() {
        assert_eq!(split_line("line 7: `a.b`: no"), (Some(7), "`a.b`: no"));
        assert_eq!(split_line("line 7: `.`: no"), (Some(7), "no"));
        assert_eq!(split_line("`a`: no"), (None, "`a`: no"));
        assert_eq!(member("x `unsigned: browsers` y"), Some("unsigned"));
        assert_eq!(member("none"), None);
        assert_eq!(with_variant("purposes.?", "`purposes.?`: unknown variant `X`, expected"), "purposes.X");
    }
}
