//! A request as it came, and a verification that waits for something.

use super::Verdict;
use super::kept::Kept;
use crate::crypto::Thumbprint;
use crate::headers::HeaderLine;
use crate::purpose::Purpose;
use crate::replay::{Insert, ReplayEntry};
use crate::time::Timestamp;

/// A request to verify. Its `Debug` shows header names only: values may be cookies and visas.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, for example `GET`.
    pub method: &'a str,
    /// The request target (`/path?query`), or an absolute URL whose origin the server vouches for.
    ///
    /// Never build the latter from a `Host` header: its origin is compared with the policy's `origins`.
    pub url: &'a str,
    /// Every header line, in order, duplicates included.
    pub headers: &'a [HeaderLine<'a>],
    /// The RFC 9530 digest of the body, from [`crate::digest::content_digest`]; `None` while the body has not been read.
    ///
    /// A claim that names a digest is then refused with `claim.digest_mismatch`, before anything is spent and without an audit record: read the body
    /// and verify again. Who will not read it says so with an empty text, and that refusal is recorded.
    pub body_digest: Option<&'a str>,
}

/// The result of [`super::Publisher::verify`]: a verdict, and what to resume when it has needs.
#[derive(Debug)]
pub struct Verification {
    /// The verdict so far.
    pub verdict: Verdict,
    /// Present when the verdict has `needs`.
    pub pending: Option<Pending>,
}

/// A broker's answer about a visa that must be redeemed before the content is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The money stands behind the visa.
    Accepted,
    /// The broker refuses the visa.
    Refused,
    /// The broker cannot be asked.
    Unavailable,
}

/// How long a verification may stay pending, in seconds. Fetches have deadlines of 3 s at most; whoever waits longer signs again.
pub(super) const MAX_PENDING_S: i64 = 60;

/// How much longer than its claim or token lives a key is kept in the replay store, in seconds: two copies of a request that were both
/// pending when their time ran out must still meet each other there.
pub const KEEP_S: i64 = MAX_PENDING_S + 5;

/// What has been spent already, and what has been learned meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// For which purposes what was asked for is there, when not for all that the policy allows: step 10 refuses the others.
    pub(super) purposes: Vec<Purpose>,
    /// Whose signature of these very bytes has been found good: it is not checked twice.
    pub(super) signed_by: Option<Thumbprint>,
    /// What a replay store that answers later has been asked.
    pub(super) asked: Option<ReplayEntry>,
    /// What such a store has answered so far, by key.
    pub(super) inserted: Vec<([u8; 16], Insert)>,
    pub(super) nonce_spent: bool,
    pub(super) rate_taken: bool,
    /// Whether the publisher's own rule has allowed it.
    pub(super) rule_passed: bool,
    /// Which use of its token such a store was asked to count.
    pub(super) counting: Option<u32>,
    pub(super) redemption: Option<Redemption>,
}

impl Progress {
    /// Whether what was asked for is there for this purpose.
    pub(super) fn serves(&self, purpose: Purpose) -> bool {
        self.purposes.is_empty() || self.purposes.contains(&purpose)
    }
}

/// A verification that waits for something; it owns a copy of what it needs of its request, which cookies are not a part of.
///
/// It is resumed once, by value: what it has spent already must not serve two requests.
pub struct Pending {
    request: Kept,
    pub(super) received_at: Timestamp,
    pub(super) progress: Progress,
    pub(super) trace_id: [u8; 16],
}

impl Pending {
    pub(super) fn new(
        request: &Request<'_>,
        received_at: Timestamp,
        progress: Progress,
        trace_id: [u8; 16],
    ) -> Self {
        Self { request: Kept::new(request), received_at, progress, trace_id }
    }

    /// Records the broker's answer to a [`super::NeedKind::Redeem`] need.
    pub fn redeemed(&mut self, answer: Redemption) {
        self.progress.redemption = Some(answer);
    }

    /// What a replay store that answers later has to insert, if the verification waits for that ([`super::NeedKind::Replay`]).
    pub fn insertion(&self) -> Option<&ReplayEntry> {
        self.progress.asked.as_ref()
    }

    /// Records what the replay store answered to [`Pending::insertion`]. [`Insert::Later`] is no answer: it counts as [`Insert::Error`].
    pub fn inserted(&mut self, answer: Insert) {
        if let Some(entry) = self.progress.asked.take() {
            let answer = if answer == Insert::Later { Insert::Error } else { answer };
            self.progress.inserted.push((entry.key, answer));
        }
    }

    pub(super) fn with_request<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers = self.request.headers();
        act(&Request {
            method: self.request.method(),
            url: self.request.url(),
            headers: &headers,
            body_digest: self.request.body_digest(),
        })
    }
}

impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending")
            .field("method", &self.request.method())
            .field("url", &self.request.url())
            .field("received_at", &self.received_at)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_outlasts_what_is_pending() {
        assert_eq!((MAX_PENDING_S, KEEP_S), (60, 65));
    }

    #[test]
    fn debug_shows_no_values() {
        let headers: [HeaderLine<'_>; 2] = [(b"cookie", b"TOPSECRET"), (b"x-imagxp-payment", b"TOPSECRET")];
        let request = Request { method: "GET", url: "/", headers: &headers, body_digest: None };
        let pending = Pending::new(&request, Timestamp::from_secs(0), Progress::default(), [0; 16]);
        assert_eq!(pending.request.headers().len(), 1, "cookies are not kept");
        let shown = format!("{request:?} {pending:?}");
        assert!(!shown.contains("TOPSECRET"), "{shown}");
        assert!(shown.contains("x-imagxp-payment"), "{shown}");
    }
}
