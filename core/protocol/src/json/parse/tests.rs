//! Tests of `parse.rs`.

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

/// Numbers whose nearest double is searched for count for as many values as they cost.
#[test]
fn long_decimals_count_for_several_values() {
    let quick = format!("1.{}", "5".repeat(QUICK_DECIMAL - 2));
    let long = format!("{quick}5");
    let most = |max_values: usize| Limits { max_values, max_number: 99, ..Limits::CLAIM };
    for short in ["1.5", quick.as_str(), &"1".repeat(12)] {
        assert_eq!(code_of(format!("[{short},{short}]").as_bytes(), &most(3)), None, "{short}");
        assert_eq!(
            code_of(format!("[{short},{short}]").as_bytes(), &most(2)),
            Some(Code::JsonTooMany),
            "{short}"
        );
    }
    for (max_values, code) in [
        (LONG_DECIMAL_VALUES, None),
        (LONG_DECIMAL_VALUES - 1, Some(Code::JsonTooMany)),
        (LONG_DECIMAL_VALUES - 2, Some(Code::JsonTooMany)),
        (1, Some(Code::JsonTooMany)),
    ] {
        assert_eq!(code_of(long.as_bytes(), &most(max_values)), code, "{max_values}");
    }
}

/// Wherever one or two of four hex digits are none.
#[test]
fn an_escape_has_four_hex_digits() {
    for first in 0..4 {
        for second in 0..4 {
            let mut digits = *b"00e9";
            digits[first] = b'g';
            digits[second] = b'G';
            let text = [b"\"\\u", digits.as_slice(), b"\""].concat();
            assert_eq!(code_of(&text, &Limits::CLAIM), Some(Code::JsonMalformed), "{}", text.escape_ascii());
        }
    }
    assert_eq!(code_of(b"\"\\u00e9\"", &Limits::CLAIM), None);
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
            for (first, second) in [(0, count - 1), (0, 1), (count - 2, count - 1), (count / 2, count - 1)] {
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
