//! What is asked for, and what is answered: JSON, of and for scripts/mutants.py.

use crate::weave::Woven;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line and a column, both from one, as cargo-mutants counts: columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// One mutant of cargo-mutants' list.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mutant {
    pub(crate) number: usize,
    /// `BinaryOperator`, `UnaryOperator`, `FnValue`, `MatchArm`, `MatchArmGuard` or `StructField`.
    pub(crate) genre: String,
    pub(crate) start: Place,
    pub(crate) replacement: String,
}

/// What is to be woven.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    /// The folder of the sources, and that of the copy.
    pub(crate) from: String,
    pub(crate) to: String,
    /// One more than the greatest number.
    pub(crate) numbers: usize,
    /// The `lib.rs` of each crate, which is given the switch.
    pub(crate) libraries: Vec<String>,
    pub(crate) files: BTreeMap<String, Vec<Mutant>>,
    /// Functions that constants call: they stay `const`, and ask no switch.
    pub(crate) constant: Vec<String>,
}

/// A piece of a woven file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Piece {
    pub(crate) number: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What was woven.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answer {
    /// By file: where each mutant's own code is. What does not compile in there is that mutant's fault.
    pieces: BTreeMap<String, Vec<Piece>>,
    /// By file: the whole expression that has mutants.
    around: BTreeMap<String, Vec<Piece>>,
    /// Mutants that cannot stand behind a switch, and why.
    left: BTreeMap<usize, String>,
}

impl Answer {
    pub(crate) fn add(&mut self, file: &str, woven: &Woven) {
        self.pieces.insert(file.to_owned(), woven.pieces.clone());
        self.around.insert(file.to_owned(), woven.around.clone());
        self.left.extend(woven.left.iter().map(|(number, reason)| (*number, (*reason).to_owned())));
    }
}
