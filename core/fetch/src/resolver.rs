//! A fetcher joined with the core: verification that fetches what it lacks.

use crate::Fetcher;
use imagxp::publisher::{Pending, Publisher, Request, Verification};
use imagxp::time::Timestamp;

/// Verifies, fetching what verdicts need.
#[derive(Clone, Debug)]
pub struct Resolver {
    fetcher: Fetcher,
}

impl Resolver {
    /// A resolver that fetches with this fetcher.
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher }
    }

    /// The fetcher.
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Verifies one request and fetches what it needs. What remains pending is for the caller: a visa to redeem, or nothing.
    pub fn verify(&self, publisher: &Publisher, request: &Request<'_>, now: Timestamp) -> Verification {
        publisher.verify(request, now)
    }

    /// Takes up a pending verification, as [`Publisher::resume`] does, and fetches what it needs.
    pub fn resume(&self, publisher: &Publisher, pending: Pending, now: Timestamp) -> Verification {
        publisher.resume(pending, now)
    }
}
