//! The JSON Canonicalization Scheme, RFC 8785.

use super::error::ParseError;
use super::limits::Limits;
use super::number::Number;
use super::object::{Member, Object};
use super::parse::parse;
use super::scan::{is_plain, plain_run};
use super::value::Value;
use crate::encoding::hex_digit;
use core::cmp::Ordering;

/// The RFC 8785 form of a value: what a signature of it covers (PROTOCOL §3).
pub fn to_canonical(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    out
}

/// The RFC 8785 form of an object.
pub fn object_to_canonical(object: &Object<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_object(object, &mut out);
    out
}

/// Reads a document and writes it in its RFC 8785 form.
///
/// # Errors
///
/// As [`parse`].
pub fn canonicalize(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ParseError> {
    let value = parse(bytes, limits)?;
    let mut out = Vec::with_capacity(bytes.len());
    write_canonical(&value, &mut out);
    Ok(out)
}

/// Appends the RFC 8785 form of a value to `out`.
pub fn write_canonical(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(element, out);
            }
            out.push(b']');
        }
        Value::Object(object) => write_object(object, out),
    }
}

/// Appends the RFC 8785 form of an object to `out`.
pub(crate) fn write_object(object: &Object<'_>, out: &mut Vec<u8>) {
    let members = object.members();
    out.push(b'{');
    // Our own claims arrive canonical; they need no second list.
    if members.is_sorted_by(|(left, _), (right, _)| utf16_order(left, right).is_lt()) {
        write_members(members.iter(), out);
    } else {
        write_members(object.sorted().into_iter(), out);
    }
    out.push(b'}');
}

fn write_members<'m, 'a: 'm>(members: impl Iterator<Item = &'m Member<'a>>, out: &mut Vec<u8>) {
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_canonical(value, out);
    }
}

/// The order of UTF-16 code units (RFC 8785 §3.2.3), taken from the UTF-8.
///
/// It differs from the order of UTF-8 in one place: surrogates (D800 to DFFF) stand for what UTF-8 leads in with F0
/// to F4, and they sort before E000 to FFFF, which UTF-8 leads in with EE and EF.
#[inline(never)]
pub(super) fn utf16_order(left: &str, right: &str) -> Ordering {
    const fn rank(byte: u8) -> u8 {
        match byte {
            0xEE | 0xEF => byte + 0x10,
            _ => byte,
        }
    }
    match left.bytes().zip(right.bytes()).find(|(left, right)| left != right) {
        Some((left, right)) => rank(left).cmp(&rank(right)),
        None => left.len().cmp(&right.len()),
    }
}

fn write_number(number: &Number<'_>, out: &mut Vec<u8>) {
    if number.is_canonical_integer() {
        out.extend_from_slice(number.text().as_bytes());
    } else {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(number.as_f64()).as_bytes());
    }
}

/// Writes a string with the fewest escapes (RFC 8785 §3.2.2.2).
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if is_plain(byte) {
            let (plain, tail) = rest.split_at(plain_run(rest));
            out.extend_from_slice(plain);
            rest = tail;
            continue;
        }
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(hex_digit(byte >> 4) as u8);
                out.push(hex_digit(byte & 15) as u8);
            }
        }
        rest = tail;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(canonicalize(text.as_bytes(), &Limits::INTERCHANGE).unwrap()).unwrap()
    }

    #[test]
    fn order_is_that_of_utf16() {
        // RFC 8785 §3.2.3, and both sides of the place where UTF-8 sorts otherwise.
        let names = [
            "",
            "\r",
            "1",
            "a",
            "aa",
            "b",
            "\u{80}",
            "ö",
            "€",
            "\u{D7FF}",
            "😀",
            "\u{10FFFF}",
            "\u{E000}",
            "\u{FB33}",
            "\u{FFFF}",
        ];
        for (left_index, left) in names.iter().enumerate() {
            for (right_index, right) in names.iter().enumerate() {
                assert_eq!(utf16_order(left, right), left_index.cmp(&right_index), "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn strings_and_numbers() {
        for (text, expected) in [
            (
                r#""\u0000\u0008\u0009\u000a\u000b\u000C\u000D\u001F\u007f""#,
                "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\"",
            ),
            (r#""\/\\\"\u20aC""#, r#""/\\\"€""#),
            ("-0", "0"),
            ("-0.0", "0"),
            ("[0, -1, 9007199254740991]", "[0,-1,9007199254740991]"),
            ("[1.0, 4.50, 2e-3, 1E30, 1e-7]", "[1,4.5,0.002,1e+30,1e-7]"),
            (r#"{"b":{"z":null,"y":[]},"a":{}}"#, r#"{"a":{},"b":{"y":[],"z":null}}"#),
            ("[true , false]", "[true,false]"),
        ] {
            assert_eq!(canonical(text), expected);
        }
    }

    #[test]
    fn appends() {
        let mut out = b"x".to_vec();
        write_canonical(&Value::from(1), &mut out);
        assert_eq!(out, b"x1");
        let mut object = Object::new();
        object.insert("b", 2);
        object.insert("a", Value::Null);
        assert_eq!(object_to_canonical(&object), to_canonical(&object.into()));
    }

    /// Values of every kind that the parser admits, with names from a small set so that objects collide and sort.
    fn values() -> impl Strategy<Value = Value<'static>> {
        let text =
            prop_oneof!["[ab\u{7f}\u{e9}\u{e000}\u{ffff}\u{10000}\"\\\\/\n\u{1}]{0,12}", any::<String>()];
        let double = prop::num::f64::ANY.prop_map(|value| {
            let readable = value.abs() < 9_007_199_254_740_992.0 || value.abs() >= 1e21;
            Number::from_f64(value).filter(|_| readable).map_or(Value::Null, Value::from)
        });
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            double,
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 96, 24, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..24).prop_map(|members| {
                    let mut object = Object::new();
                    for (name, value) in members {
                        object.insert(name, value);
                    }
                    Value::from(object)
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn order_like_the_definition(left: String, right: String) {
            prop_assert_eq!(utf16_order(&left, &right), left.encode_utf16().cmp(right.encode_utf16()));
        }

        #[test]
        fn reads_back_equal_and_is_a_fixed_point(value in values()) {
            let bytes = to_canonical(&value);
            let back = parse(&bytes, &Limits::INTERCHANGE).unwrap();
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(to_canonical(&back), bytes);
        }

        /// Whatever is accepted can be written canonically and read again, but for doubles that RFC 8785 writes as integers beyond
        /// 2^53: those are refused as integers.
        #[test]
        fn what_is_read_can_be_written(text in "([]\\[{}:,\"\\\\ 0-9a-eE.+-]|true|null|\"a\":|\\\\u[0-9a-f]{4}){0,24}|-?[0-9]{1,18}(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?") {
            if let Ok(bytes) = canonicalize(text.as_bytes(), &Limits::CLAIM) {
                match canonicalize(&bytes, &Limits::CLAIM) {
                    Ok(again) => prop_assert_eq!(again, bytes),
                    Err(error) => {
                        prop_assert_eq!(error.code(), Code::JsonNumberRange);
                        prop_assert!(text.contains(['.', 'e', 'E']));
                    }
                }
            }
        }
    }
}
