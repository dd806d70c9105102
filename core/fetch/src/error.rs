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

    /// Whether nothing was sent because there are too many fetches already, which says nothing about the peer.
    pub(crate) fn is_busy(&self) -> bool {
        self.failure == FetchFailure::Busy && !self.sent
    }

    pub(crate) fn with_sent(mut self, sent: bool) -> Self {
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

impl From<FetchError> for imagxp::Error {
    /// With the code that a verdict would have, for example `identity.fetch_failed`.
    fn from(error: FetchError) -> Self {
        Self::protocol(error.failure.code(), error.detail.clone()).with_source(error)
    }
}
