//! Strings of a document that is being parsed, and their escapes.

use super::error::ParseError;
use super::parse::{Parser, Result};
use super::scan::plain_run;
use crate::code::Code;
use crate::encoding::{NO_NIBBLE, nibble};
use std::borrow::Cow;

impl<'a> Parser<'a, '_> {
    /// Reads a string whose opening quote has been taken.
    // Inlined for good: it takes a third off the time for short strings.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.position;
        self.position += plain_run(self.rest());
        if self.position - start > self.limits.max_string {
            return Err(ParseError::new(Code::HeaderTooLarge, start, "string too long"));
        }
        let plain = self.text.get(start..self.position).unwrap_or_default();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        self.buffer.clear();
        self.buffer.push_str(plain);
        self.escaped_string(start)?;
        Ok(Cow::Owned(self.buffer.clone()))
    }

    /// Reads the rest of a string that began at `start` from its first escape on into the buffer.
    fn escaped_string(&mut self, start: usize) -> Result<()> {
        let too_long = ParseError::new(Code::HeaderTooLarge, start, "string too long");
        loop {
            self.code_points();
            if self.buffer.len() > self.limits.max_string {
                return Err(too_long);
            }
            match self.peek() {
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    self.buffer.push(escaped);
                }
                Some(b'"') => {
                    self.position += 1;
                    return Ok(());
                }
                Some(b' '..) => {
                    let run = plain_run(self.rest());
                    if run > self.limits.max_string {
                        return Err(too_long);
                    }
                    self.buffer
                        .push_str(self.text.get(self.position..self.position + run).unwrap_or_default());
                    self.position += run;
                }
                Some(_) => return Err(self.malformed("control character in a string")),
                None => return Err(self.malformed("unexpected end in a string")),
            }
        }
    }

    /// Takes all `\u` escapes that stand here and for a character by themselves: many follow each other where somebody writes only ASCII.
    #[inline(always)]
    fn code_points(&mut self) {
        let escapes = self.rest().as_chunks::<6>().0;
        let characters = escapes.iter().map_while(|escape| match *escape {
            [b'\\', b'u', ref digits @ ..] => char::from_u32(unit(*digits)?),
            _ => None,
        });
        let mut count = 0;
        for character in characters {
            self.buffer.push(character);
            count += 1;
        }
        self.position += count * "\\uXXXX".len();
    }

    /// Reads one escape, or the two of a surrogate pair; the position is at the backslash.
    fn escape(&mut self) -> Result<char> {
        let start = self.position;
        let lone = || ParseError::new(Code::JsonInvalidUnicode, start, "lone surrogate");
        self.position += 1;
        let byte = self.peek();
        self.position += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.code_unit(start)?;
                if !(0xD800..=0xDBFF).contains(&unit) {
                    return char::from_u32(unit).ok_or_else(lone);
                }
                if !self.rest().starts_with(b"\\u") {
                    return Err(lone());
                }
                self.position += 2;
                let low = self.code_unit(start)?;
                if !(0xDC00..=0xDFFF).contains(&low) {
                    return Err(lone());
                }
                return char::from_u32(0x1_0000 + ((unit - 0xD800) << 10 | (low - 0xDC00))).ok_or_else(lone);
            }
            _ => return Err(ParseError::new(Code::JsonMalformed, start, "unknown escape")),
        })
    }

    /// Reads the four digits of a `\u` escape that began at `start`.
    fn code_unit(&mut self, start: usize) -> Result<u32> {
        let unit = self.rest().first_chunk::<4>().and_then(|digits| unit(*digits));
        self.position += 4;
        unit.ok_or_else(|| ParseError::new(Code::JsonMalformed, start, "`\\u` without four hex digits"))
    }
}

/// The value of four hex digits.
#[inline(always)]
fn unit([a, b, c, d]: [u8; 4]) -> Option<u32> {
    let (a, b, c, d) = (nibble(a), nibble(b), nibble(c), nibble(d));
    let unit = u32::from(a) << 12 | u32::from(b) << 8 | u32::from(c) << 4 | u32::from(d);
    (a | b | c | d < NO_NIBBLE).then_some(unit)
}
