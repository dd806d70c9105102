//! What a site does: one request in, one verdict out.

use crate::audit::{AuditLog, AuditSink, SwiftSink};
use crate::claim::Claim;
use crate::error::ImagxpError;
use crate::explain::Explanation;
use crate::feedback::{FeedbackInsertion, FeedbackVerification};
use crate::headers::Header;
use crate::key::entropy;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::replay::{MemoryReplayStore, ReplayStore, SwiftStore};
use crate::request::ReceivedRequest;
use crate::verdict::Verdict;
use crate::verification::{Pending, Verification};
use crate::{boundary, time};
use imagxp::publisher as core;
use imagxp::{Error, ErrorKind, Timestamp};
use std::sync::Arc;

pub(crate) use imagxp::publisher::FetchFailure;

/// Why a document could not be fetched.
#[uniffi::remote(Enum)]
pub(crate) enum FetchFailure {
    /// Network, TLS, deadline, or a 5xx status: it may work later.
    Failed,
    /// The server answers that there is no such document (404, 410).
    NotFound,
    /// The server redirects; redirects are not followed.
    Redirect,
    /// The name resolves to an address that must not be fetched from.
    AddressDenied,
    /// The fetcher has too much to do.
    Busy,
    /// The answer is too large, encoded, or not what it should be.
    Invalid,
}

/// A rule of the publisher's own. Whatever is thrown is `policy.error`: the request is answered with 503, never allowed.
#[uniffi::export(callback_interface)]
pub(crate) trait CustomPolicy: Send + Sync {
    /// Whether the request may pass. Asked last, before a visa is spent, with the verified claim and the decoded path, and for each reading of
    /// a path that servers read differently (`/a;b`, `//`, `%2F`): one `false` refuses.
    fn allows(&self, claim: Claim, path: String) -> Result<bool, ImagxpError>;
}

/// A site that verifies its readers; shared between tasks and threads without locks.
#[derive(uniffi::Object)]
pub(crate) struct Publisher {
    inner: core::Publisher,
    policy: Arc<Policy>,
    may_wait: bool,
}

#[uniffi::export]
impl Publisher {
    /// A publisher.
    ///
    /// `secret`: 16 random bytes that key the hashes of nonces, the same in every process that shares a replay store; made up when
    /// nil, except with a `replayStore`, which needs one. `memory` or `replayStore`: where nonces are kept, in memory with the default
    /// sizes when both are nil. `customPolicy`: asked last. `limits`: sizes. `auditLog` or `auditSink`: where each decided verdict is
    /// recorded before it is given; a failure is `audit.unavailable` (503). Throws `usage.argument` for a secret of another length, a
    /// `replayStore` without one, two stores, or two sinks.
    #[uniffi::constructor(default(secret = None, memory = None, replay_store = None, custom_policy = None, limits = None,
        audit_log = None, audit_sink = None))]
    #[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
    pub(crate) fn new(
        policy: Arc<Policy>,
        secret: Option<Vec<u8>>,
        memory: Option<Arc<MemoryReplayStore>>,
        replay_store: Option<Box<dyn ReplayStore>>,
        custom_policy: Option<Box<dyn CustomPolicy>>,
        limits: Option<Limits>,
        audit_log: Option<Arc<AuditLog>>,
        audit_sink: Option<Box<dyn AuditSink>>,
    ) -> Result<Arc<Self>, ImagxpError> {
        let may_wait =
            replay_store.is_some() || custom_policy.is_some() || audit_log.is_some() || audit_sink.is_some();
        let secret = match secret {
            Some(secret) => {
                secret.try_into().map_err(|_| ImagxpError::argument("the secret is not 16 bytes"))?
            }
            // Each process would make up its own, and count each nonce once more.
            None if replay_store.is_some() => {
                return Err(ImagxpError::argument(
                    "a shared replay store needs the `secret` that its processes share",
                ));
            }
            None => made_up()?,
        };
        // Processes that share a secret make trace ids from different numbers.
        let first_trace = u64::from_le_bytes(made_up()?);
        let mut inner = boundary::compute(|| {
            core::Publisher::new(policy.0.as_ref().clone(), secret).with_first_trace(first_trace)
        })?;
        inner = match (memory, replay_store) {
            (None, None) => inner,
            (Some(memory), None) => inner.with_replay_store(memory.0.clone()),
            (None, Some(store)) => inner.with_replay_store(Arc::new(SwiftStore(store))),
            (Some(_), Some(_)) => return Err(ImagxpError::argument("there are two replay stores")),
        };
        inner = match (audit_log, audit_sink) {
            (None, None) => inner,
            (Some(log), None) => inner.with_audit(log.0.clone()),
            (None, Some(sink)) => inner.with_audit(Arc::new(SwiftSink(sink))),
            (Some(_), Some(_)) => return Err(ImagxpError::argument("there are two audit sinks")),
        };
        if let Some(rule) = custom_policy {
            inner = inner.with_custom_policy(Arc::new(SwiftRule(rule)));
        }
        if let Some(limits) = limits {
            inner = inner.with_limits(limits.core());
        }
        Ok(Arc::new(Self { inner, policy, may_wait }))
    }

    /// The policy.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// Whether verifying may wait: for Swift code (a replay store, a rule, a sink), or for the disk of an audit log.
    pub(crate) fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Verifies one request.
    ///
    /// `url`: the request target (`/path?query`); its origin is the policy's, never a `Host` header's. `headers`: every line, in order,
    /// duplicates kept. `bodyDigest`: `contentDigest(body:)`; nil while the body has not been read, and a claim that names a digest is
    /// then refused with `claim.digest_mismatch`, before anything is spent and without an audit record: read the body and verify again.
    /// Empty when it will not be read: that refusal is recorded. Throws for a bug only: a refusal is a verdict.
    #[uniffi::method(default(now = None, body_digest = None))]
    pub(crate) fn verify(
        &self,
        method: String,
        url: String,
        headers: Vec<Header>,
        now: Option<Timestamp>,
        body_digest: Option<String>,
    ) -> Result<Verification, ImagxpError> {
        let received = ReceivedRequest { method, url, headers, body_digest };
        let lines = received.lines();
        let request = received.view(&lines);
        boundary::compute(|| Verification::of(self.inner.verify(&request, time::or_now(now))))
    }

    /// Verifies many requests, in order, with the verdicts of one after the other: of two copies of one request the second is a replay.
    /// Signatures of agents that are seen often are checked together.
    ///
    /// All are held to have come `now`: collect for milliseconds, not for longer. Those that are pending are resumed one by one.
    #[uniffi::method(default(now = None))]
    pub(crate) fn verify_batch(
        &self,
        requests: Vec<ReceivedRequest>,
        now: Option<Timestamp>,
    ) -> Result<Vec<Verification>, ImagxpError> {
        let lines: Vec<_> = requests.iter().map(ReceivedRequest::lines).collect();
        let requests: Vec<_> =
            requests.iter().zip(&lines).map(|(received, lines)| received.view(lines)).collect();
        boundary::compute(|| {
            let verified = self.inner.verify_batch(&requests, time::or_now(now));
            verified.into_iter().map(Verification::of).collect()
        })
    }

    /// Takes up a pending verification where it stopped. Only once: throws `usage.argument` the second time.
    #[uniffi::method(default(now = None))]
    pub(crate) fn resume(
        &self,
        pending: Arc<Pending>,
        now: Option<Timestamp>,
    ) -> Result<Verification, ImagxpError> {
        let pending = pending.take()?;
        boundary::compute(|| Verification::of(self.inner.resume(pending, time::or_now(now))))
    }

    /// Verifies without spending anything, and tells each step with what was expected and received.
    #[uniffi::method(default(now = None, body_digest = None))]
    pub(crate) fn explain(
        &self,
        method: String,
        url: String,
        headers: Vec<Header>,
        now: Option<Timestamp>,
        body_digest: Option<String>,
    ) -> Result<Explanation, ImagxpError> {
        let received = ReceivedRequest { method, url, headers, body_digest };
        let lines = received.lines();
        let request = received.view(&lines);
        boundary::compute(|| Explanation::of(self.inner.explain(&request, time::or_now(now))))
    }

    /// Verifies the value of `x-imagxp-feedback`, or the body of a POST.
    ///
    /// `carrier`: the verdict on the request that carried it; without it the feedback must name its agent, time and nonce. When the
    /// verdict has needs, fetch the manifest, `supply` it and call this again: nothing has been spent. A need of `.replay` is told in the
    /// result's `insertion`: when that has its answer, call this again with it as `inserted`, which counts once; else throws `usage.argument`.
    #[uniffi::method(default(carrier = None, now = None, inserted = None))]
    pub(crate) fn feedback(
        &self,
        value: &[u8],
        carrier: Option<Verdict>,
        now: Option<Timestamp>,
        inserted: Option<Arc<FeedbackInsertion>>,
    ) -> Result<FeedbackVerification, ImagxpError> {
        let carrier = carrier.as_ref().map(|verdict| &verdict.record.0);
        let told = inserted.map(|insertion| insertion.take()).transpose()?;
        let now = time::or_now(now);
        boundary::compute(|| {
            FeedbackVerification::of(match told {
                Some((entry, answer)) => self.inner.feedback_inserted(value, carrier, &entry, answer, now),
                None => self.inner.feedback(value, carrier, now),
            })
        })
    }

    /// Hands in the body that a URL from `needs` answered with, and its `Cache-Control: max-age` in seconds if it had one.
    ///
    /// A body that breaks a rule is recorded as a failure and thrown; resume either way.
    #[uniffi::method(default(max_age = None, now = None))]
    pub(crate) fn supply(
        &self,
        url: &str,
        body: &[u8],
        max_age: Option<u32>,
        now: Option<Timestamp>,
    ) -> Result<(), ImagxpError> {
        boundary::call(|| self.inner.supply(url, body, max_age, time::or_now(now)))
    }

    /// Reports that a URL from `needs` could not be fetched.
    #[uniffi::method(default(now = None))]
    pub(crate) fn supply_failure(
        &self,
        url: &str,
        failure: FetchFailure,
        now: Option<Timestamp>,
    ) -> Result<(), ImagxpError> {
        boundary::call(|| self.inner.supply_failure(url, failure, time::or_now(now)))
    }
}

/// A rule written in Swift.
struct SwiftRule(Box<dyn CustomPolicy>);

impl core::CustomPolicy for SwiftRule {
    fn allows(&self, claim: &imagxp::Claim, path: &str) -> imagxp::Result<bool> {
        let answer = self.0.allows(Claim::of(claim), path.to_owned());
        answer.map_err(|_| Error::new(ErrorKind::Policy, "the custom policy failed"))
    }
}

fn made_up<const BYTES: usize>() -> Result<[u8; BYTES], ImagxpError> {
    let mut random = [0; BYTES];
    entropy(&mut random)?;
    Ok(random)
}
