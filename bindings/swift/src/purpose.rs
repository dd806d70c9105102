//! Why an agent reads.

pub(crate) use imagxp::Purpose;

/// Why an agent reads: the closed list of PROTOCOL §2.
#[uniffi::remote(Enum)]
pub(crate) enum Purpose {
    /// Content becomes training data of a model (`CRAWL_TRAINING`).
    CrawlTraining,
    /// Content answers one question, with attribution (`RAG_RETRIEVAL`).
    RagRetrieval,
    /// Content is summarised (`SUMMARY`).
    Summary,
    /// Content is quoted (`QUOTATION`).
    Quotation,
    /// Content is turned into embeddings (`EMBEDDING`).
    Embedding,
}

/// The wire name of a purpose, for example `RAG_RETRIEVAL`; `Purpose.description` is the same.
#[uniffi::export]
pub(crate) fn purpose_name(purpose: Purpose) -> String {
    purpose.as_str().to_owned()
}

/// The purpose with this exact wire name; `Purpose(_:)` is the same.
#[uniffi::export]
pub(crate) fn purpose_from_name(name: &str) -> Option<Purpose> {
    Purpose::from_name(name)
}
