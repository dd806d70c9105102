//! The parser: one pass over the bytes, recursive only within [`Limits::DEPTH_CAP`].

use super::error::ParseError;
use super::limits::Limits;
use super::names::has_duplicate;
use super::number::{Number, QUICK_DECIMAL, decimal_value, integer_value};
use super::object::Object;
use super::scan::plain_run;
use super::value::Value;
use crate::code::Code;
use crate::encoding::{NO_NIBBLE, nibble};
use std::borrow::Cow;

type Result<T> = core::result::Result<T, ParseError>;

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

struct Parser<'a, 'l> {
    text: &'a str,
    position: usize,
    limits: &'l Limits,
    /// How many values have been begun.
    count: usize,
    /// What has been read of the containers that are still open: elements and the values of members, and their names.
    /// Collecting them here first lets each container be allocated once and in its exact size.
    values: Vec<Value<'a>>,
    names: Vec<Cow<'a, str>>,
    /// Scratch space for a string with escapes.
    buffer: String,
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

    /// Reads a string whose opening quote has been taken.
    // Inlined for good: it takes a third off the time for short strings.
    #[inline(always)]
    fn string(&mut self) -> Result<Cow<'a, str>> {
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
            match self.peek() {
                Some(b'\\') => {
                    let escaped = match self.code_point() {
                        Some(escaped) => escaped,
                        None => self.escape()?,
                    };
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
            if self.buffer.len() > self.limits.max_string {
                return Err(too_long);
            }
        }
    }

    /// Takes a `\u` escape that stands for a character by itself; `None`, and nothing taken, for all else.
    #[inline(always)]
    fn code_point(&mut self) -> Option<char> {
        let [b'\\', b'u', a, b, c, d, ..] = self.rest() else { return None };
        let character = char::from_u32(unit([*a, *b, *c, *d])?)?;
        self.position += 6;
        Some(character)
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

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
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

    fn malformed(&self, reason: &'static str) -> ParseError {
        self.error(Code::JsonMalformed, reason)
    }
}

/// The value of four hex digits.
#[inline(always)]
fn unit([a, b, c, d]: [u8; 4]) -> Option<u32> {
    let (a, b, c, d) = (nibble(a), nibble(b), nibble(c), nibble(d));
    let unit = u32::from(a) << 12 | u32::from(b) << 8 | u32::from(c) << 4 | u32::from(d);
    (a | b | c | d < NO_NIBBLE).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code_of(bytes: &[u8], limits: &Limits) -> Option<Code> {
        parse(bytes, limits).err().map(|error| error.code())
    }

    #[test]
    fn values() {
        let value = parse(br#" {"a":[1,-2.5e1,"x",true,false,null,{}],"b":""} "#, &Limits::CLAIM).unwrap();
        let object = value.as_object().unwrap();
        let elements = object.get("a").and_then(Value::as_array).unwrap();
        assert_eq!(
            elements.iter().map(Value::type_name).collect::<Vec<_>>(),
            ["number", "number", "string", "boolean", "boolean", "null", "object"]
        );
        assert_eq!(elements[1].as_number().map(Number::as_f64), Some(-25.0));
        assert_eq!(elements[1].as_number().map(Number::text), Some("-2.5e1"));
        assert_eq!(object.iter().map(|(name, _)| name).collect::<String>(), "ab");
    }

    #[test]
    fn strings_borrow_unless_escaped() {
        let value = parse("[\"plain €\",\"esc\\n\"]".as_bytes(), &Limits::CLAIM).unwrap();
        let borrowed: Vec<_> = value
            .as_array()
            .unwrap()
            .iter()
            .map(|element| matches!(element, Value::String(Cow::Borrowed(_))))
            .collect();
        assert_eq!(borrowed, [true, false]);
    }

    #[test]
    fn escapes() {
        for (text, expected) in [
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u0041\u00e9\u20AC\uD83D\ude00""#, "Aé€😀"),
            (r#""\ud800\udc00\udbff\udfff""#, "\u{10000}\u{10FFFF}"),
            (r#""\uFFFF\ud7ff\ue000\u0000""#, "\u{FFFF}\u{D7FF}\u{E000}\0"),
        ] {
            assert_eq!(parse(text.as_bytes(), &Limits::CLAIM).unwrap().as_str(), Some(expected));
        }
    }

    #[test]
    fn refusals() {
        use Code::*;
        for (text, code) in [
            ("", JsonMalformed),
            (" ", JsonMalformed),
            ("{", JsonMalformed),
            ("{}{}", JsonMalformed),
            ("{},", JsonMalformed),
            ("[1,]", JsonMalformed),
            ("[1 2]", JsonMalformed),
            ("{\"a\":1,}", JsonMalformed),
            ("{\"a\" 1}", JsonMalformed),
            ("{\"a\":}", JsonMalformed),
            ("{a:1}", JsonMalformed),
            ("{'a':1}", JsonMalformed),
            ("nul", JsonMalformed),
            ("nulll", JsonMalformed),
            ("NaN", JsonMalformed),
            ("Infinity", JsonMalformed),
            ("True", JsonMalformed),
            ("// x\n1", JsonMalformed),
            ("\u{FEFF}{}", JsonMalformed),
            ("{}\u{FEFF}", JsonMalformed),
            ("\u{a0}{}", JsonMalformed),
            ("\u{b}1", JsonMalformed),
            ("\0", JsonMalformed),
            ("{}\0", JsonMalformed),
            ("01", JsonMalformed),
            ("-01", JsonMalformed),
            ("-", JsonMalformed),
            ("+1", JsonMalformed),
            (".5", JsonMalformed),
            ("5.", JsonMalformed),
            ("5.e1", JsonMalformed),
            ("1e", JsonMalformed),
            ("1e+", JsonMalformed),
            ("1e5.5", JsonMalformed),
            ("0x1", JsonMalformed),
            ("1_000", JsonMalformed),
            ("--1", JsonMalformed),
            ("\"", JsonMalformed),
            ("\"\\\"", JsonMalformed),
            ("\"\\", JsonMalformed),
            ("\"\n\"", JsonMalformed),
            ("\"\t\"", JsonMalformed),
            ("\"\\a\"", JsonMalformed),
            ("\"\\x41\"", JsonMalformed),
            ("\"\\U0041\"", JsonMalformed),
            ("\"\\u004\"", JsonMalformed),
            ("\"\\u00g0\"", JsonMalformed),
            ("\"\\u+041\"", JsonMalformed),
            ("\"\\u", JsonMalformed),
            ("\"\\ud800\\u\"", JsonMalformed),
            ("\"\\ud800\"", JsonInvalidUnicode),
            ("\"\\udc00\"", JsonInvalidUnicode),
            ("\"\\udfff\\ud800\"", JsonInvalidUnicode),
            ("\"\\ud800x\"", JsonInvalidUnicode),
            ("\"\\ud800\\n\"", JsonInvalidUnicode),
            ("\"\\ud800\\ud800\"", JsonInvalidUnicode),
            ("\"\\ud800\\u0041\"", JsonInvalidUnicode),
            ("\"\\uDBFF\\uE000\"", JsonInvalidUnicode),
            ("{\"\\ud800\":1}", JsonInvalidUnicode),
            ("9007199254740992", JsonNumberRange),
            ("-9007199254740992", JsonNumberRange),
            ("9007199254740993", JsonNumberRange),
            ("99999999999999999", JsonNumberRange),
            ("10000000000000000000", JsonNumberRange),
            ("18446744073709551617", JsonNumberRange),
            ("1e309", JsonNumberRange),
            ("-1e309", JsonNumberRange),
            ("1.7976931348623159e308", JsonNumberRange),
            ("1e99999999999999999999", JsonNumberRange),
            ("0.0000000000000000000000000000001", JsonNumberRange),
            ("{\"a\":1,\"a\":1}", JsonDuplicateKey),
            ("{\"a\":1,\"b\":2,\"\\u0061\":3}", JsonDuplicateKey),
            ("{\"\":1,\"\":1}", JsonDuplicateKey),
            ("[[{\"x\":{\"a\":1,\"a\":1}}]]", JsonDuplicateKey),
            ("{\"é\":1,\"\\u00e9\":2}", JsonDuplicateKey),
            ("{\"\\ud83d\\ude00\":1,\"😀\":2}", JsonDuplicateKey),
        ] {
            assert_eq!(code_of(text.as_bytes(), &Limits::CLAIM), Some(code), "{text}");
        }
        // Normalisation forms are different names.
        assert_eq!(code_of("{\"\u{e9}\":1,\"e\u{301}\":2}".as_bytes(), &Limits::CLAIM), None);
    }

    #[test]
    fn numbers_at_the_edge() {
        for text in [
            "0",
            "-0",
            "9007199254740991",
            "-9007199254740991",
            "1e21",
            "1E30",
            "1.7976931348623157e308",
            "5e-324",
            "1e-400",
            "9007199254740990.5",
            "0.000000000000000000000000000001",
            "0e0",
            "0E+1",
            "-0.0e-0",
        ] {
            assert_eq!(code_of(text.as_bytes(), &Limits::CLAIM), None, "{text}");
        }
        let value = parse(b"-0", &Limits::CLAIM).unwrap();
        assert!(value.as_number().unwrap().as_f64().is_sign_negative());
    }

    #[test]
    fn invalid_utf8_comes_first() {
        for bytes in [
            &b"\"\xff\""[..],
            b"\xff",
            b"{]\xc0\xaf",
            b"\"\xed\xa0\x80\"",
            b"\xef\xbb",
            b"\"\xf4\x90\x80\x80\"",
            b"\xfe\xff\0{\0}",
        ] {
            assert_eq!(
                code_of(bytes, &Limits::CLAIM),
                Some(Code::JsonInvalidUnicode),
                "{}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(parse(b"[1,\"\xff\"]", &Limits::CLAIM).unwrap_err().offset(), 4);
    }

    #[test]
    fn top_level_of_parse_object() {
        for text in ["[]", "1", "null", "\"{}\"", "", " ", "{} {}", "[{}]"] {
            let refused = parse_object(text.as_bytes(), &Limits::CLAIM).unwrap_err();
            assert_eq!(refused.code(), Code::JsonMalformed, "{text}");
        }
        assert_eq!(parse_object(b" {\"a\":1}\n", &Limits::CLAIM).unwrap().len(), 1);
    }

    #[test]
    fn depth() {
        let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for max_depth in [0, 1, 8, 64, usize::MAX] {
                let limits = Limits { max_depth, ..Limits::INTERCHANGE };
                let deepest = max_depth.min(64);
                assert_eq!(code_of(nested(open, close, deepest).as_bytes(), &limits), None);
                for depth in [deepest + 1, 100_000] {
                    let refused = code_of(nested(open, close, depth).as_bytes(), &limits);
                    assert_eq!(refused, Some(Code::JsonTooDeep));
                }
            }
        }
        assert_eq!(code_of(b"{}", &Limits { max_depth: 0, ..Limits::CLAIM }), Some(Code::JsonTooDeep));
    }

    #[test]
    fn counts() {
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|index| format!("\"{index}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(code_of(members(64).as_bytes(), &Limits::CLAIM), None);
        assert_eq!(code_of(members(65).as_bytes(), &Limits::CLAIM), Some(Code::JsonTooMany));
        // The limit is one per object, not one for all that are open.
        let two = format!("[{},{{\"a\":{}}}]", members(64), members(64));
        assert_eq!(code_of(two.as_bytes(), &Limits::CLAIM), None);
        // A decimal of more than 20 bytes counts for eight.
        let long = |count: usize| format!("[{}0]", "0.3000000000000000000001,".repeat(count));
        assert_eq!(code_of(long(31).as_bytes(), &Limits::CLAIM), None);
        assert_eq!(code_of(long(32).as_bytes(), &Limits::CLAIM), Some(Code::JsonTooMany));
        let array = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(code_of(array(255).as_bytes(), &Limits::CLAIM), None);
        assert_eq!(code_of(array(256).as_bytes(), &Limits::CLAIM), Some(Code::JsonTooMany));
    }

    #[test]
    fn lengths() {
        let limits = Limits { max_string: 8, max_number: 4, max_bytes: 64, ..Limits::CLAIM };
        for (text, code) in [
            ("\"12345678\"", None),
            ("\"123456789\"", Some(Code::HeaderTooLarge)),
            ("\"\\u0031\\u0032345678\"", None),
            ("\"1234567\\n\"", None),
            ("\"12345678\\n\"", Some(Code::HeaderTooLarge)),
            ("\"\\n12345678\"", Some(Code::HeaderTooLarge)),
            ("\"éééé\"", None),
            ("\"ééééé\"", Some(Code::HeaderTooLarge)),
            ("{\"123456789\":1}", Some(Code::HeaderTooLarge)),
            ("1234", None),
            ("12345", Some(Code::JsonNumberRange)),
            ("1.25", None),
            ("-1.25", Some(Code::JsonNumberRange)),
        ] {
            assert_eq!(code_of(text.as_bytes(), &limits), code, "{text}");
        }
        assert_eq!(code_of(&[b' '; 65], &limits), Some(Code::HeaderTooLarge));
        assert_eq!(code_of(&[b' '; 64], &limits), Some(Code::JsonMalformed));
        // The document's length comes before its encoding.
        assert_eq!(code_of(&[0xFF; 65], &limits), Some(Code::HeaderTooLarge));
    }

    /// One duplicate at every distance, in objects small and large, among names made to share their fingerprint.
    #[test]
    fn duplicates_at_every_place() {
        let names: [fn(usize) -> String; 4] = [
            |index| index.to_string(),
            |index| format!("a-common-beginning-{index:04}-a-common-end"),
            |index| format!("\\u0061{index:08}"),
            |index| "a".repeat(index),
        ];
        for name in names {
            for count in [2, 3, 8, 9, 10, 33, 64] {
                for (first, second) in
                    [(0, count - 1), (0, 1), (count - 2, count - 1), (count / 2, count - 1)]
                {
                    let document = |duplicate: bool| {
                        let members: Vec<_> = (0..count)
                            .map(|index| name(if duplicate && index == second { first } else { index }))
                            .map(|name| format!("\"{name}\":{{}}"))
                            .collect();
                        format!("{{{}}}", members.join(","))
                    };
                    assert_eq!(code_of(document(false).as_bytes(), &Limits::CLAIM), None);
                    let refused = code_of(document(true).as_bytes(), &Limits::CLAIM);
                    assert_eq!(refused, (first != second).then_some(Code::JsonDuplicateKey));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes, &Limits::INTERCHANGE);
        }

        #[test]
        fn never_panics_on_what_looks_like_json(text in "([]\\[{}:,\"\\\\ 0-9eE.+-]|true|\"a\":|\\\\u[dD][89a-fA-F][0-9]{2}){0,40}") {
            let _ = parse(text.as_bytes(), &Limits::CLAIM);
        }

        /// The error points into the document or at its end.
        #[test]
        fn offsets(text in "[]\\[{}:,\"\\\\u 0-9a-f]{0,20}") {
            if let Err(error) = parse(text.as_bytes(), &Limits::CLAIM) {
                prop_assert!(error.offset() <= text.len(), "{}", error);
            }
        }

        #[test]
        fn strings_read_back(text: String) {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let quoted = format!("\"{escaped}\"");
            let value = parse(quoted.as_bytes(), &Limits::CLAIM).unwrap();
            prop_assert_eq!(value.as_str(), Some(&*text));
        }
    }
}
