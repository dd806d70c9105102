//! A fetcher joined with the core: verification that fetches what it lacks.

use crate::{Answer, Dnssec, FetchError, Fetcher, Profile};
use core::fmt;
use core::num::NonZeroUsize;
use imagxp::Error;
use imagxp::publisher::{
    KeyBinding, Need, NeedKind, Pending, Publisher, Request, Verdict, Verification, Warning,
};
use imagxp::time::Timestamp;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A manifest and a key set, and each once more when it lacks a key.
const MAX_ROUNDS: usize = 6;
/// As many agents as a publisher's directory holds by default (PROTOCOL §4).
const AGENTS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Verifies, fetching the manifests and key sets that verdicts need. Cheap to clone.
///
/// Nothing is decided here: the publisher decides, and the fetcher keeps the rules. A document that cannot be fetched is reported to
/// the publisher, whose verdict then has the code for it (`identity.fetch_failed`, `identity.redirect`, `payment.jwks_unavailable` …).
#[derive(Clone)]
pub struct Resolver {
    fetcher: Fetcher,
    /// Manifests that came by way of names without DNSSEC. Kept only when the fetcher validates.
    insecure: Arc<Mutex<LruCache<String, ()>>>,
}

impl Resolver {
    /// A resolver that fetches with this fetcher.
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, insecure: Arc::new(Mutex::new(LruCache::new(AGENTS))) }
    }

    /// The fetcher.
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Verifies one request and fetches what it needs.
    ///
    /// What remains pending is the caller's: a visa to redeem ([`Pending::redeemed`], then [`Resolver::resume`]). A verdict that is
    /// undecided without needs stays so. Blocks for the fetches' deadlines at most; a known agent's request fetches nothing.
    pub fn verify(&self, publisher: &Publisher, request: &Request<'_>, now: Timestamp) -> Verification {
        let clock = Clock::new(now);
        self.settle(publisher, publisher.verify(request, now), &clock)
    }

    /// Takes up a pending verification, as [`Publisher::resume`] does, and fetches what it needs.
    pub fn resume(&self, publisher: &Publisher, pending: Pending, now: Timestamp) -> Verification {
        let clock = Clock::new(now);
        self.settle(publisher, publisher.resume(pending, now), &clock)
    }

    /// Fetches one need and hands it to the publisher: for callers with an event loop, who wait for it elsewhere and then resume.
    ///
    /// Errors, which the publisher has recorded and its next verdict tells: `identity.*` when it could not be fetched or is no
    /// manifest, `key.malformed` when it is no key set. `usage.argument`: a visa to redeem cannot be fetched.
    pub fn supply(&self, publisher: &Publisher, need: &Need, now: Timestamp) -> imagxp::Result<()> {
        let clock = Clock::new(now);
        let profile =
            profile(publisher, need).ok_or_else(|| Error::argument("a visa to redeem is the caller's"))?;
        self.hand_over(publisher, need, self.fetcher.get(&need.url, profile), clock.now())
    }

    /// [`Resolver::verify`] within a tokio run-time. The core's own work, and the replay store's, is done in place.
    #[cfg(feature = "async")]
    pub async fn verify_async(
        &self,
        publisher: &Publisher,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Verification {
        let clock = Clock::new(now);
        self.settle_async(publisher, publisher.verify(request, now), &clock).await
    }

    /// [`Resolver::resume`] within a tokio run-time.
    #[cfg(feature = "async")]
    pub async fn resume_async(
        &self,
        publisher: &Publisher,
        pending: Pending,
        now: Timestamp,
    ) -> Verification {
        let clock = Clock::new(now);
        self.settle_async(publisher, publisher.resume(pending, now), &clock).await
    }

    fn settle(&self, publisher: &Publisher, mut verification: Verification, clock: &Clock) -> Verification {
        for _ in 0..MAX_ROUNDS {
            let Some(pending) = take_fetchable(publisher, &mut verification) else { break };
            for need in &verification.verdict.needs {
                if let Some(profile) = profile(publisher, need) {
                    let _told =
                        self.hand_over(publisher, need, self.fetcher.get(&need.url, profile), clock.now());
                }
            }
            verification = publisher.resume(pending, clock.now());
        }
        self.warn(&mut verification.verdict);
        verification
    }

    #[cfg(feature = "async")]
    async fn settle_async(
        &self,
        publisher: &Publisher,
        mut verification: Verification,
        clock: &Clock,
    ) -> Verification {
        for _ in 0..MAX_ROUNDS {
            let Some(pending) = take_fetchable(publisher, &mut verification) else { break };
            for need in &verification.verdict.needs {
                if let Some(profile) = profile(publisher, need) {
                    let result = self.fetcher.get_async(&need.url, profile).await;
                    let _told = self.hand_over(publisher, need, result, clock.now());
                }
            }
            verification = publisher.resume(pending, clock.now());
        }
        self.warn(&mut verification.verdict);
        verification
    }

    /// Hands over what came, or that nothing came. Either is recorded, and the publisher's next verdict tells.
    fn hand_over(
        &self,
        publisher: &Publisher,
        need: &Need,
        result: Result<Answer, FetchError>,
        now: Timestamp,
    ) -> imagxp::Result<()> {
        match result {
            Ok(answer) => {
                if need.kind == NeedKind::Manifest && self.fetcher.options().dnssec {
                    self.remember(&need.url, answer.dnssec);
                }
                publisher.supply(&need.url, &answer.body, answer.max_age(), now)
            }
            Err(error) => {
                publisher.supply_failure(&need.url, error.failure, now)?;
                Err(error.into())
            }
        }
    }

    fn remember(&self, url: &str, dnssec: Dnssec) {
        let mut insecure = self.insecure.lock().unwrap_or_else(PoisonError::into_inner);
        if dnssec == Dnssec::Insecure {
            insecure.put(url.to_owned(), ());
        } else {
            insecure.pop(url);
        }
    }

    /// Says of a verified agent that nothing but its name servers' word stands behind its address.
    fn warn(&self, verdict: &mut Verdict) {
        if !self.fetcher.options().dnssec || verdict.binding != KeyBinding::Domain {
            return;
        }
        let Some(url) = verdict.agent_id.as_ref().map(imagxp::AgentId::manifest_url) else { return };
        if self.insecure.lock().unwrap_or_else(PoisonError::into_inner).get(&url).is_some() {
            verdict.warnings.push(Warning::DnssecInsecure);
        }
    }
}

/// What is pending, when every need of it can be fetched. A visa to redeem is for the caller.
fn take_fetchable(publisher: &Publisher, verification: &mut Verification) -> Option<Pending> {
    let needs = &verification.verdict.needs;
    (!needs.is_empty() && needs.iter().all(|need| profile(publisher, need).is_some()))
        .then(|| verification.pending.take())
        .flatten()
}

/// How a need is fetched; a manifest may be as long as the publisher reads.
const fn profile(publisher: &Publisher, need: &Need) -> Option<Profile> {
    match need.kind {
        NeedKind::Manifest => Some(Profile { max_body: publisher.limits().manifest(), ..Profile::MANIFEST }),
        NeedKind::Jwks => Some(Profile::JWKS),
        NeedKind::Redeem | NeedKind::Replay => None,
    }
}

/// The caller's time, which goes on while something is fetched.
struct Clock {
    start: Timestamp,
    since: Instant,
}

impl Clock {
    fn new(start: Timestamp) -> Self {
        Self { start, since: Instant::now() }
    }

    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start.saturating_add_millis(millis)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("fetcher", &self.fetcher).finish_non_exhaustive()
    }
}
