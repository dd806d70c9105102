//! What every request shares.

use crate::auth::{Crowd, Identities, Place};
use crate::bank::Bank;
use crate::checks::Checks;
use crate::config::Config;
use crate::error::SetupError;
use crate::events::Events;
use crate::forward::Forward;
use crate::intake::Intake;
use crate::kept::{Published, Seen};
use crate::keys::KeyRing;
use crate::log::Check;
use crate::network::Networks;
use crate::operators::Operators;
use crate::problem::Problem;
use crate::registry::Registry;
use crate::revoked::Revoked;
use crate::verdicts::Verdicts;
use axum::http::StatusCode;
use imagxp::AgentId;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The running service.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) bank: Bank,
    pub(crate) identities: Identities,
    pub(crate) forward: Option<Forward>,
    pub(crate) events: Events,
    pub(crate) verdicts: Verdicts,
    pub(crate) published: Published,
    /// Of the log; whoever accepts a log that has gone back changes it.
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) stop: watch::Receiver<bool>,
    leaving: watch::Receiver<bool>,
    pub(crate) crowd: Crowd,
    pub(crate) intake: Intake,
    /// Of the whole ledger.
    pub(crate) checks: Checks<Arc<Check>>,
    trusted: Networks,
    pub(crate) registry: Registry,
    live: RwLock<Arc<Live>>,
}

/// What changes while the service runs: what commands write.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) keys: KeyRing,
    pub(crate) operators: Operators,
    pub(crate) revoked: Revoked,
}

/// The parts of an [`App`] that are made before it.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) bank: Bank,
    pub(crate) identities: Identities,
    pub(crate) forward: Option<Forward>,
    pub(crate) registry: Registry,
    pub(crate) live: Live,
    /// True when the service is about to end, and answers still.
    pub(crate) leaving: watch::Receiver<bool>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Result<Self, SetupError> {
        let Parts { config, bank, identities, forward, registry, live, leaving, stop } = parts;
        let trusted = Networks::parse("verify.trusted", &config.verify.trusted)?;
        Ok(Self {
            bank,
            identities,
            forward,
            crowd: Crowd::new(config.limits.requests.div_ceil(4), config.limits.tenant_per_s),
            events: Events::new(config.limits.streams),
            verdicts: Verdicts::default(),
            published: Published::default(),
            seen: Arc::new(Mutex::new(Seen::of(&config.data))),
            intake: Intake::default(),
            checks: Checks::new(Duration::from_secs(config.limits.handler_s)),
            stop,
            leaving,
            trusted,
            registry,
            live: RwLock::new(Arc::new(live)),
            config,
        })
    }

    /// Keys and operators as they are now.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether requests can be answered; else why not.
    pub(crate) async fn readiness(&self) -> Result<(), &'static str> {
        if *self.leaving.borrow() {
            return Err("the service ends");
        }
        let read = self.bank.read_first(imagxp_broker::Reader::head);
        match tokio::time::timeout(Duration::from_secs(3), read).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err("the store does not answer"),
        }
    }

    /// Takes over what commands have written.
    pub(crate) fn set_live(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    /// Ends a session before its time, here and in every process of the broker. Blocks.
    pub(crate) fn revoke(&self, session: &str) -> Result<(), SetupError> {
        let now = crate::clock::now();
        let ends = now.saturating_add_secs(crate::tokens::SESSION_S);
        let revoked = self.registry.revoke(session, ends, now)?;
        self.set_live(Live { revoked, ..(*self.live()).clone() });
        Ok(())
    }

    /// Counts commands of a tenant. Refusal: 429 `rate.tenant`.
    pub(crate) fn spend(&self, tenant: &AgentId, commands: usize) -> Result<(), Problem> {
        self.crowd.spend(tenant.as_str(), commands, Instant::now()).map_err(|seconds| {
            let message = "too many commands of this caller";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate.tenant", message);
            Problem { retry_after: Some(seconds), ..problem }
        })
    }

    /// Lets a request of a tenant in among those at work, as one command. Refusal: 429 `rate.tenant`.
    pub(crate) fn enter(&self, tenant: &AgentId) -> Result<Place, Problem> {
        self.spend(tenant, 1)?;
        self.crowd.enter(tenant.as_str()).ok_or_else(|| {
            let message = "too many requests of this caller are at work";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate.tenant", message)
        })
    }

    /// Whether this peer is a proxy that may ask `/v1/verify`.
    pub(crate) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.trusted.contains(peer)
    }

    /// The assets as `{code, scale}`.
    pub(crate) fn assets_json(&self) -> serde_json::Value {
        let assets = self.bank.rules.assets.iter();
        assets.map(|(asset, scale)| serde_json::json!({"code": asset.as_str(), "scale": scale})).collect()
    }
}
