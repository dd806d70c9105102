//! The parser: one pass over the bytes, recursive only within [`Limits::DEPTH_CAP`].

use super::error::ParseError;
use super::limits::Limits;
use super::names::has_duplicate;
use super::number::{Number, QUICK_DECIMAL, decimal_value, integer_value};
use super::object::Object;
use super::value::Value;
use crate::code::Code;
use std::borrow::Cow;

pub(super) type Result<T> = core::result::Result<T, ParseError>;

/// Reads one strict I-JSON value of any type (RFC 8259, RFC 7493, PROTOCOL §2).
///
/// # Errors
///
/// `json.malformed` (syntax, byte order mark, trailing data), `json.invalid_unicode` (invalid UTF-8 anywhere, lone
/// surrogates), `json.duplicate_key` (after unescaping, at any depth), `json.too_deep`, `json.too_many` (members of
/// one object, values in all), `json.number_range` (integers beyond ±(2^53 − 1) that are
/// written without fraction or exponent; numbers too large for a double; number text too long), `header.too_large` (the
/// document or one string is too long).
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Value<'a>> {
    Parser::new(bytes, limits)?.document()
}

/// Reads one strict I-JSON object; as [`parse`], but any other type is `json.malformed`.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_object<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Object<'a>> {
    let parser = Parser::new(bytes, limits)?;
    let wrong = parser.malformed("expected an object");
    if parser.peek() != Some(b'{') {
        return Err(wrong);
    }
    match parser.document()? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong),
    }
}

/// For how many values a decimal counts that needs the slow conversion, see [`decimal_value`].
const LONG_DECIMAL_VALUES: usize = 8;

/// Members for which there is room from the beginning.
const USUAL_MEMBERS: usize = 12;

pub(super) struct Parser<'a, 'l> {
    pub(super) text: &'a str,
    pub(super) position: usize,
    pub(super) limits: &'l Limits,
    /// How many values have been begun.
    count: usize,
    /// What has been read of the containers that are still open: elements and the values of members, and their names.
    /// Collecting them here first lets each container be allocated once and in its exact size.
    values: Vec<Value<'a>>,
    names: Vec<Cow<'a, str>>,
    /// Scratch space for a string with escapes.
    pub(super) buffer: String,
    /// Scratch space of the search for duplicates.
    order: Vec<(u64, usize)>,
}

impl<'a, 'l> Parser<'a, 'l> {
    /// Checks what concerns the document as a whole and goes to the first byte of its value.
    fn new(bytes: &'a [u8], limits: &'l Limits) -> Result<Self> {
        if bytes.len() > limits.max_bytes {
            return Err(ParseError::new(Code::HeaderTooLarge, limits.max_bytes, "document too long"));
        }
        let text = core::str::from_utf8(bytes).map_err(|error| {
            ParseError::new(Code::JsonInvalidUnicode, error.valid_up_to(), "invalid UTF-8")
        })?;
        if text.starts_with('\u{FEFF}') {
            return Err(ParseError::new(Code::JsonMalformed, 0, "byte order mark"));
        }
        let mut parser = Self {
            text,
            position: 0,
            limits,
            count: 0,
            // As many as a claim has, so that nothing grows.
            values: Vec::with_capacity(USUAL_MEMBERS),
            names: Vec::with_capacity(USUAL_MEMBERS),
            buffer: String::new(),
            order: Vec::new(),
        };
        parser.skip_space();
        Ok(parser)
    }

    /// Reads the one value of the document.
    fn document(mut self) -> Result<Value<'a>> {
        self.value(0)?;
        self.skip_space();
        match self.values.pop() {
            Some(value) if self.peek().is_none() => Ok(value),
            _ => Err(self.malformed("data after the value")),
        }
    }

    /// Reads the value at the position, which lies within `depth` containers, onto the stack.
    fn value(&mut self, depth: usize) -> Result<()> {
        if self.count >= self.limits.max_values {
            return Err(self.error(Code::JsonTooMany, "too many values"));
        }
        self.count += 1;
        match self.peek() {
            Some(b'"') => {
                self.position += 1;
                let text = self.string()?;
                self.values.push(Value::String(text));
            }
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true", Value::Bool(true))?,
            Some(b'f') => self.literal("false", Value::Bool(false))?,
            Some(b'n') => self.literal("null", Value::Null)?,
            Some(_) => return Err(self.malformed("expected a value")),
            None => return Err(self.malformed("unexpected end")),
        }
        Ok(())
    }

    fn literal(&mut self, name: &str, value: Value<'a>) -> Result<()> {
        if !self.rest().starts_with(name.as_bytes()) {
            return Err(self.malformed("expected a value"));
        }
        self.position += name.len();
        self.values.push(value);
        Ok(())
    }

    fn open(&mut self, depth: usize) -> Result<usize> {
        if depth >= self.limits.max_depth.min(Limits::DEPTH_CAP) {
            return Err(self.error(Code::JsonTooDeep, "too many levels"));
        }
        self.position += 1;
        self.skip_space();
        Ok(depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<()> {
        let depth = self.open(depth)?;
        if self.take(b']') {
            self.values.push(Value::Array(Vec::new()));
            return Ok(());
        }
        let first = self.values.len();
        loop {
            self.value(depth)?;
            self.skip_space();
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return Err(self.malformed("expected `,` or `]`"));
            }
            self.skip_space();
        }
        let elements = self.values.split_off(first);
        self.values.push(Value::Array(elements));
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<()> {
        let start = self.position;
        let depth = self.open(depth)?;
        if self.take(b'}') {
            self.values.push(Value::Object(Object::new()));
            return Ok(());
        }
        let (first_name, first_value) = (self.names.len(), self.values.len());
        loop {
            if !self.take(b'"') {
                return Err(self.malformed("expected a member name"));
            }
            if self.names.len() - first_name >= self.limits.max_members {
                return Err(self.error(Code::JsonTooMany, "too many members"));
            }
            let name = self.string()?;
            self.names.push(name);
            self.skip_space();
            if !self.take(b':') {
                return Err(self.malformed("expected `:`"));
            }
            self.skip_space();
            self.value(depth)?;
            self.skip_space();
            if self.take(b'}') {
                break;
            }
            if !self.take(b',') {
                return Err(self.malformed("expected `,` or `}`"));
            }
            self.skip_space();
        }
        let names = self.names.get(first_name..).unwrap_or_default();
        if has_duplicate(names, &mut self.order) {
            return Err(ParseError::new(Code::JsonDuplicateKey, start, "object with a duplicate member"));
        }
        let members = self.names.drain(first_name..).zip(self.values.drain(first_value..)).collect();
        self.values.push(Value::Object(Object::from_members(members)));
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        let start = self.position;
        let _ = self.take(b'-');
        let integer = self.digits()?;
        if integer.len() > 1 && integer.starts_with('0') {
            return Err(ParseError::new(Code::JsonMalformed, start, "number with a leading zero"));
        }
        let mut plain = true;
        if self.take(b'.') {
            plain = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            plain = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        let range = |reason| ParseError::new(Code::JsonNumberRange, start, reason);
        if text.len() > self.limits.max_number {
            return Err(range("number too long"));
        }
        if !plain && text.len() > QUICK_DECIMAL {
            // Such a number costs as much as several ordinary values: it counts for as many.
            self.count += LONG_DECIMAL_VALUES - 1;
            if self.count > self.limits.max_values {
                return Err(ParseError::new(Code::JsonTooMany, start, "too many values"));
            }
        }
        let value = if plain { integer_value(text) } else { decimal_value(text) };
        self.values.push(Number::from_parts(text, value.map_err(range)?).into());
        Ok(())
    }

    /// Takes one digit or more.
    fn digits(&mut self) -> Result<&'a str> {
        let start = self.position;
        self.position += self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if self.position == start {
            return Err(self.malformed("expected a digit"));
        }
        Ok(self.text.get(start..self.position).unwrap_or_default())
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.position += 1;
        }
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    fn error(&self, code: Code, reason: &'static str) -> ParseError {
        ParseError::new(code, self.position, reason)
    }

    pub(super) fn malformed(&self, reason: &'static str) -> ParseError {
        self.error(Code::JsonMalformed, reason)
    }
}

#[cfg(test)]
mod tests;
