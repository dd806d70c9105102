//! Domains and their keys: signed requests are verified by the project's own pipeline, client assertions with the same manifests.

use crate::bank::Bank;
use crate::config::Config;
use crate::error::SetupError;
use crate::problem::Problem;
use axum::http::StatusCode;
use imagxp::crypto::{HotKeys, Thumbprint};
use imagxp::publisher::{FetchFailure, NeedKind, Outcome, Verification};
use imagxp::replay::ReplayStore;
use imagxp::{AgentId, Code, Limits, Manifest, Policy, Publisher, Request, Retry, Timestamp, Verdict};
use imagxp_fetch::{Fetcher, Profile};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

const DOMAINS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Seconds (PROTOCOL §4).
const FRESH: (i64, i64, i64) = (60, 300, 3600);
const STALE_S: i64 = 3600;
const RETRY_S: i64 = 30;
/// A manifest and a second look at it when it lacks a key.
const MAX_ROUNDS: usize = 4;

/// Verifies who sends signed requests and client assertions.
pub(crate) struct Identities {
    publisher: Publisher,
    /// For domains that have done business here ([`Bank::knows`]).
    fetcher: Fetcher,
    /// For all others, with a budget of its own: anybody can name any domain.
    strangers: Fetcher,
    known: Mutex<LruCache<AgentId, Known>>,
    allow_loopback: bool,
    /// Whether the replay store is somewhere else, so that asking it blocks.
    waits: bool,
}

#[derive(Clone)]
struct Known {
    manifest: Arc<Manifest>,
    fetched: Timestamp,
    fresh_until: Timestamp,
    tried: Timestamp,
}

impl Identities {
    /// `secret` keys the nonces' hashes: the same in every process that shares `replay`.
    pub(crate) fn new(
        config: &Config,
        fetcher: Fetcher,
        strangers: Fetcher,
        secret: [u8; 16],
        replay: Arc<dyn ReplayStore>,
    ) -> Result<Self, SetupError> {
        let publisher = Publisher::new(policy(config)?, secret).with_replay_store(replay);
        let waits = config.shares_nonces();
        let known = Mutex::new(LruCache::new(DOMAINS));
        Ok(Self { publisher, fetcher, strangers, known, allow_loopback: config.allow_loopback, waits })
    }

    /// Whether development's domains are admitted.
    pub(crate) const fn allow_loopback(&self) -> bool {
        self.allow_loopback
    }

    /// The tables of keys that are seen often: agents', and the broker's own. One bound for all of them.
    pub(crate) fn hot_keys(&self) -> &HotKeys {
        self.publisher.hot_keys()
    }

    /// Verifies a signed request: who sent it, with which key.
    ///
    /// A body must be named by the claim (`content_digest`), and so must the method of whatever changes something: neither may be
    /// exchanged on the way.
    pub(crate) async fn verify(
        &self,
        bank: &Bank,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<(AgentId, Thumbprint), Problem> {
        let mut verification = self.blocking(|| self.publisher.verify(request, now));
        for _ in 0..MAX_ROUNDS {
            let Some(pending) = take_pending(&mut verification) else { break };
            for need in &verification.verdict.needs {
                if let Some(agent) = AgentId::from_manifest_url(&need.url) {
                    // What became of it, the next verdict tells.
                    let _ = self.fetch(bank, &agent, now).await;
                }
            }
            verification = self.blocking(|| self.publisher.resume(pending, crate::clock::now()));
        }
        let verdict = verification.verdict;
        if verdict.outcome != Outcome::Allow {
            return Err(refused(&verdict));
        }
        let (Some(agent), Some(key)) = (verdict.agent_id, verdict.key_id) else {
            return Err(Problem::unauthorized("auth.required", "the request is not signed"));
        };
        self.check_claim(request)?;
        Ok((agent, key))
    }

    fn blocking<T>(&self, act: impl FnOnce() -> T) -> T {
        if self.waits { tokio::task::block_in_place(act) } else { act() }
    }

    fn check_claim(&self, request: &Request<'_>) -> Result<(), Problem> {
        let payload = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"x-imagxp-payload"));
        let claim = payload
            .and_then(|(_, value)| imagxp::encoding::base64_decode(value))
            .and_then(|payload| imagxp::Claim::parse(&payload, &Limits::DEFAULT, self.allow_loopback).ok());
        let claim =
            claim.ok_or_else(|| Problem::unauthorized("auth.required", "the request is not signed"))?;
        if request.body_digest.is_some() && claim.content_digest().is_none() {
            let message = "a signed request with a body names the body in its claim (`content_digest`)";
            return Err(Problem::bad("claim.digest_mismatch", message));
        }
        if !matches!(request.method, "GET" | "HEAD") && claim.method().is_none() {
            return Err(Problem::bad(
                "claim.method_mismatch",
                "a signed request that changes something names its method",
            ));
        }
        Ok(())
    }

    /// The manifest of a domain; fetched when it is not known, when it is old, and, now and then, when it lacks this key.
    pub(crate) async fn manifest(
        &self,
        bank: &Bank,
        agent: &AgentId,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Manifest>, Problem> {
        let known = self.lock().get(agent).cloned();
        if let Some(known) = &known {
            let lists = key.is_none_or(|key| {
                known.manifest.keys().iter().any(|one| one.key.thumbprint().as_str() == key)
            });
            let fresh = now < known.fresh_until && known.fetched <= now;
            let tried = known.tried <= now && now < known.tried.saturating_add_secs(RETRY_S);
            if (fresh && lists) || (tried && now < known.fetched.saturating_add_secs(STALE_S)) {
                return Ok(Arc::clone(&known.manifest));
            }
        }
        match (self.fetch(bank, agent, now).await, known) {
            (Ok(manifest), _) => Ok(manifest),
            (Err(_), Some(known)) if now < known.fetched.saturating_add_secs(STALE_S) => Ok(known.manifest),
            (Err(code), _) => Err(Problem::new(status(code.http()), code.as_str(), code.message())),
        }
    }

    /// Fetches a manifest and hands it to everybody who wants it.
    async fn fetch(&self, bank: &Bank, agent: &AgentId, now: Timestamp) -> Result<Arc<Manifest>, Code> {
        let url = agent.manifest_url();
        if let Some(known) = self.lock().get_mut(agent) {
            known.tried = now;
        }
        let fetcher = if bank.knows(agent).await { &self.fetcher } else { &self.strangers };
        let answer = match fetcher.get_async(&url, Profile::MANIFEST).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(domain = %agent, failure = error.failure.as_str(), "a manifest cannot be fetched");
                let _ = self.publisher.supply_failure(&url, error.failure, now);
                return Err(error.failure.code());
            }
        };
        let _ = self.publisher.supply(&url, &answer.body, answer.max_age(), now);
        let manifest = Manifest::parse(&answer.body, agent, Profile::MANIFEST.max_body)
            .map_err(|_| FetchFailure::Invalid.code())?;
        let manifest = Arc::new(manifest);
        let (least, usual, most) = FRESH;
        let fresh = answer.max_age().map_or(usual, |age| i64::from(age).clamp(least, most));
        let known = Known {
            manifest: Arc::clone(&manifest),
            fetched: now,
            fresh_until: now.saturating_add_secs(fresh),
            tried: now,
        };
        self.lock().put(agent.clone(), known);
        Ok(manifest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<AgentId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_pending(verification: &mut Verification) -> Option<imagxp::publisher::Pending> {
    let needs = &verification.verdict.needs;
    let fetchable = !needs.is_empty() && needs.iter().all(|need| need.kind == NeedKind::Manifest);
    fetchable.then(|| verification.pending.take()).flatten()
}

/// The broker as a publisher: everybody who signs may ask, for whatever purpose; who that is, is all that is wanted.
fn policy(config: &Config) -> Result<Policy, SetupError> {
    let purposes: serde_json::Map<_, _> = imagxp::Purpose::ALL
        .iter()
        .map(|purpose| (purpose.as_str().to_owned(), serde_json::json!({"allow": true})))
        .collect();
    let document = serde_json::json!({
        "version": 1,
        "origins": [config.issuer],
        "methods": ["GET", "HEAD", "POST", "PUT", "DELETE"],
        "purposes": purposes,
        "allow_loopback": config.allow_loopback,
    });
    Ok(Policy::from_json(document.to_string().as_bytes())?)
}

/// A verdict as a refusal of this service.
pub(crate) fn refused(verdict: &Verdict) -> Problem {
    let code = verdict.code.map_or("auth.required", Code::as_str);
    let mut problem = Problem::new(status(verdict.http), code, verdict.message);
    let hint = verdict.hint.as_deref().map_or(serde_json::Value::Null, serde_json::Value::from);
    problem.details =
        serde_json::json!({"hint": hint, "retry": verdict.retry.to_string(), "trace_id": verdict.trace_id});
    if let Retry::After(seconds) = verdict.retry {
        problem.retry_after = Some(u64::from(seconds));
    }
    if let Some(detail) = &verdict.detail {
        tracing::info!(code, detail = %detail, "a signed request was refused");
    }
    problem
}

fn status(http: u16) -> StatusCode {
    StatusCode::from_u16(http).unwrap_or(StatusCode::UNAUTHORIZED)
}
