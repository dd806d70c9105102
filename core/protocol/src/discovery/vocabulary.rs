//! The one table that maps the words of other vocabularies to purposes.
//!
//! EMBEDDING counts as training: an embedding is a learned use of the content that outlives the answer. RAG_RETRIEVAL, SUMMARY and
//! QUOTATION are input to a model. `search` is none of our purposes and is only reported.

use super::statement::Wish;
use crate::purpose::Purpose::{self, CrawlTraining, Embedding, Quotation, RagRetrieval, Summary};

/// A vocabulary in which sites state preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// AIPREF, draft-ietf-aipref-vocab: the `Content-Usage` header and robots.txt rule.
    Aipref,
    /// Cloudflare's Content Signals: the `Content-Signal` header and robots.txt rule.
    ContentSignal,
    /// RSL 1.0 usage tokens.
    Rsl,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// The word, as written there.
    pub label: &'static str,
    /// The purposes that are allowed when the word is allowed.
    pub allows: &'static [Purpose],
    /// The purposes that are disallowed when the word is disallowed.
    pub denies: &'static [Purpose],
    /// How narrow the word is: within one statement a narrower word overrides a wider one.
    pub rank: u8,
}

const TRAINING: &[Purpose] = &[CrawlTraining, Embedding];
const INPUT: &[Purpose] = &[RagRetrieval, Summary, Quotation];
const EVERYTHING: &[Purpose] = &Purpose::ALL;
const NOTHING: &[Purpose] = &[];

const fn term(vocabulary: Vocabulary, label: &'static str, purposes: &'static [Purpose], rank: u8) -> Term {
    Term { vocabulary, label, allows: purposes, denies: purposes, rank }
}

/// Every word we know, in every vocabulary.
pub const TERMS: &[Term] = &[
    term(Vocabulary::Aipref, "train-ai", TRAINING, 1),
    term(Vocabulary::Aipref, "ai-use", INPUT, 1),
    term(Vocabulary::Aipref, "search", NOTHING, 1),
    // Of earlier drafts, still in use: a part of training (allowing a part does not allow the whole), and everything automated.
    Term { vocabulary: Vocabulary::Aipref, label: "train-genai", allows: NOTHING, denies: TRAINING, rank: 1 },
    term(Vocabulary::Aipref, "all", EVERYTHING, 0),
    term(Vocabulary::Aipref, "bots", EVERYTHING, 0),
    // Content Signals' words, which their draft proposes for the same dictionary.
    term(Vocabulary::Aipref, "ai-train", TRAINING, 1),
    term(Vocabulary::Aipref, "ai-input", INPUT, 1),
    term(Vocabulary::ContentSignal, "ai-train", TRAINING, 1),
    term(Vocabulary::ContentSignal, "ai-input", INPUT, 1),
    term(Vocabulary::ContentSignal, "search", NOTHING, 1),
    term(Vocabulary::Rsl, "ai-train", TRAINING, 1),
    term(Vocabulary::Rsl, "ai-input", INPUT, 1),
    term(Vocabulary::Rsl, "search", NOTHING, 1),
    // An index for AI is made of embeddings: forbidding it forbids them; allowing it allows no training.
    Term { vocabulary: Vocabulary::Rsl, label: "ai-index", allows: NOTHING, denies: &[Embedding], rank: 1 },
    term(Vocabulary::Rsl, "ai-all", EVERYTHING, 0),
    term(Vocabulary::Rsl, "all", EVERYTHING, 0),
];

impl Vocabulary {
    /// The row of a word; case counts.
    pub fn term(self, label: &str) -> Option<&'static Term> {
        TERMS.iter().find(|term| term.vocabulary == self && term.label == label)
    }

    /// What words with values say together about each purpose: narrower words override wider ones, and among equals one
    /// `disallow` is enough (draft-ietf-aipref-vocab "Combining Preferences").
    pub(super) fn wishes(self, said: &[(&str, Wish)]) -> Vec<(Purpose, Wish)> {
        let about = |purpose: Purpose| {
            let mut best: Option<(u8, Wish)> = None;
            for (label, wish) in said {
                let Some(term) = self.term(label) else { continue };
                let purposes = if *wish == Wish::Allow { term.allows } else { term.denies };
                if !purposes.contains(&purpose) {
                    continue;
                }
                best = Some(match best {
                    Some((rank, known)) if rank > term.rank => (rank, known),
                    Some((rank, known)) if rank == term.rank => (rank, known.stricter(*wish)),
                    _ => (term.rank, *wish),
                });
            }
            best.map(|(_, wish)| (purpose, wish))
        };
        Purpose::ALL.into_iter().filter_map(about).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_words_override_wide_ones_and_disallow_wins_among_equals() {
        let said = |all: &[(&str, Wish)], purpose| {
            Vocabulary::Aipref.wishes(all).into_iter().find(|(own, _)| *own == purpose).map(|(_, wish)| wish)
        };
        let (allow, disallow) = (Wish::Allow, Wish::Disallow);
        assert_eq!(said(&[("all", disallow), ("train-ai", allow)], CrawlTraining), Some(allow));
        assert_eq!(said(&[("all", disallow), ("train-ai", allow)], Summary), Some(disallow));
        assert_eq!(said(&[("train-ai", allow), ("train-genai", disallow)], Embedding), Some(disallow));
        assert_eq!(said(&[("train-genai", allow)], CrawlTraining), None);
        assert_eq!(said(&[("search", disallow)], Quotation), None);
        assert_eq!(said(&[("ai-use", disallow), ("ai-input", allow)], RagRetrieval), Some(disallow));
    }
}
