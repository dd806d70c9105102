//! JSON values.

use super::number::Number;
use super::object::Object;
use std::borrow::Cow;

/// A JSON value. Strings and numbers borrow from the parsed document where they contain no escapes.
///
/// Values that [`parse`](super::parse()) returns are at most [`Limits::DEPTH_CAP`](super::Limits::DEPTH_CAP) deep. One
/// who builds values by hand must keep to that too: comparing, writing and dropping them recurses.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A finite number.
    Number(Number<'a>),
    /// A string of Unicode scalar values.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object without duplicate members.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `true` or `false`.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_number(&self) -> Option<&Number<'a>> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The object.
    pub const fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The JSON name of the type: `null`, `boolean`, `number`, `string`, `array` or `object`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Makes the value independent of the document it was read from.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number.into_owned()),
            Self::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Self::Array(elements) => Value::Array(elements.into_iter().map(Value::into_owned).collect()),
            Self::Object(object) => Value::Object(object.into_owned()),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl<'a> From<Number<'a>> for Value<'a> {
    fn from(number: Number<'a>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(elements: Vec<Value<'a>>) -> Self {
        Self::Array(elements)
    }
}

impl<'a> From<Object<'a>> for Value<'a> {
    fn from(object: Object<'a>) -> Self {
        Self::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessors_and_names() {
        let values: [(Value<'_>, &str); 6] = [
            (Value::Null, "null"),
            (true.into(), "boolean"),
            (7.into(), "number"),
            ("x".into(), "string"),
            (vec![Value::Null].into(), "array"),
            (Object::new().into(), "object"),
        ];
        for (value, name) in values {
            assert_eq!(value.type_name(), name);
            assert_eq!(value.as_bool().is_some(), name == "boolean");
            assert_eq!(value.as_number().is_some(), name == "number");
            assert_eq!(value.as_str().is_some(), name == "string");
            assert_eq!(value.as_array().is_some(), name == "array");
            assert_eq!(value.as_object().is_some(), name == "object");
            assert_eq!(value.clone().into_owned(), value);
        }
        assert_eq!(Value::from(String::from("x")), Value::from(Cow::Borrowed("x")));
        assert_eq!(Value::from(3_u32), Value::from(Number::from(3_i32)));
    }

    /// One more word would make every array and object a quarter larger.
    #[test]
    fn size() {
        assert!(size_of::<Value<'_>>() <= 4 * size_of::<usize>());
    }
}
