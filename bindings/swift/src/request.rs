//! A request as it came to a site.

use crate::headers::{Header, lines};
use imagxp::Request;
use imagxp::headers::HeaderLine;

/// One request of a batch: the parameters of `Publisher.verify(method:url:headers:…)`.
#[derive(Clone, uniffi::Record)]
pub(crate) struct ReceivedRequest {
    /// The request's method.
    pub(crate) method: String,
    /// The request target (`/path?query`); its origin is the policy's, never a `Host` header's.
    pub(crate) url: String,
    /// Every line, in order, duplicates kept.
    pub(crate) headers: Vec<Header>,
    /// `contentDigest(body:)`; nil while the body has not been read, empty when it will not be: see `Publisher.verify`.
    #[uniffi(default = None)]
    pub(crate) body_digest: Option<String>,
}

impl ReceivedRequest {
    /// The header lines, for [`Self::view`].
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        lines(&self.headers)
    }

    /// The request as the core takes it.
    pub(crate) fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> Request<'a> {
        let body_digest = self.body_digest.as_deref();
        Request { method: &self.method, url: &self.url, headers, body_digest }
    }
}
