//! What an XML document must be like before the parser sees it: bounded, and without a document type.
//!
//! `roxmltree` refuses document types by itself, but compares every attribute of an element with every other, and has no bound on
//! depth. One pass over the text makes sure of both; it need not be exact about anything else, because the parser is.

use core::ops::ControlFlow;

/// Elements within elements.
const MAX_DEPTH: usize = 16;
/// Attributes of one element, namespace declarations included.
const MAX_ATTRIBUTES: usize = 32;
/// Tags, comments and instructions.
const MAX_NODES: usize = 20_000;
/// Namespace declarations of the whole document: each is looked up among those that came before.
const MAX_NAMESPACES: usize = 32;

/// `Err` is one sentence that says which bound the text does not keep to.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let (mut depth, mut nodes) = (0_usize, 0_usize);
    if text.matches("xmlns").count() > MAX_NAMESPACES {
        return Err("more than 32 namespaces are declared");
    }
    let mut rest = text;
    while let Some((_, markup)) = rest.split_once('<') {
        nodes += 1;
        if nodes > MAX_NODES {
            return Err("the document has more than 20000 elements and comments");
        }
        rest = if let Some(comment) = markup.strip_prefix("!--") {
            after(comment, "-->")?
        } else if let Some(section) = markup.strip_prefix("![CDATA[") {
            after(section, "]]>")?
        } else if let Some(instruction) = markup.strip_prefix('?') {
            after(instruction, "?>")?
        } else if markup.starts_with('!') {
            return Err("a document type is not accepted");
        } else {
            let tag = Tag::read(markup)?;
            if markup.starts_with('/') {
                depth = depth.saturating_sub(1);
            } else if !tag.closed {
                depth += 1;
            }
            if depth > MAX_DEPTH {
                return Err("elements are nested more than 16 deep");
            }
            tag.rest
        };
    }
    Ok(())
}

const UNFINISHED: &str = "the document ends within a tag, a comment or a section";

fn after<'a>(text: &'a str, end: &str) -> Result<&'a str, &'static str> {
    text.split_once(end).map(|(_, rest)| rest).ok_or(UNFINISHED)
}

struct Tag<'a> {
    closed: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// From behind the `<` to behind the `>` that is not within quotes.
    fn read(markup: &'a str) -> Result<Self, &'static str> {
        let mut quote = None;
        let mut attributes = 0_usize;
        let mut before = b' ';
        let end = markup.bytes().enumerate().try_for_each(|(at, byte)| {
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'=') => attributes += 1,
                (None, b'>') => return ControlFlow::Break(at),
                (None, _) => {}
            }
            before = byte;
            ControlFlow::Continue(())
        });
        if attributes > MAX_ATTRIBUTES {
            return Err("an element has more than 32 attributes");
        }
        let ControlFlow::Break(end) = end else { return Err(UNFINISHED) };
        Ok(Self { closed: before == b'/', rest: markup.get(end + 1..).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(check("<a b='>' c=\"/\"><!-- <x --><![CDATA[<y]]><?z <?><b/></a>"), Ok(()));
        assert!(check(&format!("{}{}", "<a>".repeat(16), "</a>".repeat(16))).is_ok());
        assert!(check(&"<a>".repeat(17)).is_err());
        assert!(check(&format!("<a {}/>", "x='>' ".repeat(33))).is_err());
        assert!(check(&"<a/>".repeat(20_001)).is_err());
        assert!(check(&format!("<a {}/>", "xmlns:x='' ".repeat(33))).is_err());
        for bad in ["<!DOCTYPE a><a/>", "<a", "<!-- ", "<a b='", "<!ENTITY x 'y'>"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
