//! Header lists: every line, in order, duplicates kept.

use imagxp::agent::SignedHeaders;
use imagxp::headers::HeaderLine;

/// One header line. Lists of them keep order and duplicates: a dictionary would hide what a verifier must see.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub(crate) struct Header {
    /// The name, in any case.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
}

/// The lines as the core takes them.
pub(crate) fn lines(headers: &[Header]) -> Vec<HeaderLine<'_>> {
    headers.iter().map(|header| (header.name.as_bytes(), header.value.as_bytes())).collect()
}

/// The lines as pairs of text.
pub(crate) fn pairs(headers: Vec<Header>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

/// Pairs as lines.
pub(crate) fn list<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Vec<Header> {
    let header =
        |(name, value): (N, V)| Header { name: name.as_ref().to_owned(), value: value.as_ref().to_owned() };
    pairs.into_iter().map(header).collect()
}

/// Headers to send.
pub(crate) fn signed(headers: &SignedHeaders) -> Vec<Header> {
    list(headers.iter())
}

/// The `User-Agent` an agent sends: its own, with the product token `IMAGXP/1.0` added when it is missing.
#[uniffi::export]
pub(crate) fn user_agent(own: &str) -> String {
    imagxp::headers::user_agent(own)
}
