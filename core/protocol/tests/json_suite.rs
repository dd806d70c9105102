//! Nicolas Seriot's JSONTestSuite ("Parsing JSON is a Minefield") against the parser.
#![expect(
    clippy::unwrap_used,
    reason = "a test may panic; clippy exempts test functions only, not their helpers"
)]

mod common;

use imagxp::Code;
use imagxp::encoding::base64_decode;
use imagxp::json::{self, Limits, Object, ParseError, Value};
use proptest::prelude::*;

/// Documents that RFC 8259 admits and we refuse on purpose.
const STRICTER: [(&str, Code, &str); 2] = [
    (
        "y_object_duplicated_key.json",
        Code::JsonDuplicateKey,
        "RFC 7493 §2.3: names within an object are unique",
    ),
    (
        "y_object_duplicated_key_and_value.json",
        Code::JsonDuplicateKey,
        "RFC 7493 §2.3, even when the values agree",
    ),
];

/// Documents that the suite leaves to the implementation, and what we do with them.
const CHOSEN: [(Result<(), Code>, &[&str]); 6] = [
    // Underflow is no loss of range; other normalisation forms are other names; U+0000 is a character.
    (
        Ok(()),
        &[
            "i_number_double_huge_neg_exp",
            "i_number_real_underflow",
            "number_1.0",
            "number_1.000000000000000005",
            "number_1000000000000000",
            "number_1e-999",
            "number_1e6",
            "object_key_nfc_nfd",
            "object_key_nfd_nfc",
            "string_with_escaped_NULL",
        ],
    ),
    // No double holds it: RFC 7493 §2.2.
    (
        Err(Code::JsonNumberRange),
        &[
            "i_number_huge_exp",
            "i_number_neg_int_huge_exp",
            "i_number_pos_double_huge_exp",
            "i_number_real_neg_overflow",
            "i_number_real_pos_overflow",
            "i_number_too_big_neg_int",
            "i_number_too_big_pos_int",
            "i_number_very_big_negative_int",
            "number_-9223372036854775808",
            "number_-9223372036854775809",
            "number_10000000000000000999",
            "number_9223372036854775807",
            "number_9223372036854775808",
        ],
    ),
    // RFC 7493 §2.1.
    (
        Err(Code::JsonInvalidUnicode),
        &[
            "i_object_key_lone_2nd_surrogate",
            "i_string_1st_surrogate_but_2nd_missing",
            "i_string_1st_valid_surrogate_2nd_invalid",
            "i_string_UTF-16LE_with_BOM",
            "i_string_UTF-8_invalid_sequence",
            "i_string_UTF8_surrogate_U+D800",
            "i_string_incomplete_surrogate_and_escape_valid",
            "i_string_incomplete_surrogate_pair",
            "i_string_incomplete_surrogates_escape_valid",
            "i_string_invalid_lonely_surrogate",
            "i_string_invalid_surrogate",
            "i_string_invalid_utf-8",
            "i_string_inverted_surrogates_U+1D11E",
            "i_string_iso_latin_1",
            "i_string_lone_second_surrogate",
            "i_string_lone_utf8_continuation_byte",
            "i_string_not_in_unicode_range",
            "i_string_overlong_sequence_2_bytes",
            "i_string_overlong_sequence_6_bytes",
            "i_string_overlong_sequence_6_bytes_null",
            "i_string_truncated-utf-8",
            "i_string_utf16BE_no_BOM",
            "i_string_utf16LE_no_BOM",
            "string_1_escaped_invalid_codepoint",
            "string_1_invalid_codepoint",
            "string_2_escaped_invalid_codepoints",
            "string_2_invalid_codepoints",
            "string_3_escaped_invalid_codepoints",
            "string_3_invalid_codepoints",
        ],
    ),
    // More levels than any of our limits admits.
    (Err(Code::JsonTooDeep), &["i_structure_500_nested_arrays"]),
    // RFC 8259 §8.1 lets a parser ignore a byte order mark; a second spelling helps nobody.
    (Err(Code::JsonMalformed), &["i_structure_UTF-8_BOM_empty_object"]),
    // RFC 7493 §2.3.
    (
        Err(Code::JsonDuplicateKey),
        &["object_same_key_different_values", "object_same_key_same_value", "object_same_key_unclear_values"],
    ),
];

struct Case {
    suite: String,
    name: String,
    expect: String,
    bytes: Vec<u8>,
}

fn cases() -> Option<Vec<Case>> {
    let path = common::vectors("JSONTestSuite/jsontestsuite.json")?;
    let file = std::fs::read(path).unwrap();
    let limits = Limits { max_string: 1 << 24, ..Limits::INTERCHANGE };
    let document = json::parse_object(&file, &limits).unwrap();
    let text = |case: &Object<'_>, name| case.get(name).and_then(Value::as_str).unwrap().to_owned();
    let cases = document.get("cases").and_then(Value::as_array).unwrap().iter().map(|case| {
        let case = case.as_object().unwrap();
        Case {
            suite: text(case, "suite"),
            name: text(case, "name"),
            expect: text(case, "expect"),
            bytes: base64_decode(text(case, "b64").as_bytes()).unwrap(),
        }
    });
    Some(cases.collect())
}

fn outcome(bytes: &[u8]) -> Result<(), Code> {
    json::parse(bytes, &Limits::INTERCHANGE).map(drop).map_err(|error: ParseError| error.code())
}

#[test]
fn accepts_and_refuses() {
    let Some(cases) = cases() else { return };
    let (mut accepted, mut refused) = (0, 0);
    for case in cases {
        let stricter = STRICTER.iter().find(|(name, ..)| *name == case.name);
        match (case.expect.as_str(), stricter) {
            ("accept", None) => {
                assert_eq!(outcome(&case.bytes), Ok(()), "{}", case.name);
                accepted += 1;
            }
            ("accept", Some((name, code, reason))) => {
                assert_eq!(outcome(&case.bytes), Err(*code), "{name}: {reason}");
                accepted += 1;
            }
            ("reject", None) => {
                assert!(outcome(&case.bytes).is_err(), "{}", case.name);
                refused += 1;
            }
            ("implementation-defined" | "transform", None) => {}
            other => panic!("{}: {other:?}", case.name),
        }
    }
    assert_eq!((accepted, refused), (95, 188), "the suite has changed");
}

#[test]
fn free_choices_do_not_drift() {
    let Some(cases) = cases() else { return };
    let mut free = 0;
    for case in cases.iter().filter(|case| !matches!(case.expect.as_str(), "accept" | "reject")) {
        let (chosen, _) = CHOSEN
            .iter()
            .find(|(_, names)| names.contains(&case.name.trim_end_matches(".json")))
            .unwrap_or_else(|| panic!("{}/{}: {:?}", case.suite, case.name, outcome(&case.bytes)));
        assert_eq!(outcome(&case.bytes), *chosen, "{}", case.name);
        free += 1;
    }
    let listed: usize = CHOSEN.iter().map(|(_, names)| names.len()).sum();
    assert_eq!(free, listed, "the suite has changed");
}

/// What is accepted can be written canonically, and that is a fixed point with the same value.
#[test]
fn accepted_documents_survive_canonicalization() {
    let Some(cases) = cases() else { return };
    for case in cases {
        let Ok(value) = json::parse(&case.bytes, &Limits::INTERCHANGE) else { continue };
        let canonical = json::to_canonical(&value);
        let back = json::parse(&canonical, &Limits::INTERCHANGE).unwrap();
        assert_eq!(back, value, "{}", case.name);
        assert_eq!(json::to_canonical(&back), canonical, "{}", case.name);
    }
}

/// Truncating a document anywhere must not panic, nor be accepted when the whole is an object or array.
#[test]
fn truncations() {
    let Some(cases) = cases() else { return };
    for case in cases.iter().filter(|case| case.bytes.len() < 1024) {
        let container = matches!(case.bytes.first(), Some(b'{' | b'[')) && outcome(&case.bytes).is_ok();
        for end in 0..case.bytes.len() {
            let truncated = case.bytes.get(..end).unwrap();
            let accepted = outcome(truncated).is_ok();
            let rest_is_space = case.bytes.iter().skip(end).all(u8::is_ascii_whitespace);
            assert!(!accepted || !container || rest_is_space, "{} at {end}", case.name);
        }
    }
}

/// An independent parser as the yardstick: we accept nothing that it refuses, agree on what it means, and refuse
/// what it accepts only for a reason that goes beyond RFC 8259.
fn check_against_serde_json(bytes: &[u8]) -> Result<(), TestCaseError> {
    match (json::parse(bytes, &Limits::INTERCHANGE), serde_json::from_slice::<serde_json::Value>(bytes)) {
        (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{}", bytes.escape_ascii()),
        (Err(error), Ok(_)) => prop_assert!(
            matches!(error.code(), Code::JsonDuplicateKey | Code::JsonNumberRange | Code::JsonTooDeep),
            "{}: {error}",
            bytes.escape_ascii()
        ),
        (Ok(_), Err(error)) => prop_assert!(false, "{}: {error}", bytes.escape_ascii()),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Number(ours), serde_json::Value::Number(theirs)) => Some(ours.as_f64()) == theirs.as_f64(),
        (Value::String(ours), serde_json::Value::String(theirs)) => ours == theirs,
        (Value::Array(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), serde_json::Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| theirs.get(name).is_some_and(|theirs| same(ours, theirs)))
        }
        _ => false,
    }
}

#[test]
fn suite_agrees_with_serde_json() {
    let Some(cases) = cases() else { return };
    for case in cases {
        check_against_serde_json(&case.bytes).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

/// The tokens of JSON and what is nearly one, in any order.
const TOKENS: &str = r#"([\[{}\]:, "]|"a":|"b"|"\\u0061":|"[ab]{0,2}"|\\u[dD][89a-f][0-9a-f]{2}|\\[bfnrtx"\\/]|true|false|null|nul|-?[0-9]{1,17}(\.[0-9]{1,3})?([eE][-+]?[0-9]{1,3})?|[.eE+-]|é|\t|\n){0,16}"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_agree_with_serde_json(text in TOKENS) {
        check_against_serde_json(text.as_bytes())?;
    }

    #[test]
    fn mutations_agree_with_serde_json(at: prop::sample::Index, byte: u8, insert: bool) {
        let document = r#"{"a":[1,-2.5e+3,"\u00e9\ud83d\ude00\n",true,null],"b":{"c":"é😀","d":[]}}"#;
        let mut bytes = document.as_bytes().to_vec();
        let at = at.index(bytes.len());
        if insert {
            bytes.insert(at, byte);
        } else {
            bytes[at] = byte;
        }
        check_against_serde_json(&bytes)?;
    }
}
