//! What every request shares.

use crate::auth::{Crowd, Identities};
use crate::bank::Bank;
use crate::config::Config;
use crate::error::SetupError;
use crate::events::Events;
use crate::forward::Forward;
use crate::keys::KeyRing;
use crate::network::Networks;
use crate::operators::Operators;
use crate::verdicts::Verdicts;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// The running service.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) bank: Bank,
    pub(crate) identities: Identities,
    pub(crate) forward: Option<Forward>,
    pub(crate) events: Events,
    pub(crate) verdicts: Verdicts,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) crowd: Crowd,
    trusted: Networks,
    live: RwLock<Arc<Live>>,
}

/// What changes while the service runs: files that commands write.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) keys: KeyRing,
    pub(crate) operators: Operators,
}

impl Live {
    pub(crate) fn read(config: &Config) -> Result<Self, SetupError> {
        Ok(Self {
            keys: KeyRing::open(&config.data, &config.keys.passphrase_file)?,
            operators: Operators::open(&config.data)?,
        })
    }
}

/// The parts of an [`App`] that are made before it.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) bank: Bank,
    pub(crate) identities: Identities,
    pub(crate) forward: Option<Forward>,
    pub(crate) live: Live,
    pub(crate) stop: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Result<Self, SetupError> {
        let Parts { config, bank, identities, forward, live, stop } = parts;
        let trusted = Networks::parse("verify.trusted", &config.verify.trusted)?;
        Ok(Self {
            bank,
            identities,
            forward,
            crowd: Crowd::new(config.limits.requests.div_ceil(4)),
            events: Events::new(config.limits.streams),
            verdicts: Verdicts::default(),
            stop,
            trusted,
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
        if *self.stop.borrow() {
            return Err("the service ends");
        }
        let read = self.bank.read(imagxp_broker::Reader::head);
        match tokio::time::timeout(Duration::from_secs(3), read).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err("the store does not answer"),
        }
    }

    /// Takes over what commands have written.
    pub(crate) fn set_live(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
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
