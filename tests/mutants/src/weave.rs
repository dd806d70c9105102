//! Mutants behind switches, in the text of one file: lines stay where they are.
//!
//! `a < b` becomes `(if crate::woven::on(7) {(a) == (b)} else {a < b})`. Only the last branch is woven further: one mutant is tried at a time.

use crate::edit::{Edits, Part};
use crate::plan::{Mutant, Piece, Place};
use proc_macro2::LineColumn;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Signature};

/// A file with its mutants.
#[derive(Debug)]
pub(crate) struct Woven {
    pub(crate) text: String,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) around: Vec<Piece>,
    pub(crate) left: BTreeMap<usize, &'static str>,
}

/// Weaves mutants into a source; functions named in `constant` stay `const`.
pub(crate) fn weave(source: &str, mutants: &[Mutant], constant: &[String]) -> syn::Result<Woven> {
    let file = syn::parse_file(source)?;
    let mut by_place: BTreeMap<(&str, Place), Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_place.entry((&mutant.genre, mutant.start)).or_default().push(mutant);
    }
    let lines = source.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some(*at - line.len())
    });
    let mut weaver = Weaver {
        source,
        lines: lines.collect(),
        by_place,
        constant,
        edits: Edits::default(),
        left: BTreeMap::new(),
        seen: BTreeSet::new(),
        is_constant: false,
        no_longer_const: Vec::new(),
    };
    weaver.visit_file(&file);
    let Weaver { edits, mut left, seen, no_longer_const, .. } = weaver;
    for mutant in mutants.iter().filter(|each| !seen.contains(&each.number)) {
        left.entry(mutant.number).or_insert("nothing to weave was found at its place");
    }
    let mut base = source.to_owned();
    for word in no_longer_const {
        base.replace_range(word.clone(), &" ".repeat(word.len()));
    }
    let (text, pieces, around) = edits.apply(&base);
    Ok(Woven { text, pieces, around, left })
}

struct Weaver<'a> {
    source: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    by_place: BTreeMap<(&'a str, Place), Vec<&'a Mutant>>,
    constant: &'a [String],
    edits: Edits,
    left: BTreeMap<usize, &'static str>,
    seen: BTreeSet<usize>,
    is_constant: bool,
    no_longer_const: Vec<Range<usize>>,
}

impl<'a> Weaver<'a> {
    fn at(&self, place: LineColumn) -> usize {
        let line = self.lines.get(place.line.saturating_sub(1)).copied().unwrap_or_default();
        let rest = self.source.get(line..).unwrap_or_default();
        line + rest.chars().take(place.column).map(char::len_utf8).sum::<usize>()
    }

    fn range(&self, node: &impl Spanned) -> Range<usize> {
        let span = node.span();
        self.at(span.start())..self.at(span.end())
    }

    fn text(&self, node: &impl Spanned) -> &'a str {
        self.source.get(self.range(node)).unwrap_or_default()
    }

    /// The mutants of a genre at the place of a node; none where no switch can be asked.
    fn mutants(&mut self, genre: &'static str, node: &impl Spanned) -> Vec<&'a Mutant> {
        let start = node.span().start();
        let place = Place { line: start.line, column: start.column + 1 };
        let found = self.by_place.get(&(genre, place)).cloned().unwrap_or_default();
        self.seen.extend(found.iter().map(|mutant| mutant.number));
        if self.is_constant {
            self.left.extend(found.iter().map(|mutant| (mutant.number, "a constant asks no switch")));
            return Vec::new();
        }
        found
    }

    /// `(if on(1) {FIRST} else if on(2) {SECOND} else {` … `})` around an expression.
    fn choose(&mut self, span: &Range<usize>, mutated: Vec<(usize, String)>) {
        if mutated.is_empty() {
            return;
        }
        let mut before: Vec<Part> = vec![(None, "(".to_owned())];
        for (number, text) in mutated {
            before.push((Some(number), format!("if crate::woven::on({number}) {{{text}}} else ")));
        }
        before.push((None, "{".to_owned()));
        self.edits.enclose(span, before, "})");
    }

    /// What is inside cannot ask a switch, but for what is a function of its own.
    fn constant(&mut self, is_constant: bool, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_constant, is_constant);
        inside(self);
        self.is_constant = before;
    }

    fn function(&mut self, signature: &Signature, block: &Block, inside: impl FnOnce(&mut Self)) {
        let stays = self.constant.iter().any(|name| signature.ident == name);
        if let Some(word) = &signature.constness
            && !stays
        {
            self.no_longer_const.push(self.range(word));
        }
        self.constant(signature.constness.is_some() && stays, |this| {
            if let Some(first) = block.stmts.first() {
                let found = this.mutants("FnValue", first);
                if is_unnamed(&signature.output) {
                    this.left.extend(found.iter().map(|mutant| (mutant.number, "its type has no name")));
                    return inside(this);
                }
                let parts: Vec<Part> = found
                    .iter()
                    .map(|Mutant { number, replacement, .. }| {
                        (Some(*number), format!("if crate::woven::on({number}) {{ return {replacement}; }} "))
                    })
                    .collect();
                let at = this.range(first).start;
                this.edits.insert(at, parts);
            }
            inside(this);
        });
    }
}

/// Whether `&&` joins a `let`: such a chain stands in no parentheses.
fn is_chain(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_)) => {
            is_chain(&binary.left) || is_chain(&binary.right)
        }
        _ => false,
    }
}

/// Whether a function returns `impl Trait`: two of its values have two types.
fn is_unnamed(output: &syn::ReturnType) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_return_type(output);
    find.0
}

/// Visits what is computed before the program runs, where no switch can be asked.
macro_rules! constants {
    ($($visit:ident: $item:ident,)*) => {
        $(fn $visit(&mut self, item: &'ast syn::$item) {
            self.constant(true, |this| visit::$visit(this, item));
        })*
    };
}

impl<'ast> Visit<'ast> for Weaver<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block, |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        match &item.default {
            Some(block) => self.function(&item.sig, block, |this| visit::visit_trait_item_fn(this, item)),
            None => visit::visit_trait_item_fn(self, item),
        }
    }

    constants! {
        visit_item_const: ItemConst,
        visit_impl_item_const: ImplItemConst,
        visit_trait_item_const: TraitItemConst,
        visit_item_static: ItemStatic,
        visit_expr_const: ExprConst,
        visit_type_array: TypeArray,
    }

    fn visit_expr_repeat(&mut self, item: &'ast syn::ExprRepeat) {
        self.visit_expr(&item.expr);
        self.constant(true, |this| this.visit_expr(&item.len));
    }

    fn visit_expr_binary(&mut self, item: &'ast syn::ExprBinary) {
        let found = self.mutants("BinaryOperator", &item.op);
        if is_chain(&item.left) || is_chain(&item.right) {
            self.left
                .extend(found.iter().map(|mutant| (mutant.number, "a chain with let has no other operator")));
        } else {
            let (left, right) = (self.text(&item.left), self.text(&item.right));
            let mutated = found.iter().map(|Mutant { number, replacement, .. }| {
                (*number, format!("({left}) {} ({right})", replacement.trim()))
            });
            let mutated = mutated.collect();
            self.choose(&self.range(item), mutated);
        }
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_unary(&mut self, item: &'ast syn::ExprUnary) {
        let inner = self.text(&item.expr);
        let mutated = self.mutants("UnaryOperator", &item.op);
        let mutated = mutated.iter().map(|mutant| (mutant.number, inner.to_owned())).collect();
        self.choose(&self.range(item), mutated);
        visit::visit_expr_unary(self, item);
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        let takes_all = |arm: &syn::Arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_));
        let has_catchall = item.arms.iter().any(takes_all);
        for arm in &item.arms {
            for mutant in self.mutants("MatchArm", arm) {
                if has_catchall {
                    let at = self.range(&arm.pat).end;
                    let text = format!(" if !crate::woven::on({})", mutant.number);
                    self.edits.insert(at, vec![(Some(mutant.number), text)]);
                } else {
                    self.left.insert(mutant.number, "no other arm takes what this one takes");
                }
            }
        }
        visit::visit_expr_match(self, item);
    }

    fn visit_arm(&mut self, item: &'ast syn::Arm) {
        if let Some((_, guard)) = &item.guard {
            let mutated = self.mutants("MatchArmGuard", &**guard);
            let mutated = mutated.iter().map(|mutant| (mutant.number, mutant.replacement.clone())).collect();
            if !is_chain(guard) {
                self.choose(&self.range(&**guard), mutated);
            }
        }
        visit::visit_arm(self, item);
    }

    fn visit_expr_struct(&mut self, item: &'ast syn::ExprStruct) {
        if item.rest.is_some() {
            let whole = self.range(item);
            let mut mutated = Vec::new();
            for pair in item.fields.pairs() {
                let gone = self.range(&pair);
                for mutant in self.mutants("StructField", *pair.value()) {
                    let before = self.source.get(whole.start..gone.start).unwrap_or_default();
                    let after = self.source.get(gone.end..whole.end).unwrap_or_default();
                    mutated.push((mutant.number, format!("{before}{after}")));
                }
            }
            self.choose(&whole, mutated);
        }
        visit::visit_expr_struct(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(number: usize, genre: &str, line: usize, column: usize, replacement: &str) -> Mutant {
        let start = Place { line, column };
        Mutant { number, genre: genre.to_owned(), start, replacement: replacement.to_owned() }
    }

    #[test]
    fn each_mutant_stands_behind_its_switch() {
        let source = "fn f(a: u8, b: u8) -> bool {\n    let é = a; é + 1 < b && !g(b)\n}\n";
        let mutants = [
            mutant(0, "FnValue", 2, 5, "true"),
            mutant(1, "BinaryOperator", 2, 18, "-"),
            mutant(2, "BinaryOperator", 2, 22, "=="),
            mutant(3, "BinaryOperator", 2, 26, "||"),
            mutant(4, "UnaryOperator", 2, 29, ""),
            mutant(5, "UnaryOperator", 2, 1, ""),
        ];
        let woven = weave(source, &mutants, &[]).unwrap();
        let expected = "fn f(a: u8, b: u8) -> bool {\n    if crate::woven::on(0) { return true; } let é = a; \
            (if crate::woven::on(3) {(é + 1 < b) || (!g(b))} else {\
            (if crate::woven::on(2) {(é + 1) == (b)} else {\
            (if crate::woven::on(1) {(é) - (1)} else {é + 1}) < b}) && \
            (if crate::woven::on(4) {g(b)} else {!g(b)})})\n}\n";
        assert_eq!(woven.text, expected);
        assert_eq!(
            woven.left.into_iter().collect::<Vec<_>>(),
            [(5, "nothing to weave was found at its place")]
        );
        for piece in woven.pieces {
            let text = expected.get(piece.start..piece.end).unwrap();
            assert!(text.starts_with(&format!("if crate::woven::on({})", piece.number)), "{text}");
        }
    }

    #[test]
    fn arms_guards_and_fields() {
        let source =
            "fn f(a: u8) -> T {\n    match a { 1 => T { x: 1, ..z() }, 2 if a > 1 => g(), _ => h() }\n}\n";
        let mutants = [
            mutant(0, "MatchArm", 2, 15, ""),
            mutant(1, "StructField", 2, 24, ""),
            mutant(2, "MatchArmGuard", 2, 44, "true"),
        ];
        let woven = weave(source, &mutants, &[]).unwrap();
        let expected = "fn f(a: u8) -> T {\n    match a { 1 if !crate::woven::on(0) => \
            (if crate::woven::on(1) {T {  ..z() }} else {T { x: 1, ..z() }}), \
            2 if (if crate::woven::on(2) {true} else {a > 1}) => g(), _ => h() }\n}\n";
        assert_eq!(woven.text, expected);
    }

    #[test]
    fn constants_and_chains_are_left() {
        let source = "const A: u8 = 1 + 2;\nconst fn f(a: u8) -> u8 { a + 1 }\nconst fn g(a: u8) -> u8 { a + 1 }\n\
            fn h() -> u8 { if let Some(a) = b() && a > 1 { [0; 1 + 1][0] } else { 1 } }\n";
        let mutants = [
            mutant(0, "BinaryOperator", 1, 17, "-"),
            mutant(1, "BinaryOperator", 2, 29, "-"),
            mutant(2, "BinaryOperator", 3, 29, "-"),
            mutant(3, "BinaryOperator", 4, 37, "||"),
            mutant(4, "BinaryOperator", 4, 42, "<"),
            mutant(5, "BinaryOperator", 4, 54, "-"),
        ];
        let woven = weave(source, &mutants, &["g".to_owned()]).unwrap();
        assert!(
            woven.text.contains(
                "\n      fn f(a: u8) -> u8 { (if crate::woven::on(1) {(a) - (1)} else {a + 1}) }\n"
            )
        );
        assert!(woven.text.contains("\nconst fn g(a: u8) -> u8 { a + 1 }\n"));
        assert!(woven.text.contains("= b() && (if crate::woven::on(4) {(a) < (1)} else {a > 1}) {"));
        assert_eq!(woven.left.into_keys().collect::<Vec<_>>(), [0, 2, 3, 5]);
    }
}
