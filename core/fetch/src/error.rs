//! Why there is no answer.

use core::fmt;
use imagxp::publisher::FetchFailure;

/// Why something could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// The kind: what [`imagxp::Publisher::supply_failure`] takes.
    pub failure: FetchFailure,
    /// More, for the log only: it may name addresses.
    pub detail: String,
    /// Whether bytes of the request may have reached the peer. `false` says that nothing can have happened there.
    pub sent: bool,
    /// The status, when there was one.
    pub status: Option<u16>,
}

impl FetchError {
    pub(crate) fn new(failure: FetchFailure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into(), sent: false, status: None }
    }

    pub(crate) fn sent(mut self, sent: bool) -> Self {
        self.sent = sent;
        self
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure.as_str(), self.detail)
    }
}

impl std::error::Error for FetchError {}
