//! Insertions into a text, nested as the expressions are that they enclose.

use crate::plan::Piece;
use std::ops::Range;

/// Text of a mutant, or of none.
pub(crate) type Part = (Option<usize>, String);

struct Edit {
    at: usize,
    /// Among edits at one place: what closes an inner expression, what closes an outer one, what opens an outer one, what opens an inner one.
    order: (bool, usize),
    parts: Vec<Part>,
    /// The mutants of an expression that begins or ends here.
    around: Vec<usize>,
    opens: bool,
}

/// All insertions into one text.
#[derive(Default)]
pub(crate) struct Edits {
    edits: Vec<Edit>,
}

impl Edits {
    /// Text before and after an expression.
    pub(crate) fn enclose(&mut self, span: &Range<usize>, before: Vec<Part>, after: &str) {
        let around: Vec<usize> = before.iter().filter_map(|(number, _)| *number).collect();
        let order = (true, usize::MAX - span.end);
        self.edits.push(Edit { at: span.start, order, parts: before, around: around.clone(), opens: true });
        let order = (false, usize::MAX - span.start);
        self.edits.push(Edit {
            at: span.end,
            order,
            parts: vec![(None, after.to_owned())],
            around,
            opens: false,
        });
    }

    /// Text at a place, before all that begins there.
    pub(crate) fn insert(&mut self, at: usize, parts: Vec<Part>) {
        self.edits.push(Edit { at, order: (true, 0), parts, around: Vec::new(), opens: true });
    }

    /// The text with all insertions; where each mutant's text is in it, and each expression that has mutants.
    pub(crate) fn apply(mut self, source: &str) -> (String, Vec<Piece>, Vec<Piece>) {
        self.edits.sort_by_key(|edit| (edit.at, edit.order));
        let (mut text, mut pieces, mut around, mut open) =
            (String::new(), Vec::new(), Vec::new(), Vec::new());
        let mut done = 0;
        for edit in &self.edits {
            text.push_str(source.get(done..edit.at).unwrap_or_default());
            done = edit.at;
            if edit.opens {
                open.extend(edit.around.iter().map(|number| (*number, text.len())));
            }
            for (number, part) in &edit.parts {
                let start = text.len();
                text.push_str(part);
                if let Some(number) = *number {
                    pieces.push(Piece { number, start, end: text.len() });
                }
            }
            if !edit.opens {
                for number in &edit.around {
                    if let Some(found) = open.iter().position(|(each, _)| each == number) {
                        let (number, start) = open.swap_remove(found);
                        around.push(Piece { number, start, end: text.len() });
                    }
                }
            }
        }
        text.push_str(source.get(done..).unwrap_or_default());
        (text, pieces, around)
    }
}
