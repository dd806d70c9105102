//! Dictionaries of structured fields (RFC 9651 §4.2.2), read for their tokens.

/// The most members of a dictionary (RFC 9651 §3.2 asks for at least this).
const MAX_MEMBERS: usize = 1024;

/// The most bytes of a dictionary.
const MAX_BYTES: usize = 16 * 1024;

/// The value of a member, as far as preferences need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare<'a> {
    /// A token.
    Token(&'a str),
    /// Anything else: a string, a number, a boolean, a list, ….
    Other,
}

/// Reads a dictionary: its members in order, repeated keys included (the last one counts). Parameters are checked and dropped.
///
/// `None` when the text is no dictionary; then nothing of it may be used.
pub(super) fn dictionary(text: &str) -> Option<Vec<(&str, Bare<'_>)>> {
    if !text.is_ascii() || text.len() > MAX_BYTES {
        return None;
    }
    let mut rest = Cursor(text.trim_matches(' '));
    let mut members = Vec::new();
    if rest.0.is_empty() {
        return Some(members);
    }
    loop {
        let key = rest.key()?;
        let value = if rest.take('=') {
            if rest.take('(') { rest.inner_list()? } else { rest.bare_item()? }
        } else {
            Bare::Other
        };
        rest.parameters()?;
        if members.len() == MAX_MEMBERS {
            return None;
        }
        members.push((key, value));
        rest.white_space();
        if rest.0.is_empty() {
            return Some(members);
        }
        rest.take(',').then_some(())?;
        rest.white_space();
        // A comma at the end is an error.
        (!rest.0.is_empty()).then_some(())?;
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn while_in(&mut self, admitted: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|b| !admitted(b)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn white_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn key(&mut self) -> Option<&'a str> {
        self.0.starts_with(|c: char| c.is_ascii_lowercase() || c == '*').then_some(())?;
        Some(self.while_in(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b)))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(';') {
            self.0 = self.0.trim_start_matches(' ');
            self.key()?;
            if self.take('=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Bare<'a>> {
        loop {
            self.0 = self.0.trim_start_matches(' ');
            if self.take(')') {
                return Some(Bare::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            self.0.starts_with([' ', ')']).then_some(())?;
        }
    }

    fn bare_item(&mut self) -> Option<Bare<'a>> {
        match self.0.bytes().next()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => {
                self.take('"');
                self.string(false)
            }
            b'%' => {
                self.0 = self.0.strip_prefix("%\"")?;
                self.string(true)
            }
            b':' => {
                self.take(':');
                self.while_in(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
                self.take(':').then_some(Bare::Other)
            }
            b'?' => {
                self.take('?');
                (self.take('0') || self.take('1')).then_some(Bare::Other)
            }
            b'@' => {
                self.take('@');
                (!self.0.is_empty()).then_some(())?;
                let integer = self.0.bytes().take_while(|b| *b != b'.' && *b != b',').count() <= 17;
                self.number().filter(|_| integer)
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => Some(Bare::Token(
                self.while_in(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b)),
            )),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Bare<'a>> {
        self.take('-');
        let whole = self.while_in(|b| b.is_ascii_digit());
        (!whole.is_empty()).then_some(())?;
        if self.take('.') {
            let fraction = self.while_in(|b| b.is_ascii_digit());
            (whole.len() <= 12 && (1..=3).contains(&fraction.len())).then_some(Bare::Other)
        } else {
            (whole.len() <= 15).then_some(Bare::Other)
        }
    }

    fn string(&mut self, display: bool) -> Option<Bare<'a>> {
        loop {
            self.while_in(|b| {
                (b' '..=b'~').contains(&b) && b != b'"' && b != if display { b'%' } else { b'\\' }
            });
            if self.take('"') {
                return Some(Bare::Other);
            }
            if display {
                self.take('%').then_some(())?;
                let hex = self.while_in(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                // Two digits belong to the escape; what follows them may look like more.
                (hex.len() >= 2).then_some(())?;
            } else {
                self.take('\\').then_some(())?;
                (self.take('\\') || self.take('"')).then_some(())?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rfc_9651_admits() {
        for (text, expected) in [
            ("train-ai=n", vec![("train-ai", Bare::Token("n"))]),
            ("  a=y , \t b=n ", vec![("a", Bare::Token("y")), ("b", Bare::Token("n"))]),
            ("a", vec![("a", Bare::Other)]),
            ("a;x=1;y, b=?0", vec![("a", Bare::Other), ("b", Bare::Other)]),
            ("a=y;p=\"q,\\\"\";z", vec![("a", Bare::Token("y"))]),
            ("a=(1 2.5 \"x\";q y);z=1", vec![("a", Bare::Other)]),
            ("a=-1.125,b=:aGk=:,c=@1659578233,d=%\"f%c3%bc\"", {
                vec![("a", Bare::Other), ("b", Bare::Other), ("c", Bare::Other), ("d", Bare::Other)]
            }),
            ("a=y, a=n", vec![("a", Bare::Token("y")), ("a", Bare::Token("n"))]),
            ("*a.b_c-1=Y/x:z", vec![("*a.b_c-1", Bare::Token("Y/x:z"))]),
            ("", vec![]),
        ] {
            assert_eq!(dictionary(text).as_ref(), Some(&expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_rfc_9651_refuses() {
        for text in [
            "A=y",
            "a=y,",
            ",a=y",
            "a=y b=n",
            "a=y;B",
            "a=",
            "a=\"x",
            "a=\"\\x\"",
            "a=(1",
            "a=(1,2)",
            "a=1.",
            "a=1.2345",
            "a=1234567890123456",
            "a=?2",
            "a=é",
            "a=@",
            "a=@1.5",
            "a=:a",
            "a=%\"%4\"",
            "a==y",
            "1=y",
            "a=y\n",
            "/ a=y",
        ] {
            assert_eq!(dictionary(text), None, "{text}");
        }
    }
}
