//! A request's own copy, for as long as its verification is pending.

use super::Request;
use crate::headers::{self, HeaderLine};

/// What a verification reads of a request, in three pieces of memory: however many header lines there are, keeping them costs the same.
pub(super) struct Kept {
    /// Method, URL and digest, one after the other.
    text: String,
    method: usize,
    /// Where the URL ends.
    url: usize,
    has_digest: bool,
    /// Names and values, one after the other, and how long each is.
    lines: Vec<u8>,
    lengths: Vec<(usize, usize)>,
}

impl Kept {
    /// Copies what concerns agents; cookies do not.
    pub(super) fn new(request: &Request<'_>) -> Self {
        let kept = || request.headers.iter().filter(|(name, _)| headers::concerns_agents(name));
        let lengths: Vec<_> = kept().map(|(name, value)| (name.len(), value.len())).collect();
        let mut lines = Vec::with_capacity(lengths.iter().map(|(name, value)| name + value).sum());
        kept().for_each(|(name, value)| {
            [name, value].into_iter().for_each(|part| lines.extend_from_slice(part))
        });
        let digest = request.body_digest;
        Self {
            text: [request.method, request.url, digest.unwrap_or_default()].concat(),
            method: request.method.len(),
            url: request.method.len() + request.url.len(),
            has_digest: digest.is_some(),
            lines,
            lengths,
        }
    }

    pub(super) fn method(&self) -> &str {
        self.text.get(..self.method).unwrap_or_default()
    }

    pub(super) fn url(&self) -> &str {
        self.text.get(self.method..self.url).unwrap_or_default()
    }

    pub(super) fn body_digest(&self) -> Option<&str> {
        self.text.get(self.url..).filter(|_| self.has_digest)
    }

    pub(super) fn headers(&self) -> Vec<HeaderLine<'_>> {
        let mut rest = self.lines.as_slice();
        let mut take = |length: usize| {
            let (part, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            part
        };
        self.lengths.iter().map(|(name, value)| (take(*name), take(*value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_concerns_agents() {
        let lines: [HeaderLine<'_>; 5] = [
            (b"cookie", b"secret"),
            (b"x-imagxp-payload", b"p"),
            (b"X-Imagxp-Other", b""),
            (b"accept-language", b"en"),
            (b"User-Agent", b"bot"),
        ];
        for body_digest in [None, Some(""), Some("sha-256=:AA==:")] {
            for (method, url) in [("GET", "/a?b"), ("", ""), ("PÖST", "/é")] {
                let kept = Kept::new(&Request { method, url, headers: &lines, body_digest });
                assert_eq!((kept.method(), kept.url(), kept.body_digest()), (method, url, body_digest));
                assert_eq!(kept.headers(), [lines[1], lines[2], lines[4]]);
            }
        }
        let none = Kept::new(&Request { method: "GET", url: "/", headers: &[], body_digest: None });
        assert!(none.headers().is_empty());
    }
}
