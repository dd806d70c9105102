//! Reads the typed document from parsed JSON, and says where it is wrong.
//!
//! Not through `serde_json`: it reads the text a second time, takes the last of two equal members where our parser refuses
//! them, needs another crate to name the path of an error, and made the shared library 78 KB larger.

use super::document::Document;
use crate::json::{Number, Value};
use core::fmt;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt::Write;

/// The document in a value.
pub(super) fn document(value: &Value<'_>) -> Result<Document, Refusal> {
    Document::deserialize(Reader(value))
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
    /// ``line N: `path`: message``; `text` is what the value was parsed from. The path of the whole document is `.`.
    pub(super) fn sentence(&self, text: &[u8]) -> String {
        let places: Vec<usize> = self.0.steps.iter().rev().map(|(place, _)| *place).collect();
        format!("line {}: {self}", line_of(text, &places))
    }

    /// The same, seen from the array or object around it.
    #[cold]
    fn within(mut self, place: usize, name: Option<&str>) -> Self {
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

impl core::error::Error for Refusal {}

impl Error for Refusal {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Reason { message: message.to_string(), steps: Vec::new() }))
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

/// A value that is being read.
struct Reader<'de>(&'de Value<'de>);

impl Reader<'_> {
    /// The refusal of a value of the wrong type.
    #[cold]
    fn instead_of(&self, expected: &dyn serde::de::Expected) -> Refusal {
        let found = match self.0 {
            Value::Null => Unexpected::Other("null"),
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Unexpected::Signed(integer),
                None => Unexpected::Float(number.as_f64()),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Refusal::invalid_type(found, expected)
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => Err(self.instead_of(&visitor)),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match number.as_i64().map(u64::try_from) {
                Some(Ok(natural)) => visitor.visit_u64(natural),
                Some(Err(_)) => visitor.visit_i64(number.as_i64().unwrap_or_default()),
                None => visitor.visit_f64(Number::as_f64(number)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(elements) => visitor.visit_seq(Elements { all: elements, place: 0 }),
            Value::Object(_) => self.deserialize_struct("", &[], visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Objects only: derived types would take an array for their members in the order of declaration.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Object(object) => {
                let members = object.iter().collect::<Vec<_>>();
                visitor.visit_map(Members { all: &members, place: 0 })
            }
            _ => Err(self.instead_of(&visitor)),
        }
    }

    /// Strings only: no variant of ours has content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(enum_access(text)),
            _ => Err(self.instead_of(&"a string")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The name of a variant.
fn enum_access<'de>(name: &'de str) -> impl EnumAccess<'de, Error = Refusal> {
    IntoDeserializer::<Refusal>::into_deserializer(name)
}

/// The elements of an array.
struct Elements<'de> {
    all: &'de [Value<'de>],
    place: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(value) = self.all.get(self.place) else { return Ok(None) };
        self.place += 1;
        seed.deserialize(Reader(value)).map(Some).map_err(|refusal| refusal.within(self.place - 1, None))
    }
}

/// The members of an object.
struct Members<'o, 'de> {
    all: &'o [(&'de str, &'de Value<'de>)],
    place: usize,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some((name, _)) = self.all.get(self.place) else { return Ok(None) };
        seed.deserialize(name.into_deserializer())
            .map(Some)
            .map_err(|refusal: Refusal| refusal.within(self.place, Some(name)))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        let Some((name, value)) = self.all.get(self.place) else { return Err(Refusal::custom("no value")) };
        self.place += 1;
        seed.deserialize(Reader(value)).map_err(|refusal| refusal.within(self.place - 1, Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn refusals_name_the_path_and_the_line() {
        for (rest, sentence) in [
            ("\n}", "line 1: `.`: missing field `origins`"),
            (",\n\"a, \\\"{[\": 1}", "line 2: `a, \"{[`: unknown field `a, \"{[`, expected one of `version`"),
            (
                ",\"mode\": \n\"maybe\"}",
                "line 1: `mode`: unknown variant `maybe`, expected `enforce` or `observe`",
            ),
            (",\n\"mode\": {\"enforce\": null}}", "line 2: `mode`: invalid type: map, expected a string"),
            (
                ",\"clock\": {\n\"past_s\": 65536}}",
                "line 2: `clock.past_s`: invalid value: integer `65536`, expected u16",
            ),
            (
                ",\"clock\": {\"past_s\": -1}}",
                "line 1: `clock.past_s`: invalid value: integer `-1`, expected u16",
            ),
            (
                ",\"clock\": {\"past_s\": 1.0}}",
                "line 1: `clock.past_s`: invalid type: floating point `1.0`, expected u16",
            ),
            (",\"clock\": [1, 2]}", "line 1: `clock`: invalid type: sequence, expected struct Clock"),
            (
                ",\"purposes\": {\"SUMMARY\": {},\n \"READ\": {}}}",
                "line 2: `purposes.READ`: `READ` is not a purpose",
            ),
            (
                ",\"methods\": [\"}\\\\\",\n\"]\\\"\",\nnull]}",
                "line 3: `methods[2]`: invalid type: null, expected a string",
            ),
            (
                ",\"agents\": [],\n\"p\\u0061ths\": [{\"match\": \"[,\"},\n {\"match\": \"/\", \"purposes\":\n{\"QUOTATION\": {}, \"SUMMARY\":\n{ \"price\": null,\n\"allow\": 1}}}]}",
                "line 6: `paths[1].purposes.SUMMARY.allow`: invalid type: integer `1`, expected a boolean",
            ),
        ] {
            let error = Policy::from_json(format!("{{\"version\": 1{rest}").as_bytes()).unwrap_err();
            assert!(error.message().starts_with(sentence), "{}", error.message());
        }
        let error = Policy::from_json(b"\n []").unwrap_err();
        assert_eq!(error.message(), "line 2: `.`: invalid type: sequence, expected struct Document");
    }
}
