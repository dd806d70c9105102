//! The guarded client.

use crate::{Answer, Call, FetchError, Options, Profile};
use imagxp::Result;
use imagxp::publisher::FetchFailure;

/// A client that keeps the fetch rules of PROTOCOL §4. Cheap to clone; the clones share budgets and what is known of failures.
#[derive(Clone, Debug)]
pub struct Fetcher {}

impl Fetcher {
    /// A fetcher. Errors: an option that cannot be used.
    pub fn new(options: Options) -> Result<Self> {
        let _ = options;
        Ok(Self {})
    }

    /// Fetches one document; a status other than 200 is a failure.
    pub fn get(&self, url: &str, profile: Profile) -> Result<Answer, FetchError> {
        let _ = (url, profile);
        Err(FetchError::new(FetchFailure::Failed, "not connected"))
    }

    /// Sends one request and returns whatever the answer is.
    pub fn send(&self, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
        let _ = (call, profile);
        Err(FetchError::new(FetchFailure::Failed, "not connected"))
    }

    /// [`Fetcher::get`] within a tokio run-time.
    #[cfg(feature = "async")]
    pub async fn get_async(&self, url: &str, profile: Profile) -> Result<Answer, FetchError> {
        self.get(url, profile)
    }

    /// [`Fetcher::send`] within a tokio run-time.
    #[cfg(feature = "async")]
    pub async fn send_async(&self, call: &Call, profile: Profile) -> Result<Answer, FetchError> {
        self.send(call, profile)
    }
}
