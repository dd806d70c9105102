//! Purposes as integers.

use crate::boundary::accessor;
use crate::bytes::imagxp_slice;
use imagxp::{Error, Purpose, Result};

/// Why an agent reads. 0 means none.
pub type imagxp_purpose = u32;

/// `CRAWL_TRAINING`: content becomes training data of a model.
pub const IMAGXP_PURPOSE_CRAWL_TRAINING: imagxp_purpose = 1;
/// `RAG_RETRIEVAL`: content answers one question, with attribution.
pub const IMAGXP_PURPOSE_RAG_RETRIEVAL: imagxp_purpose = 2;
/// `SUMMARY`: content is summarised.
pub const IMAGXP_PURPOSE_SUMMARY: imagxp_purpose = 3;
/// `QUOTATION`: content is quoted.
pub const IMAGXP_PURPOSE_QUOTATION: imagxp_purpose = 4;
/// `EMBEDDING`: content is turned into embeddings.
pub const IMAGXP_PURPOSE_EMBEDDING: imagxp_purpose = 5;

pub(crate) const fn to_number(purpose: Purpose) -> imagxp_purpose {
    match purpose {
        Purpose::CrawlTraining => IMAGXP_PURPOSE_CRAWL_TRAINING,
        Purpose::RagRetrieval => IMAGXP_PURPOSE_RAG_RETRIEVAL,
        Purpose::Summary => IMAGXP_PURPOSE_SUMMARY,
        Purpose::Quotation => IMAGXP_PURPOSE_QUOTATION,
        Purpose::Embedding => IMAGXP_PURPOSE_EMBEDDING,
    }
}

pub(crate) fn from_number(number: imagxp_purpose) -> Result<Purpose> {
    let purpose = Purpose::ALL.into_iter().find(|purpose| to_number(*purpose) == number);
    purpose.ok_or_else(|| Error::argument(format!("{number} is not a purpose")))
}

/// The wire name, for example `RAG_RETRIEVAL`; it lives forever. Empty for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_purpose_name(purpose: imagxp_purpose) -> imagxp_slice<'static> {
    accessor(imagxp_slice::NONE, || from_number(purpose).ok().map(Purpose::as_str).into())
}

/// The purpose with this exact wire name; 0 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_purpose_from_name(name: imagxp_slice<'_>) -> imagxp_purpose {
    accessor(0, || name.text("name").ok().and_then(Purpose::from_name).map_or(0, to_number))
}
