//! A request as it came, and a verification that waits for something.

use super::Verdict;
use crate::headers::HeaderLine;
use crate::time::Timestamp;

/// A request to verify.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, for example `GET`.
    pub method: &'a str,
    /// The request target (`/path?query`), or an absolute URL whose origin the server vouches for.
    ///
    /// Never build the latter from a `Host` header: its origin is compared with the policy's `origins`.
    pub url: &'a str,
    /// Every header line, in order, duplicates included.
    pub headers: &'a [HeaderLine<'a>],
    /// The RFC 9530 digest of the body, from [`crate::digest::content_digest`], if there is a body.
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
pub(super) const KEEP_S: i64 = MAX_PENDING_S + 5;

/// What has been spent already, and what has been learned meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) nonce_spent: bool,
    pub(super) use_counted: bool,
    pub(super) redemption: Option<Redemption>,
}

/// A verification that waits for something; it owns a copy of its request.
#[derive(Clone, Debug)]
pub struct Pending {
    method: String,
    url: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body_digest: Option<String>,
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
        Self {
            method: request.method.to_owned(),
            url: request.url.to_owned(),
            headers: request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            body_digest: request.body_digest.map(str::to_owned),
            received_at,
            progress,
            trace_id,
        }
    }

    /// Records the broker's answer to a [`super::NeedKind::Redeem`] need.
    pub fn redeemed(&mut self, answer: Redemption) {
        self.progress.redemption = Some(answer);
    }

    pub(super) fn with_request<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<HeaderLine<'_>> =
            self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        act(&Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body_digest: self.body_digest.as_deref(),
        })
    }
}
