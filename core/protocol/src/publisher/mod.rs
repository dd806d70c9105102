//! What a site does: one request in, one verdict out (PROTOCOL §§5, 6).
//!
//! A [`Publisher`] holds a policy and what it has learned: keys, nonces, rates. It does no I/O: a verdict that lacks a document says so
//! in `needs`; the caller fetches it, calls [`Publisher::supply`] and then [`Publisher::resume`].

mod audit;
mod batch;
mod bind;
mod bots;
mod conclude;
mod feedback;
mod identify;
mod kept;
mod nonce;
mod pay;
mod presented;
mod rate;
mod read;
mod refusal;
mod request;
mod supply;
mod unsigned;
mod uses;
mod verdict;
mod verify;

pub use feedback::FeedbackVerification;
pub use rate::{MemoryRateStore, RateStore};
pub use request::{KEEP_S, Pending, Redemption, Request, Verification};
pub use supply::FetchFailure;
pub use verdict::{
    KeyBinding, Need, NeedKind, Outcome, PaymentFacts, PaymentState, Verdict, Visitor, Warning,
};

use crate::audit::AuditSink;
use crate::claim::Claim;
use crate::crypto::HotKeys;
use crate::directory::Directory;
use crate::error::Error;
#[cfg(feature = "explain")]
use crate::explain::Explanation;
use crate::jwks_cache::JwksCache;
use crate::limits::Limits;
use crate::policy::{Mode, Policy};
use crate::purpose::Purpose;
use crate::replay::{Keyer, MemoryReplayStore, ReplayStore};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use crate::time::Timestamp;
use crate::visa::SeenTokens;
use bots::BotList;
use core::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A rule of the publisher's own, asked last (step 12 of PROTOCOL §5), and before a visa is spent: what it refuses costs none.
pub trait CustomPolicy: Send + Sync {
    /// Whether this verified claim, whose payment is good where one is asked for, may pass: `false` is `policy.denied`, an error `policy.error`
    /// (503). A request that waits for its broker or its store afterwards is not asked about again.
    ///
    /// Asked about each of the [paths](crate::resource::path_readings) that servers may take the request for, until one may not pass; nearly
    /// all requests have one.
    fn allows(&self, claim: &Claim, path: &str) -> Result<bool, Error>;
}

/// A site that verifies its readers. Shared between threads without further locks.
pub struct Publisher {
    policy: Policy,
    mode: Mode,
    limits: Limits,
    keyer: Keyer,
    replay: Arc<dyn ReplayStore>,
    custom: Option<Arc<dyn CustomPolicy>>,
    audit: Option<Arc<dyn AuditSink>>,
    directory: Mutex<Directory>,
    hot: HotKeys,
    jwks: Mutex<JwksCache>,
    visas: Mutex<SeenTokens>,
    rates: Arc<dyn RateStore>,
    bots: BotList,
    counter: AtomicU64,
}

impl Publisher {
    /// A publisher with an in-memory replay store.
    ///
    /// `secret` keys the hashes of nonces: 16 random bytes, the same in every process that shares a replay store.
    pub fn new(policy: Policy, secret: [u8; 16]) -> Self {
        let limits = Limits::DEFAULT;
        let payment = &policy.document().payment;
        let urls = payment.brokers.iter().map(|broker| broker.jwks_uri.clone());
        let jwks =
            JwksCache::new(urls.chain(payment.ad_networks.iter().map(|network| network.jwks_uri.clone())));
        Self {
            mode: policy.document().mode,
            policy,
            limits,
            keyer: Keyer::new(secret),
            replay: Arc::new(MemoryReplayStore::default()),
            custom: None,
            audit: None,
            directory: Mutex::new(Directory::new(limits.directory())),
            hot: HotKeys::default(),
            jwks: Mutex::new(jwks),
            visas: Mutex::new(SeenTokens::new()),
            rates: Arc::new(MemoryRateStore::new(limits.directory())),
            bots: BotList::new(),
            counter: AtomicU64::new(0),
        }
    }

    /// Uses another replay store, for example one that several processes share.
    #[must_use]
    pub fn with_replay_store(mut self, store: Arc<dyn ReplayStore>) -> Self {
        self.replay = store;
        self
    }

    /// Uses other limits, and forgets a rate store that was set before.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.directory = Mutex::new(Directory::new(limits.directory()));
        self.rates = Arc::new(MemoryRateStore::new(limits.directory()));
        self
    }

    /// Keeps rates elsewhere, for example where several processes share them.
    #[must_use]
    pub fn with_rate_store(mut self, store: Arc<dyn RateStore>) -> Self {
        self.rates = store;
        self
    }

    /// Uses at most so many bytes for the tables of keys that are seen often; 16 MiB by default, 0 for none.
    #[must_use]
    pub fn with_hot_keys(mut self, max_bytes: usize) -> Self {
        self.hot = HotKeys::new(max_bytes);
        self
    }

    /// The tables of keys that are seen often: agents' by the directory, and issuers' of visas. How many, and how large.
    pub fn hot_keys(&self) -> &HotKeys {
        &self.hot
    }

    /// Enforces or observes, whatever the policy's `mode` says.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets from which number trace ids are made. Processes that share a secret begin with different ones (random numbers will do), so that no
    /// two verdicts have the same trace id.
    #[must_use]
    pub fn with_first_trace(mut self, number: u64) -> Self {
        self.counter = AtomicU64::new(number);
        self
    }

    /// Goes on with trace ids from another number: for a process that was forked, and would otherwise make those of its parent.
    pub fn begin_traces(&self, number: u64) {
        self.counter.store(number, Ordering::Relaxed);
    }

    /// Adds a rule of the publisher's own.
    #[must_use]
    pub fn with_custom_policy(mut self, custom: Arc<dyn CustomPolicy>) -> Self {
        self.custom = Some(custom);
        self
    }

    /// Records each decided verdict before it is given (step 13 of PROTOCOL §5, §12). A sink that fails makes the verdict
    /// `audit.unavailable`.
    ///
    /// A verdict with `needs` is recorded when it has been resumed; [`Publisher::explain`] records nothing; visitors without a signature
    /// are recorded when the sink [wants them](AuditSink::wants_unsigned).
    #[must_use]
    pub fn with_audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(sink);
        self
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The sizes that are accepted: whoever fetches a manifest need not read more than [`Limits::manifest`].
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Verifies one request, in exactly the order of PROTOCOL §5.
    ///
    /// When the verdict has `needs`, the verification is pending: fetch what they name, [`Publisher::supply`] it, then
    /// [`Publisher::resume`]. Nothing that has been spent is spent again.
    pub fn verify(&self, request: &Request<'_>, now: Timestamp) -> Verification {
        self.verify_for(request, &[], now)
    }

    /// [`Publisher::verify`] for a page that is there for some purposes only, whatever the policy allows beyond them. Any other is refused at step
    /// 10 with `policy.purpose_denied`, before a visa is spent. None named: all that the policy allows.
    pub fn verify_for(&self, request: &Request<'_>, purposes: &[Purpose], now: Timestamp) -> Verification {
        let progress = request::Progress { purposes: purposes.to_vec(), ..request::Progress::default() };
        let trace_id = self.keyer.trace(self.counter.fetch_add(1, Ordering::Relaxed), now);
        verify::run(self, request, now, now, progress, trace_id)
    }

    /// Takes up a pending verification where it stopped. The claim's time is judged by when the request came, not by `now`; after more
    /// than 60 s it is `time.expired` all the same.
    pub fn resume(&self, mut pending: Pending, now: Timestamp) -> Verification {
        let progress = core::mem::take(&mut pending.progress);
        pending.with_request(|request| {
            verify::run(self, request, pending.received_at, now, progress, pending.trace_id)
        })
    }

    /// Verifies without spending anything, and tells each step with what was expected and received.
    ///
    /// It reads this publisher's real state and asks the publisher's own rule, so it says what [`Publisher::verify`] would say now, but for
    /// a store that is full.
    #[cfg(feature = "explain")]
    pub fn explain(&self, request: &Request<'_>, now: Timestamp) -> Explanation {
        verify::explain(self, request, now, self.keyer.trace(u64::MAX, now))
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    fn visas(&self) -> MutexGuard<'_, SeenTokens> {
        lock(&self.visas)
    }

    fn jwks(&self) -> MutexGuard<'_, JwksCache> {
        lock(&self.jwks)
    }
}

/// The caches hold derived knowledge only and no code panics between changes that belong together: a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl core::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Publisher").field("origins", &self.policy.origins()).finish_non_exhaustive()
    }
}
