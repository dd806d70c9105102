//! Objects that are in RFC 8785 form already, read without building anything: what our own agents send.

use super::limits::Limits;
use super::scan::plain_run;

/// The value of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shallow<'a> {
    /// A string without escapes.
    Text(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// An object, as it is written.
    Object(&'a str),
    /// Anything else.
    Other,
}

/// Calls `each` for each member, with where its value begins in the text.
///
/// `None` when the text is not certainly what [`parse_object`](super::parse_object) accepts under these limits *and* its own canonical form:
/// then nothing is known, and the parser has to say. Only ASCII without escapes, and integers, are certain.
pub(crate) fn canonical_members<'a>(
    text: &'a str,
    limits: &Limits,
    mut each: impl FnMut(&'a str, usize, Shallow<'a>),
) -> Option<()> {
    if text.len() > limits.max_bytes || !text.is_ascii() {
        return None;
    }
    let mut scan = Scan { text, at: 0, limits, count: 1 };
    scan.object(1, &mut each)?;
    (scan.at == text.len()).then_some(())
}

/// Digits of which every integer is safe (RFC 7493 §2.2).
const SURE_DIGITS: usize = 15;

struct Scan<'a, 'l> {
    text: &'a str,
    at: usize,
    limits: &'l Limits,
    /// How many values have been begun.
    count: usize,
}

impl<'a> Scan<'a, '_> {
    /// An object that lies within `depth` containers, itself included.
    fn object(&mut self, depth: usize, each: &mut dyn FnMut(&'a str, usize, Shallow<'a>)) -> Option<()> {
        self.open(b'{', depth)?;
        if self.take(b'}') {
            return Some(());
        }
        let (mut before, mut members) = ("", 0);
        loop {
            let name = self.string()?;
            // In ASCII, RFC 8785's order is that of the bytes; what rises strictly has no name twice.
            if (members > 0 && name <= before) || members == self.limits.max_members || !self.take(b':') {
                return None;
            }
            (before, members) = (name, members + 1);
            let start = self.at;
            let value = self.value(depth)?;
            each(name, start, value);
            if self.take(b'}') {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.open(b'[', depth)?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if self.take(b']') {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn open(&mut self, bracket: u8, depth: usize) -> Option<()> {
        (depth <= self.limits.max_depth.min(Limits::DEPTH_CAP) && self.take(bracket)).then_some(())
    }

    /// A value within `depth` containers.
    fn value(&mut self, depth: usize) -> Option<Shallow<'a>> {
        self.count += 1;
        if self.count > self.limits.max_values {
            return None;
        }
        let start = self.at;
        match self.text.as_bytes().get(start)? {
            b'"' => self.string().map(Shallow::Text),
            b'{' => {
                self.object(depth + 1, &mut |_, _, _| {})?;
                Some(Shallow::Object(self.text.get(start..self.at)?))
            }
            b'[' => self.array(depth + 1).map(|()| Shallow::Other),
            b't' => self.word("true", Shallow::Bool(true)),
            b'f' => self.word("false", Shallow::Bool(false)),
            b'n' => self.word("null", Shallow::Other),
            _ => self.integer(),
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        let run = plain_run(self.text.as_bytes().get(start..)?);
        self.at += run;
        if run > self.limits.max_string || !self.take(b'"') {
            return None;
        }
        self.text.get(start..start + run)
    }

    fn integer(&mut self) -> Option<Shallow<'a>> {
        let negative = self.take(b'-');
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        let zero = rest.first() == Some(&b'0');
        let sure = (1..=SURE_DIGITS.min(self.limits.max_number.saturating_sub(1))).contains(&digits)
            && !(zero && (negative || digits > 1));
        sure.then_some(Shallow::Other)
    }

    fn word(&mut self, word: &str, value: Shallow<'a>) -> Option<Shallow<'a>> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        found.then_some(value)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Value, canonicalize, parse_object};
    use super::*;
    use proptest::prelude::*;

    /// What the scan says is what the parser says, value by value.
    fn check(text: &str, limits: &Limits) -> bool {
        let mut seen = Vec::new();
        if canonical_members(text, limits, |name, start, value| seen.push((name, start, value))).is_none() {
            return false;
        }
        let object = parse_object(text.as_bytes(), limits).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(canonicalize(text.as_bytes(), limits).unwrap(), text.as_bytes());
        assert_eq!(object.len(), seen.len());
        for ((name, value), (other, start, shallow)) in object.iter().zip(seen) {
            assert_eq!(name, other);
            match (value, shallow) {
                (Value::String(text_of), Shallow::Text(shown)) => {
                    assert_eq!(text_of, shown);
                    assert_eq!(text.get(start + 1..start + 1 + shown.len()), Some(shown));
                }
                (Value::Bool(a), Shallow::Bool(b)) => assert_eq!(*a, b),
                (Value::Object(object), Shallow::Object(shown)) => {
                    assert_eq!(parse_object(shown.as_bytes(), limits).unwrap(), *object);
                }
                (Value::Null | Value::Number(_) | Value::Array(_), Shallow::Other) => {}
                other => panic!("{other:?}"),
            }
        }
        true
    }

    #[test]
    fn recognises_what_is_canonical() {
        for text in [
            "{}",
            r#"{"a":"b"}"#,
            r#"{"":0,"a":[],"b":{},"c":[1,-2,[null,true,false,{"x":"y"}]],"d":{"e":{"f":[0]}}}"#,
            r#"{"A":1,"_":2,"a":3,"aa":4,"b":999999999999999,"c":-999999999999999}"#,
        ] {
            assert!(check(text, &Limits::CLAIM), "{text}");
        }
    }

    #[test]
    fn is_never_sure_of_anything_else() {
        for text in [
            "",
            "[]",
            "{",
            "{}x",
            " {}",
            "{ }",
            r#"{"a" :1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1 }"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":"\u0041"}"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\"\u{e9}\"}",
            r#"{"a":01}"#,
            r#"{"a":-0}"#,
            r#"{"a":-}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e2}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":nulL}"#,
            r#"{"a":tru"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[}"#,
            r#"{"a":"#,
            r#"{"a""#,
            r#"{"a"#,
        ] {
            assert!(!check(text, &Limits::CLAIM), "{text}");
        }
    }

    /// At every limit, and one beyond it.
    #[test]
    fn limits_are_those_of_the_parser() {
        let limits = Limits {
            max_depth: 3,
            max_members: 3,
            max_values: 6,
            max_string: 4,
            max_number: 4,
            max_bytes: 37,
        };
        for (text, sure) in [
            (r#"{"a":{"b":{}}}"#.to_owned(), true),
            (r#"{"a":{"b":{"c":{}}}}"#.to_owned(), false),
            (r#"{"a":[[]]}"#.to_owned(), true),
            (r#"{"a":[[[]]]}"#.to_owned(), false),
            (r#"{"a":1,"b":1,"c":1}"#.to_owned(), true),
            (r#"{"a":1,"b":1,"c":1,"d":1}"#.to_owned(), false),
            (r#"{"a":[1,1,1,1]}"#.to_owned(), true),
            (r#"{"a":[1,1,1,1,1]}"#.to_owned(), false),
            (r#"{"a":"xxxx"}"#.to_owned(), true),
            (r#"{"a":"xxxxx"}"#.to_owned(), false),
            (r#"{"xxxxx":1}"#.to_owned(), false),
            (r#"{"a":123}"#.to_owned(), true),
            (r#"{"a":12345}"#.to_owned(), false),
            (format!(r#"{{"a":[{}"x"]}}"#, r#""xxxx","#.repeat(3)), true),
            (format!(r#"{{"aaaa":[{}"xxxx"]}}"#, r#""xxxx","#.repeat(3)), false),
        ] {
            assert_eq!(check(&text, &limits), sure, "{text}");
            if sure {
                assert!(parse_object(text.as_bytes(), &limits).is_ok(), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_says_more_than_the_parser(text in "\\{(\"[ab]{0,2}\":(\"[a\\\\ \u{e9}]{0,3}\"|-?[0-9]{1,17}|true|null|\\[[0-9,]{0,4}\\]|\\{(\"[xy]\":[0-9])?\\}),?){0,4}\\}") {
            check(&text, &Limits::CLAIM);
        }

        #[test]
        fn canonical_ascii_is_recognised(names in prop::collection::btree_set("[ -!#-\\[\\]-~]{0,9}", 0..9), value in "[ -!#-\\[\\]-~]{0,40}", number in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let members: Vec<String> = names.iter().enumerate().map(|(index, name)| match index % 3 {
                0 => format!("\"{name}\":\"{value}\""),
                1 => format!("\"{name}\":{number}"),
                _ => format!("\"{name}\":[{{\"{value}\":{number}}}]"),
            }).collect();
            let text = format!("{{{}}}", members.join(","));
            prop_assert!(check(&text, &Limits::CLAIM));
        }
    }
}
