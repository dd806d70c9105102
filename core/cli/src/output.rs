//! Printing. Whatever a stranger sent is made harmless here, and a closed pipe is not an error.

use crate::error::CliError;
use imagxp::json::{Object, object_to_canonical};
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write as _};

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the result is to be JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result for people: lines, with everything in them that could steer a terminal escaped.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        write_out(lines(text).as_bytes()).or_else(forgive_closed_pipe)
    }

    /// Prints a result for programs: one line of RFC 8785 JSON.
    pub(crate) fn object(&self, object: &Object<'_>) -> Result<(), CliError> {
        self.document(&object_to_canonical(object))
    }

    /// Prints JSON text with a line feed.
    pub(crate) fn document(&self, json: &[u8]) -> Result<(), CliError> {
        write_out(json_lines(&String::from_utf8_lossy(json)).as_bytes()).or_else(forgive_closed_pipe)
    }

    /// Prints bytes that must stay exactly what they are, unless a person looks at them.
    pub(crate) fn exact(&self, text: &str) -> Result<(), CliError> {
        if io::stdout().is_terminal() {
            return self.text(&format!("{text}\n"));
        }
        write_out(text.as_bytes()).or_else(forgive_closed_pipe)
    }

    /// Prints content as it came, unless a person looks at it: then what could steer the terminal is escaped.
    pub(crate) fn bytes(&self, content: &[u8]) -> Result<(), CliError> {
        if io::stdout().is_terminal() {
            return self.text(&String::from_utf8_lossy(content));
        }
        write_out(content).or_else(forgive_closed_pipe)
    }

    /// Prints a secret. Here a closed pipe is an error: the only copy would be lost.
    pub(crate) fn secret(&self, text: &str, terminal_is_fine: bool) -> Result<(), CliError> {
        if io::stdout().is_terminal() && !terminal_is_fine {
            let message = "standard output is a terminal, which shows and keeps what it shows; write to a file with --out";
            return Err(CliError::new(CliError::TERMINAL, message));
        }
        write_out(text.as_bytes()).map_err(unwritable)
    }

    /// Says what went wrong.
    pub(crate) fn error(&self, error: &CliError) {
        self.remark("error", error);
    }

    /// Says what is not as it should be, but does not matter.
    pub(crate) fn warning(&self, warning: &CliError) {
        self.remark("warning", warning);
    }

    /// Prints lines on standard error.
    pub(crate) fn complain(&self, text: &str) {
        // Nobody is left to be told when this fails.
        let _ = io::stderr().lock().write_all(lines(text).as_bytes());
    }

    fn remark(&self, kind: &'static str, remark: &CliError) {
        if self.json {
            let text = String::from_utf8_lossy(&object_to_canonical(&remark.to_json(kind))).into_owned();
            self.complain(&json_lines(&text));
        } else {
            self.complain(&format!("{}\n", shown(&remark.line(kind))));
        }
    }
}

/// Text from somewhere else in one line, with control characters escaped.
pub(crate) fn shown(text: &str) -> impl fmt::Display + '_ {
    struct Shown<'a>(&'a str);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.chars().try_for_each(|character| {
                if is_hostile(character) {
                    write!(f, "{}", character.escape_unicode())
                } else {
                    f.write_char(character)
                }
            })
        }
    }
    Shown(text)
}

/// Whether a character could move the cursor, reorder, hide or fake what is seen.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text whose own lines stay lines.
fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write!(out, "{}", shown(line));
    }
    out
}

/// JSON text in which hostile characters are escaped in JSON's own way, so that it means the same; with a last line feed.
fn json_lines(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        if is_hostile(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Whoever closed the pipe has read enough; the exit code still tells.
fn forgive_closed_pipe(error: io::Error) -> Result<(), CliError> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(unwritable(error)) }
}

fn unwritable(error: io::Error) -> CliError {
    CliError::new(CliError::UNWRITABLE, format!("standard output cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(lines("a\x1b[2J\nb\u{202e}c\u{9b}\r"), "a\\u{1b}[2J\nb\\u{202e}c\\u{9b}\\u{d}");
        assert_eq!(shown("a\nb").to_string(), "a\\u{a}b");
        assert_eq!(shown("näïve 日本").to_string(), "näïve 日本");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let text = "{\"a\":\"\u{9b}\u{202e}\u{e0041}ü\"}";
        let escaped = json_lines(text);
        assert!(escaped.chars().all(|character| character == '\n' || !is_hostile(character)), "{escaped}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&escaped), value(text));
    }
}
