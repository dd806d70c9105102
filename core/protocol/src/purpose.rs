//! Why an agent reads: the closed list of PROTOCOL §2 `purpose`.

use core::fmt;
use serde::Serialize;

/// The purpose of a request. There is exactly one per claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Deserialize))]
// Read as text first: errors in a policy can then name the purpose, which a key of an enum's own type hides.
#[serde(rename_all = "SCREAMING_SNAKE_CASE", try_from = "String")]
#[cfg_attr(test, schemars(!try_from))]
pub enum Purpose {
    /// Content becomes training data of a model.
    CrawlTraining,
    /// Content answers one question, with attribution (retrieval-augmented generation).
    RagRetrieval,
    /// Content is summarised.
    Summary,
    /// Content is quoted.
    Quotation,
    /// Content is turned into embeddings; falls under the training rule unless a policy lists it.
    Embedding,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 5] =
        [Self::CrawlTraining, Self::RagRetrieval, Self::Summary, Self::Quotation, Self::Embedding];

    /// The wire name, for example `RAG_RETRIEVAL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrawlTraining => "CRAWL_TRAINING",
            Self::RagRetrieval => "RAG_RETRIEVAL",
            Self::Summary => "SUMMARY",
            Self::Quotation => "QUOTATION",
            Self::Embedding => "EMBEDDING",
        }
    }

    /// The purpose with this exact wire name; case counts.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }
}

impl TryFrom<String> for Purpose {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name).ok_or_else(|| format!("`{name}` is not a purpose"))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_both_tables() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_name(purpose.as_str()), Some(purpose));
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.as_str());
        }
        assert_eq!(Purpose::from_name("summary"), None);
        assert_eq!(Purpose::from_name("SUMMARY "), None);
    }
}
