//! The table of refusal codes.

use imagxp::Code;

/// One code of PROTOCOL §13: stable, the same in every language.
#[derive(uniffi::Record)]
pub(crate) struct CodeEntry {
    /// The dotted name.
    pub(crate) name: String,
    /// Its number in the C ABI.
    pub(crate) number: u32,
    /// The status to answer with.
    pub(crate) http: u16,
    /// `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`.
    pub(crate) retry: String,
    /// One sentence, safe to send to a stranger.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
}

/// Every code that a verdict can have.
#[uniffi::export]
pub(crate) fn codes() -> Vec<CodeEntry> {
    let entry = |code: &Code| CodeEntry {
        name: code.as_str().to_owned(),
        number: code.number(),
        http: code.http(),
        retry: code.retry().to_string(),
        message: code.message().to_owned(),
        hint: code.hint().to_owned(),
    };
    Code::ALL.iter().map(entry).collect()
}

/// The version of the library, the same in every language.
#[uniffi::export]
pub(crate) fn version() -> String {
    imagxp::VERSION.to_owned()
}
