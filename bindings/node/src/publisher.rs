//! What a site does: one request in, one verdict out.

use crate::audit::{AuditLog, JavaScriptSink};
use crate::claim::Claim;
use crate::explain::Explanation;
use crate::feedback::FeedbackVerification;
use crate::headers::Joined;
use crate::host;
use crate::js::{
    Anything, Bytes, Callback, ClassInstance, JsBoolean, JsNumber, JsString, List, Text, arguments,
};
use crate::json::Json;
use crate::limits::Limits;
use crate::options::options;
use crate::policy::Policy;
use crate::presented::Presented;
use crate::replay::{JavaScriptStore, MemoryReplayStore};
use crate::replay_stores::DistantStore;
use crate::request::Received;
use crate::time::{self, Time};
use crate::verdict::Verdict;
use crate::verification::Pending;
use crate::{boundary, errors, js, key};
use imagxp::publisher::{self as core, FetchFailure};
use imagxp::{Error, ErrorKind};
use napi::bindgen_prelude::FnArgs;
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;

options! {
    /// What a publisher is made of besides its policy.
    PublisherOptions {
        /// 16 random bytes that key the hashes of nonces, the same in every process that shares a replay store; made up when not given, except for
        /// a store in Redis or PostgreSQL.
        secret: Option<Bytes>,
        /// In memory unless given.
        #[napi(ts_type = "MemoryReplayStore | RedisReplayStore | PostgresReplayStore | ReplayStore")]
        replay_store: Option<Anything>,
        /// Called last, before a visa is spent, with the verified claim and the decoded path; returns whether the request may pass. Called for
        /// each reading of a path that servers read differently (`/a;b`, `//`, `%2F`): one `false` refuses. What it throws, and every answer
        /// that is no boolean, is `policy.error` (503).
        #[napi(ts_type = "(claim: Claim, path: string) => boolean")]
        custom_policy: Option<Anything>,
        /// The protocol's defaults unless given.
        limits: Option<ClassInstance<Limits>>,
        /// A log, or a function that takes the record's JSON and the manifest in force (or `null`), both bytes, and keeps them before it
        /// returns. What it throws is `audit.unavailable` (503), and so is a promise.
        #[napi(ts_type = "AuditLog | ((record: Uint8Array, manifest: Uint8Array | null) => void | undefined)")]
        audit: Option<Anything>,
    }
}

options! {
    /// What `Publisher.verify` also takes.
    VerifyOptions {
        /// The time of the request; the clock's unless given.
        now: Option<Time>,
        /// `contentDigest(body)` when there is a body.
        body_digest: Option<JsString>,
    }
}

options! {
    /// The time, where nothing else can be said.
    NowOptions {
        /// The clock's unless given.
        now: Option<Time>,
    }
}

options! {
    /// What `Publisher.supply` also takes.
    SupplyOptions {
        /// The answer's `Cache-Control: max-age` in seconds, if it had one.
        max_age: Option<JsNumber>,
        /// The clock's unless given.
        now: Option<Time>,
    }
}

options! {
    /// What `Publisher.feedback` also takes.
    FeedbackOptions {
        /// The verdict on the request that carried it; without it the feedback must name its agent, time and nonce.
        carrier: Option<ClassInstance<Verdict>>,
        /// What the same call answered before, when its verdict needed `replay` and `FeedbackVerification.insert` has done that.
        inserted: Option<ClassInstance<FeedbackVerification>>,
        /// The clock's unless given.
        now: Option<Time>,
    }
}

/// A site that verifies its readers.
#[napi]
pub struct Publisher {
    pub(crate) inner: Arc<core::Publisher>,
    policy: Arc<imagxp::Policy>,
    distant: Option<Arc<DistantStore>>,
}

/// A rule of the publisher's own, written in JavaScript.
struct JavaScriptRule(Callback<FnArgs<(Claim, String)>>);

impl core::CustomPolicy for JavaScriptRule {
    fn allows(&self, claim: &imagxp::Claim, path: &str) -> imagxp::Result<bool> {
        let (claim, path) = (Claim::new(claim.clone()), path.to_owned());
        let answer = self.0.call(|| arguments((claim, path)), |answer| answer.read::<JsBoolean>());
        answer.map(|allowed| allowed.0).map_err(|error| {
            host::warn("the custom policy failed", error);
            Error::new(ErrorKind::Policy, "the custom policy failed; see the process warning")
        })
    }
}

#[napi]
impl Publisher {
    /// A publisher with this policy.
    #[napi(constructor)]
    pub fn new(env: Env, policy: ClassInstance<Policy>, options: Option<PublisherOptions>) -> Result<Self> {
        let options = options.unwrap_or(PublisherOptions {
            secret: None,
            replay_store: None,
            custom_policy: None,
            limits: None,
            audit: None,
        });
        let distant = options.replay_store.as_ref().and_then(DistantStore::of).map(Arc::new);
        if distant.is_some() && options.secret.is_none() {
            return Err(errors::argument(
                "a shared replay store needs the `secret` that its processes share",
            ));
        }
        let secret: [u8; 16] = match options.secret {
            Some(secret) => {
                (*secret).try_into().map_err(|_| errors::argument("the secret is not 16 bytes"))?
            }
            None => boundary::call(|| {
                let mut secret = [0; 16];
                key::entropy(&mut secret)?;
                Ok(secret)
            })?,
        };
        let mut first = [0; 8];
        boundary::call(|| key::entropy(&mut first))?;
        // Processes that share a secret, and threads of one, name their verdicts from another number on.
        let mut inner = core::Publisher::new(policy.0.as_ref().clone(), secret)
            .with_first_trace(u64::from_ne_bytes(first));
        if let Some(store) = &distant {
            inner = inner.with_replay_store(Arc::<DistantStore>::clone(store));
        } else if let Some(store) = options.replay_store {
            inner = match store.read::<ClassInstance<MemoryReplayStore>>() {
                Ok(memory) => {
                    inner.with_replay_store(Arc::<imagxp::replay::MemoryReplayStore>::clone(&memory.0))
                }
                Err(_) => {
                    let store = js::named("replayStore", || JavaScriptStore::new(env, &store))?;
                    inner.with_replay_store(Arc::new(store))
                }
            };
        }
        if let Some(rule) = options.custom_policy {
            let rule = Callback::new(env, &rule, "customPolicy")?;
            inner = inner.with_custom_policy(Arc::new(JavaScriptRule(rule)));
        }
        if let Some(audit) = options.audit {
            inner = match audit.read::<ClassInstance<AuditLog>>() {
                Ok(log) => inner.with_audit(log.shared()),
                Err(_) => inner.with_audit(Arc::new(JavaScriptSink::new(env, &audit)?)),
            };
        }
        if let Some(limits) = options.limits {
            inner = inner.with_limits(limits.0);
        }
        Ok(Self { inner: Arc::new(inner), policy: Arc::clone(&policy.0), distant })
    }

    /// The policy.
    #[napi(getter)]
    pub fn policy(&self) -> Policy {
        Policy(Arc::clone(&self.policy))
    }

    /// Verifies one request.
    ///
    /// `target`: the request target (`/path?query`, `req.url`); its origin is the policy's, never a `Host` header's. `headers`: every line:
    /// `req.rawHeaders` is best, because a map hides duplicates.
    #[napi(
        ts_args_type = "method: string, target: string, headers: Headers, options?: VerifyOptions",
        ts_return_type = "Verification"
    )]
    pub fn verify(
        &self,
        method: JsString,
        target: JsString,
        headers: Joined,
        count: u32,
        separator: u32,
        options: Option<VerifyOptions>,
    ) -> Result<Option<Verdict>> {
        let (now, body_digest) = options.map_or((None, None), |options| (options.now, options.body_digest));
        let received = Received { method, target, headers, count, separator, body_digest };
        let Some(lines) = received.lines() else { return Ok(None) };
        let (request, now) = (received.view(&lines), time::or_now(now));
        let verification = boundary::compute(|| self.inner.verify(&request, now))?;
        Ok(Some(self.told(verification)))
    }

    /// Verifies many requests, in order, with the verdicts of one after the other: of two copies of one request the second is a replay. One
    /// crossing for all of them, and signatures of agents that are seen often are checked together.
    ///
    /// All are held to have come `now`: collect for milliseconds, not for longer. Those that are pending are resumed one by one.
    #[napi(
        ts_args_type = "requests: readonly (readonly [method: string, target: string, headers: Headers, bodyDigest?: string | null])[], options?: NowOptions",
        ts_return_type = "Array<Verification>"
    )]
    pub fn verify_batch(
        &self,
        texts: List<JsString>,
        shapes: List<u32>,
        digests: List<Option<JsString>>,
        headers: List<Joined>,
        options: Option<NowOptions>,
    ) -> Result<Option<Vec<Verdict>>> {
        let now = time::or_now(options.and_then(|options| options.now));
        let (mut texts, mut shapes) = (texts.0.into_iter(), shapes.0.into_iter());
        let mut requests = Vec::with_capacity(headers.0.len());
        for (headers, body_digest) in headers.0.into_iter().zip(digests.0) {
            let (Some(method), Some(target), Some(count), Some(separator)) =
                (texts.next(), texts.next(), shapes.next(), shapes.next())
            else {
                return Ok(None);
            };
            requests.push(Received { method, target, headers, count, separator, body_digest });
        }
        let Some(lines) = requests.iter().map(Received::lines).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let requests: Vec<_> =
            requests.iter().zip(&lines).map(|(received, lines)| received.view(lines)).collect();
        let verified = boundary::compute(|| self.inner.verify_batch(&requests, now))?;
        Ok(Some(verified.into_iter().map(|verification| self.told(verification)).collect()))
    }

    /// Takes up a pending verification where it stopped; only once.
    #[napi(ts_args_type = "pending: Pending, options?: NowOptions", ts_return_type = "Verification")]
    pub fn resume(&self, pending: ClassInstance<Pending>, options: Option<NowOptions>) -> Result<Verdict> {
        let now = time::or_now(options.and_then(|options| options.now));
        let pending = pending.take()?;
        let verification = boundary::compute(|| self.inner.resume(pending, now))?;
        Ok(self.told(verification))
    }

    /// Verifies without spending anything, and tells each step with what was expected and received.
    #[napi(
        ts_args_type = "method: string, target: string, headers: Headers, options?: VerifyOptions",
        ts_return_type = "Explanation"
    )]
    pub fn explain(
        &self,
        method: JsString,
        target: JsString,
        headers: Joined,
        count: u32,
        separator: u32,
        options: Option<VerifyOptions>,
    ) -> Result<Option<Explanation>> {
        let (now, body_digest) = options.map_or((None, None), |options| (options.now, options.body_digest));
        let received = Received { method, target, headers, count, separator, body_digest };
        let Some(lines) = received.lines() else { return Ok(None) };
        let (request, now) = (received.view(&lines), time::or_now(now));
        boundary::compute(|| Some(Explanation::new(self.inner.explain(&request, now))))
    }

    /// What a broker is shown of a request: its visa and what was signed, with the key of the agent's manifest where the request did not bring it.
    ///
    /// `verdict`: of a request that waits for a broker, or that was let in with a visa; `headers`: its lines, as they were verified. Throws
    /// `usage.argument` for any other verdict, when there is no visa among the lines, or when the manifest that lists the key is not at hand
    /// any more.
    #[napi(
        ts_args_type = "verdict: Verdict, headers: Headers, options?: NowOptions",
        ts_return_type = "Presented"
    )]
    pub fn presented(
        &self,
        verdict: ClassInstance<Verdict>,
        headers: Joined,
        count: u32,
        separator: u32,
        options: Option<NowOptions>,
    ) -> Result<Option<Presented>> {
        let Some(lines) = headers.lines(count, separator) else { return Ok(None) };
        let now = time::or_now(options.and_then(|options| options.now));
        let presented = boundary::call(|| self.inner.presented_of(verdict.core(), &lines, now))?;
        Ok(Some(Presented(presented)))
    }

    /// Verifies the value of `x-imagxp-feedback`, or the body of a POST. A string is taken as UTF-8; the value of a header is Latin-1 in Node:
    /// `Buffer.from(value, 'latin1')` where it may have others than ASCII.
    ///
    /// When the verdict has needs, fetch the manifest, `supply` it and call this again: nothing has been spent. A need of `replay` is done by
    /// `FeedbackVerification.insert`; then call this again with `inserted`.
    #[napi]
    pub fn feedback(&self, value: Text, options: Option<FeedbackOptions>) -> Result<FeedbackVerification> {
        let (carrier, inserted, now) =
            options.map_or((None, None, None), |options| (options.carrier, options.inserted, options.now));
        let now = time::or_now(now);
        let carrier = carrier.as_ref().map(|verdict| verdict.core());
        let taken = boundary::compute(|| match inserted.and_then(|before| before.inserted()) {
            Some((entry, answer)) => self.inner.feedback_inserted(&value.0, carrier, &entry, answer, now),
            None => self.inner.feedback(&value.0, carrier, now),
        })?;
        Ok(FeedbackVerification::new(taken, self.distant.as_ref()))
    }

    /// Hands in the body that a URL from `needs` answered with.
    ///
    /// A body that breaks a rule is recorded as a failure and thrown, with the code `identity.manifest_invalid` or `key.malformed`;
    /// resume either way.
    #[napi]
    pub fn supply(&self, url: JsString, body: Json, options: Option<SupplyOptions>) -> Result<()> {
        let (max_age, now) = options.map_or((None, None), |options| (options.max_age, options.now));
        let max_age = max_age.map(|seconds| seconds.whole::<u32>("maxAge")).transpose()?;
        let now = time::or_now(now);
        boundary::call(|| self.inner.supply(&url, &body.0, max_age, now))
    }

    /// Reports that a URL from `needs` could not be fetched.
    #[napi(ts_args_type = "url: string, failure: FetchFailure, options?: NowOptions")]
    pub fn supply_failure(
        &self,
        url: JsString,
        failure: JsString,
        options: Option<NowOptions>,
    ) -> Result<()> {
        let failure = FetchFailure::from_name(&failure).ok_or_else(|| {
            errors::argument(&format!("`{}` is not the name of a fetch failure", &*failure))
        })?;
        let now = time::or_now(options.and_then(|options| options.now));
        boundary::call(|| self.inner.supply_failure(&url, failure, now))
    }
}

impl Publisher {
    fn told(&self, verification: core::Verification) -> Verdict {
        let pending = verification.pending.map(|pending| Pending::new(pending, self.distant.as_ref()));
        Verdict::with_pending(verification.verdict, pending)
    }
}
