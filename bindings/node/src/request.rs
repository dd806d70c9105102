//! A request as it came to a site: the arguments of one call, or one of a batch.

use crate::headers::Joined;
use crate::js::JsString;
use imagxp::Request;
use imagxp::headers::HeaderLine;

/// What is verified or explained.
pub(crate) struct Received {
    pub(crate) method: JsString,
    pub(crate) target: JsString,
    pub(crate) headers: Joined,
    pub(crate) count: u32,
    pub(crate) separator: u32,
    pub(crate) body_digest: Option<JsString>,
}

impl Received {
    /// The header lines, for [`Self::view`]; `None` as [`Joined::lines`] says.
    pub(crate) fn lines(&self) -> Option<Vec<HeaderLine<'_>>> {
        self.headers.lines(self.count, self.separator)
    }

    /// The request as the core takes it.
    pub(crate) fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> Request<'a> {
        let body_digest = self.body_digest.as_deref();
        Request { method: &self.method, url: &self.target, headers, body_digest }
    }
}
