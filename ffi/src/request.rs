//! Requests to verify.

use crate::boundary::{accessor, boundary};
use crate::bytes::imagxp_slice;
use crate::error::imagxp_error;
use crate::handle::{give, lent, need};
use crate::status::imagxp_status;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::ops::Range;
use imagxp::headers::HeaderLine;
use imagxp::{Error, Request, Result};

/// A request as it came. It holds copies, so that the server's buffers may go.
pub struct imagxp_request {
    method: String,
    url: String,
    /// Every name and value one after the other: one allocation, however many headers there are.
    text: Vec<u8>,
    lines: Vec<Line>,
    body_digest: Option<String>,
}

struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl imagxp_request {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        act(&self.view(&self.lines()))
    }

    /// The header lines, for [`Self::view`].
    pub(crate) fn lines(&self) -> Vec<HeaderLine<'_>> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.lines.iter().map(|line| (part(&line.name), part(&line.value))).collect()
    }

    /// The request as the core takes it.
    pub(crate) fn view<'a>(&'a self, headers: &'a [HeaderLine<'a>]) -> Request<'a> {
        Request { method: &self.method, url: &self.url, headers, body_digest: self.body_digest.as_deref() }
    }

    fn read(method: imagxp_slice<'_>, url: imagxp_slice<'_>, headers: &[imagxp_slice<'_>]) -> Result<Self> {
        let mut total = 0_usize;
        for part in headers {
            total = total
                .checked_add(part.bytes()?.len())
                .ok_or_else(|| Error::argument("the headers are too large"))?;
        }
        let mut request = Self {
            // A stranger chose these bytes, so whatever they are, the answer is a verdict: a method that is not text is allowed nowhere.
            method: String::from_utf8_lossy(method.bytes()?).into_owned(),
            url: escape(url.bytes()?),
            text: Vec::with_capacity(total),
            lines: Vec::with_capacity(headers.len() / 2),
            body_digest: None,
        };
        for pair in headers.chunks_exact(2) {
            if let [name, value] = pair {
                let line = Line { name: request.append(*name)?, value: request.append(*value)? };
                request.lines.push(line);
            }
        }
        Ok(request)
    }

    fn append(&mut self, part: imagxp_slice<'_>) -> Result<Range<usize>> {
        let start = self.text.len();
        self.text.extend_from_slice(part.bytes()?);
        Ok(start..self.text.len())
    }
}

/// A URL as text: bytes that are not UTF-8 are percent-encoded, which names the same resource (RFC 3986 section 2.1).
fn escape(url: &[u8]) -> String {
    let mut text = String::with_capacity(url.len());
    for chunk in url.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Copies a request. Free it with `imagxp_request_free`.
///
/// `url` is the request target (`/path?query`) or an absolute URL whose origin the server itself vouches for: never build that
/// from a `Host` header. `headers` points to 2 x `header_count` slices: name, value, name, value, ..., every line in order, duplicates included;
/// it may be NULL when `header_count` is 0. Whatever a stranger may put into method, URL and headers is accepted here and judged by the verdict.
///
/// # Safety
/// `headers` points to 2 x `header_count` slices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imagxp_request_new(
    method: imagxp_slice<'_>,
    url: imagxp_slice<'_>,
    headers: *const imagxp_slice<'_>,
    header_count: usize,
    request: Option<&mut MaybeUninit<*mut imagxp_request>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give(request, || {
            let count = header_count
                .checked_mul(2)
                .ok_or_else(|| Error::argument(format!("there cannot be {header_count} headers")))?;
            // SAFETY: this function's.
            let headers = unsafe { lent(headers, count, "headers") }?;
            imagxp_request::read(method, url, headers)
        })
    })
}

/// Tells the RFC 9530 digest of the request's body, from `imagxp_content_digest`. As long as it has not been told, a claim that has a
/// `content_digest` is refused with `IMAGXP_CLAIM_DIGEST_MISMATCH` before anything is spent, and without an audit record: read the body, tell
/// its digest, and verify again. Empty: the body will not be read; that refusal is recorded.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_request_set_body_digest(
    request: Option<&mut imagxp_request>,
    digest: imagxp_slice<'_>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        let digest = digest.text("digest")?.to_owned();
        need(request, "request")?.body_digest = Some(digest);
        Ok(())
    })
}

/// Frees the request. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_request_free(request: Option<Box<imagxp_request>>) {
    accessor((), || drop(request));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_percent_encoded() {
        assert_eq!(escape(b"/caf\xc3\xa9?q=1"), "/café?q=1");
        assert_eq!(escape(b"/\xff/\xc3"), "/%FF/%C3");
        assert_eq!(escape(b""), "");
    }
}
