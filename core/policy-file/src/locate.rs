//! On which line of a document a member stands: for messages that name a member by its path.

use imagxp::Code;
use imagxp::json::ParseError;
use std::collections::HashSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One step of a path such as `paths[0].price`; `?` is a name that is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Name(&'a str),
    Index(usize),
}

/// The line of an offset, counted from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// The line of a member of a TOML document, or of the innermost member around it that can be found.
pub(crate) fn in_toml(text: &str, document: &DeTable<'_>, path: &str) -> Option<usize> {
    let (_, span) = deepest_in_table(document, &segments(path))?;
    Some(line_of(text, span.start))
}

/// How many segments could be followed, and where the last one of them leads.
type Found = Option<(usize, Range<usize>)>;

fn deepest_in_table(table: &DeTable<'_>, path: &[Segment<'_>]) -> Found {
    let (Segment::Name(wanted), rest) = path.split_first()? else { return None };
    let matching = table.iter().filter(|(name, _)| *wanted == "?" || name.get_ref() == wanted);
    matching.filter_map(|(name, value)| below(name.span(), value, rest)).max_by_key(|(depth, _)| *depth)
}

fn below(own: Range<usize>, value: &Spanned<DeValue<'_>>, rest: &[Segment<'_>]) -> Found {
    let deeper = match (value.get_ref(), rest.split_first()) {
        (DeValue::Table(table), Some(_)) => deepest_in_table(table, rest),
        (DeValue::Array(list), Some((Segment::Index(index), rest))) => {
            list.get(*index).and_then(|element| below(element.span(), element, rest))
        }
        _ => None,
    };
    Some(deeper.map_or((1, own), |(depth, span)| (depth + 1, span)))
}

/// The line of a member of a JSON document, or of the innermost member around it that can be found.
///
/// The document has been accepted by a parser already; this only finds its way in it.
pub(crate) fn in_json(text: &str, path: &str) -> Option<usize> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    let mut found = None;
    for segment in segments(path) {
        match cursor.enter(&segment) {
            Some(offset) => found = Some(offset),
            None => break,
        }
    }
    found.map(|offset| line_of(text, offset))
}

/// The line of what the strict parser refused. It reports the object in which a name occurs twice; this finds the second one.
pub fn of_refusal(bytes: &[u8], refusal: &ParseError) -> usize {
    let second = || second_of_a_name(bytes, refusal.offset());
    let duplicate = (refusal.code() == Code::JsonDuplicateKey).then(second).flatten();
    let before = bytes.get(..duplicate.unwrap_or(refusal.offset())).unwrap_or(bytes);
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Where the first repeated name of an object stands; `None` when it is written in two ways, once with escapes.
fn second_of_a_name(bytes: &[u8], object: usize) -> Option<usize> {
    let mut cursor = Cursor { bytes, at: object };
    let mut names = HashSet::new();
    // The offset may be that of the brace or lie behind it.
    let _ = cursor.eat(b'{');
    loop {
        cursor.space();
        let start = cursor.at;
        if !names.insert(cursor.string()?) {
            return Some(start);
        }
        cursor.skip_value();
        cursor.eat(b',')?;
    }
}

/// Reads `a.b[0].c`; what cannot be read ends the path.
fn segments(path: &str) -> Vec<Segment<'_>> {
    let mut list = Vec::new();
    for part in path.split('.') {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        if !name.is_empty() {
            list.push(Segment::Name(name));
        }
        for index in indices.split('[').filter(|index| !index.is_empty()) {
            match index.strip_suffix(']').and_then(|index| index.parse().ok()) {
                Some(index) => list.push(Segment::Index(index)),
                None => return list,
            }
        }
    }
    list
}

/// A position in JSON text.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Goes from the start of a container to the start of one of its values; returns where that member begins.
    fn enter(&mut self, segment: &Segment<'_>) -> Option<usize> {
        let open = if matches!(segment, Segment::Name(_)) { b'{' } else { b'[' };
        self.space();
        self.eat(open)?;
        for count in 0_usize.. {
            self.space();
            let start = self.at;
            let here = match segment {
                Segment::Index(index) => count == *index,
                Segment::Name(name) => {
                    let quoted = self.string()?;
                    self.space();
                    self.eat(b':')?;
                    self.space();
                    quoted == name.as_bytes()
                }
            };
            if here {
                return (self.peek()? != b']').then_some(start);
            }
            self.skip_value();
            self.space();
            self.eat(b',')?;
        }
        None
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// The bytes between the quotes, escapes as they stand: names of policies contain none.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let start = self.at;
        while let Some(byte) = self.peek().filter(|&byte| byte != b'"') {
            self.at += if byte == b'\\' { 2 } else { 1 };
        }
        let end = self.at;
        self.eat(b'"')?;
        self.bytes.get(start..end)
    }

    /// Goes behind a value: to the next comma or closing bracket outside of it.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    if self.string().is_none() {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "{\n \"a\": [\"x]\\\"\", {\"b\": 1}],\n \"paths\": [\n  {\"match\": \"/\"},\n  {\"match\":\n\"/x\",\n\"price\": {}}\n ]}";
    const TOML: &str = "a = 1\n[[paths]]\nmatch = '/'\n[[paths]]\nmatch = '/x'\nprice = { amount = '1' }\n[payment]\nrequired = true\n";

    #[test]
    fn finds_members_of_json() {
        for (path, line) in [
            ("a", Some(2)),
            ("a[1].b", Some(2)),
            ("paths[1].match", Some(5)),
            ("paths[1].price", Some(7)),
            ("paths[1].price.amount", Some(7)),
            ("paths[2]", Some(3)),
            ("paths[0].none", Some(4)),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(in_json(JSON, path), line, "{path}");
        }
    }

    #[test]
    fn finds_the_second_of_a_name() {
        for (text, line) in [
            ("{\n\"a\": {\"b\": \"}\"},\n\"b\": 1,\n\"a\": 2}", 4),
            ("[{\"x\": 1},\n{\"x\": 1,\n\"x\": 1}]", 3),
            ("{\n\"a\": 1,\n\"\\u0061\": 2}", 1),
        ] {
            let refusal = imagxp::json::parse(text.as_bytes(), &imagxp::json::Limits::CLAIM).unwrap_err();
            assert_eq!(
                (refusal.code(), of_refusal(text.as_bytes(), &refusal)),
                (Code::JsonDuplicateKey, line),
                "{text}"
            );
        }
    }

    #[test]
    fn broken_documents_do_no_harm() {
        for cut in 0..JSON.len() {
            for path in ["a[1].b", "paths[1].price.amount"] {
                let _ = in_json(JSON.get(..cut).unwrap(), path);
            }
            let _ = second_of_a_name(JSON.get(..cut).unwrap().as_bytes(), 0);
        }
    }

    #[test]
    fn finds_members_of_toml() {
        let document = DeTable::parse(TOML).unwrap();
        for (path, line) in [
            ("a", Some(1)),
            ("paths[1].match", Some(5)),
            ("paths[1].price.amount", Some(6)),
            ("paths[1].none", Some(4)),
            ("payment.required", Some(8)),
            ("payment.?", Some(8)),
            ("?.required", Some(8)),
            ("none", None),
        ] {
            assert_eq!(in_toml(TOML, document.get_ref(), path), line, "{path}");
        }
    }
}
