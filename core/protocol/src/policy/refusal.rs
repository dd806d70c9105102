//! Why a policy document is refused, and where in it.

use crate::json::Value;
use core::fmt;
use std::fmt::Write;

/// The refusal of a value of the wrong type.
#[cold]
pub(super) fn instead_of(value: &Value<'_>, expected: &str) -> Refusal {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) => {
            let kind = if number.as_i64().is_some() { "integer" } else { "floating point" };
            format!("{kind} `{number}`")
        }
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".to_owned(),
        Value::Object(_) => "map".to_owned(),
    };
    Refusal::new(format!("invalid type: {found}, expected {expected}"))
}

#[cold]
pub(super) fn out_of_range(value: &Value<'_>, expected: &str) -> Refusal {
    let number = value.as_number().map(ToString::to_string).unwrap_or_default();
    Refusal::new(format!("invalid value: integer `{number}`, expected {expected}"))
}

/// Why a value is not a policy document, and where. Boxed: every reading function returns one.
#[derive(Debug)]
pub(super) struct Refusal(Box<Reason>);

/// What a [`Refusal`] says.
#[derive(Debug)]
struct Reason {
    /// What is wrong.
    message: String,
    /// From the wrong member outwards: its place in the array or object around it, and its name in an object.
    steps: Vec<(usize, Option<String>)>,
}

impl Refusal {
    #[cold]
    pub(super) fn new(message: String) -> Self {
        Self(Box::new(Reason { message, steps: Vec::new() }))
    }

    /// ``line N: `path`: message``; `text` is what the value was parsed from. The path of the whole document is `.`.
    pub(super) fn sentence(&self, text: &[u8]) -> String {
        let places: Vec<usize> = self.0.steps.iter().rev().map(|(place, _)| *place).collect();
        format!("line {}: {self}", line_of(text, &places))
    }

    /// The same, seen from the array or object around it.
    #[cold]
    pub(super) fn within(mut self, place: usize, name: Option<&str>) -> Self {
        self.0.steps.push((place, name.map(str::to_owned)));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        for (place, name) in self.0.steps.iter().rev() {
            match name {
                Some(name) if path.is_empty() => path.push_str(name),
                Some(name) => write!(path, ".{name}")?,
                None => write!(path, "[{place}]")?,
            }
        }
        write!(f, "`{}`: {}", if path.is_empty() { "." } else { &path }, self.0.message)
    }
}

/// The line, counted from 1, of the member that these places lead to: the second of the first, for example.
///
/// The text has been parsed already. This runs for errors only, which is why values do not carry their position.
fn line_of(text: &[u8], places: &[usize]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let mut structure = text.iter().copied().enumerate().filter(|&(_, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'}' | b'[' | b']' | b',' => return !quoted,
            _ => {}
        }
        false
    });
    let mut start = 0;
    for &place in places {
        // The value at the last place is an array or object, thus what comes next is its opening bracket.
        start = structure.next().map_or(start, |(offset, _)| offset + 1);
        let (mut commas, mut depth) = (0, 0_usize);
        while commas < place {
            match structure.next() {
                Some((_, b'{' | b'[')) => depth += 1,
                Some((_, b'}' | b']')) => depth = depth.saturating_sub(1),
                Some((offset, _)) if depth == 0 => (commas, start) = (commas + 1, offset + 1),
                Some(_) => {}
                None => break,
            }
        }
    }
    let blank = text.iter().skip(start).take_while(|byte| byte.is_ascii_whitespace()).count();
    text.iter().take(start + blank).filter(|&&byte| byte == b'\n').count() + 1
}
