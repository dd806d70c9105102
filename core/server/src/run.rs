//! Starting, running and ending the service.

use crate::admin;
use crate::app::{App, Live, Parts};
use crate::assets;
use crate::auth::Identities;
use crate::background;
use crate::bank::Bank;
use crate::clock;
use crate::config::Config;
use crate::error::SetupError;
use crate::forward::Forward;
use crate::kept;
use crate::listen::{Door, stopped};
use crate::network::Networks;
use crate::nonces::{self, KeptNonces};
use crate::random;
use crate::registry::{Registry, Stamp};
use crate::routes;
use crate::telemetry;
use imagxp::replay::ReplayStore;
use imagxp_fetch::{Fetcher, Options};
use imagxp_storage::{Address, Clock, Ledger, Options as StorageOptions};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Where the service listens, once it does.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The public listener.
    pub public: SocketAddr,
    /// Metrics and health.
    pub admin: SocketAddr,
}

/// Runs the service until SIGTERM or SIGINT, then lets requests end (`limits.drain_s`).
///
/// `started` is told where it listens. Errors: whatever keeps it from starting.
pub fn run(config: Config, started: impl FnOnce(Addresses)) -> Result<(), SetupError> {
    telemetry::log(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| SetupError::new("system.unavailable", format!("no run-time: {error}")))?;
    let result = runtime.block_on(serve(config, started));
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// Refuses what [`run`] would refuse before it listens: networks, databases' addresses, files of TLS and of the policy. Whether there are
/// keys, and whether the ledger can be opened, is not looked at. Errors: as those.
pub fn check(config: &Config) -> Result<(), SetupError> {
    Networks::parse("verify.trusted", &config.verify.trusted)?;
    crate::ledger::address(config)?;
    nonces::Shared::of(config)?;
    tls(config)?;
    if !config.verify.policy.as_os_str().is_empty() {
        let fetcher = Fetcher::new(Options { allow_loopback: config.allow_loopback, ..Options::default() })?;
        Forward::new(config, [0; 16], 0, fetcher, Arc::new(imagxp::replay::LaterReplayStore))?;
    }
    Ok(())
}

async fn serve(config: Config, started: impl FnOnce(Addresses)) -> Result<(), SetupError> {
    // First of all: who ends the service while it starts ends it in order, and who has it read its keys again does not end it.
    let (hangup, mut signals) = (signal(SignalKind::hangup())?, Signals::new()?);
    let metrics = telemetry::metrics()?;
    let (stopper, stop) = watch::channel(false);
    let (leaver, leaving) = watch::channel(false);
    let (last, admin_stop) = watch::channel(false);
    let bank = open_bank(&config).await?;
    let (registry, live, stamp, secret) = open_registry(&config, &bank).await?;
    // A budget of fetches for each, so that none is used up by the others.
    let fetcher = || Fetcher::new(Options { allow_loopback: config.allow_loopback, ..Options::default() });
    let replay = open_replay(&config).await?;
    let identities = Identities::new(&config, fetcher()?, fetcher()?, secret, replay.clone())?;
    let forward = forward(&config, secret, fetcher()?, replay)?;
    let tls = tls(&config)?;
    let noted = note_operators(&bank, &registry).await;
    if !config.allow_loopback && live.operators.by_name("dev").is_some() {
        tracing::warn!("the operator `dev` of a trial is an admin here: `imagxp operator remove dev`");
    }
    if !config.admin_listen.ip().is_loopback() {
        tracing::warn!(admin_listen = %config.admin_listen, "metrics and health are answered to whoever reaches this address: it must not be public");
    }
    let (public, admin) =
        (bind(config.listen, "listen").await?, bind(config.admin_listen, "admin_listen").await?);
    let addresses = Addresses { public: address(&public)?, admin: address(&admin)? };
    let app = Arc::new(App::new(Parts {
        config,
        bank,
        identities,
        forward,
        registry,
        live,
        leaving,
        stop: stop.clone(),
    })?);
    let limits = &app.config.limits;
    let (header, drain) = (Duration::from_secs(limits.header_s), Duration::from_secs(limits.drain_s));
    let public = Door { listener: public, tls, connections: limits.connections, header, drain };
    let admin = Door { listener: admin, tls: None, connections: 64, header, drain: Duration::from_secs(1) };
    let router = routes::public(&app)?;
    let admin = tokio::spawn(admin.serve(admin::router(Arc::clone(&app), metrics), admin_stop));
    let public = tokio::spawn(public.serve(router, stop.clone()));
    let size = *app.bank.ledger.watch().borrow();
    let settling = tokio::spawn(background::settle(Arc::clone(&app), stop.clone()));
    let auditing = tokio::spawn(background::audit(Arc::clone(&app), stop.clone()));
    let following = tokio::spawn(kept::follow(Arc::clone(&app), stop.clone()));
    let telling = tokio::spawn(background::tell(Arc::clone(&app), size, stop.clone()));
    let watcher = tokio::spawn(watch_registry(Arc::clone(&app), hangup, (stamp, noted), stop));
    tracing::info!(public = %addresses.public, admin = %addresses.admin, issuer = app.config.issuer, version = env!("CARGO_PKG_VERSION"), "the service has started");
    started(addresses);
    signals.next().await;
    let limits = &app.config.limits;
    tracing::info!(seconds = limits.lame_duck_s, "the service ends: it is not ready any more");
    let _ = leaver.send(true);
    let ending = async {
        tokio::time::sleep(Duration::from_secs(limits.lame_duck_s)).await;
        tracing::info!("no new connections, requests at work may end");
        let _ = stopper.send(true);
        joined(public).await;
        // What hangs in a store that does not answer is not waited for without an end.
        let ledger = app.bank.ledger.clone();
        let closing = async {
            for task in [watcher, settling, telling, following] {
                joined(task).await;
            }
            auditing.abort();
            tokio::task::spawn_blocking(move || ledger.close()).await
        };
        let closed = tokio::time::timeout(drain.max(Duration::from_secs(1)), closing).await;
        let _ = last.send(true);
        joined(admin).await;
        match closed {
            Ok(_) => Ok(()),
            Err(_) => Err(SetupError::new(
                "storage.unavailable",
                "the store did not answer until the end: what waited in the queue was not written",
            )),
        }
    };
    tokio::select! {
        ended = ending => ended?,
        () = signals.next() => {
            return Err(SetupError::new("system.interrupted", "a second signal: ended before everything was done"));
        }
    }
    tracing::info!("the service has ended");
    Ok(())
}

/// Opens the ledger and checks its balances: when they do not hold, writes are refused and reads go on (BROKER §4). Everything else is
/// checked beside the work ([`background::audit`]): however long the log is, the service is there within moments.
async fn open_bank(config: &Config) -> Result<Bank, SetupError> {
    let rules = config.rules()?;
    let address = crate::ledger::address(config)?;
    let report =
        |error: &imagxp_storage::Error| tracing::error!(code = error.code(), %error, "the store failed");
    let options = StorageOptions {
        rules: rules.clone(),
        clock: Clock::System,
        report: Some(Arc::new(report)),
        ..StorageOptions::default()
    };
    let readers = options.readers;
    let (data, known) = (config.data.clone(), rules.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let ledger = Ledger::open(&address, options, clock::now().as_millis()).map_err(storage)?;
        crate::ledger::judge(&ledger, &data)?;
        assets::check(&ledger, &data, &known)?;
        Ok::<_, SetupError>(ledger)
    });
    let opened = opened.await.map_err(|error| SetupError::new("storage.failed", error.to_string()))?;
    Ok(Bank::new(opened?, rules, readers))
}

/// Keys, operators and ended sessions as they are, and the secret of the nonces' hashes.
async fn open_registry(
    config: &Config,
    bank: &Bank,
) -> Result<(Registry, Live, Stamp, [u8; 16]), SetupError> {
    let shared = match crate::ledger::address(config)? {
        Address::Postgres(_) => Some(bank.ledger.clone()),
        _ => None,
    };
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let registry = Registry::new(&config, shared, clock::now())?;
        let mut stamp = Stamp::default();
        let live = registry.read(&mut stamp, None)?;
        let (live, _) = live.ok_or_else(|| SetupError::new("keys.missing", "there are no signing keys"))?;
        let secret = registry.replay_secret()?;
        Ok((registry, live, stamp, secret))
    });
    opened.await.map_err(|error| SetupError::new("storage.failed", error.to_string()))?
}

/// The memory of nonces: the shared one, or the data folder's.
async fn open_replay(config: &Config) -> Result<Arc<dyn ReplayStore>, SetupError> {
    let Some(shared) = nonces::Shared::of(config)? else {
        // One process alone: it keeps what it has seen in the data folder.
        return Ok(Arc::new(KeptNonces::open(&config.data, clock::now())?));
    };
    let opened = tokio::task::spawn_blocking(move || shared.open());
    let opened = opened.await.map_err(|error| SetupError::new("storage.failed", error.to_string()))?;
    let opened = opened.map_err(|error| SetupError::new(error.code(), error.message().to_owned()));
    Ok(Arc::new(opened?))
}

fn storage(error: imagxp_storage::Error) -> SetupError {
    SetupError::new(error.code(), error.message().to_owned())
}

/// Waits for a part of the service to end.
async fn joined(task: tokio::task::JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a part of the service failed");
    }
}

/// From now on this signal is ours.
fn signal(kind: SignalKind) -> Result<Signal, SetupError> {
    tokio::signal::unix::signal(kind)
        .map_err(|error| SetupError::new("system.unavailable", format!("no signals: {error}")))
}

/// SIGTERM and SIGINT.
struct Signals(Signal, Signal);

impl Signals {
    fn new() -> Result<Self, SetupError> {
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, SetupError> {
    TcpListener::bind(address).await.map_err(|error| {
        SetupError::new("listen.failed", format!("`{option}` {address} cannot be listened on: {error}"))
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, SetupError> {
    listener.local_addr().map_err(|error| SetupError::new("listen.failed", error.to_string()))
}

fn forward(
    config: &Config,
    secret: [u8; 16],
    fetcher: Fetcher,
    replay: Arc<dyn ReplayStore>,
) -> Result<Option<Forward>, SetupError> {
    if config.verify.policy.as_os_str().is_empty() {
        return Ok(None);
    }
    let first = u64::from_be_bytes(random::bytes()?);
    Forward::new(config, secret, first, fetcher, replay).map(Some)
}

fn tls(config: &Config) -> Result<Option<TlsAcceptor>, SetupError> {
    if config.tls.certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    let failed = |file: &Path, why: &dyn core::fmt::Display| {
        SetupError::new("tls.failed", format!("`{}`: {why}", file.display()))
    };
    let (chain, key) = (&config.tls.certificate, &config.tls.key);
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(chain, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private))
        .map_err(|error| failed(chain, &error))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

/// Notes in the log which operators have come or gone; `false` when that has to be tried again.
async fn note_operators(bank: &Bank, registry: &Registry) -> bool {
    let (ledger, registry) = (bank.ledger.clone(), registry.clone());
    let noted = tokio::task::spawn_blocking(move || registry.note_in(&ledger, clock::now())).await;
    match noted {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a change of the operators cannot be noted in the log now");
            false
        }
        Err(error) => {
            tracing::error!(%error, "noting the operators failed");
            false
        }
    }
}

/// Takes over keys and operators when commands have changed them, on SIGHUP and every few seconds.
async fn watch_registry(
    app: Arc<App>,
    mut hangup: Signal,
    (mut stamp, mut noted): (Stamp, bool),
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = hangup.recv() => stamp = Stamp::default(),
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
        let (registry, known) = (app.registry.clone(), app.live());
        let read = tokio::task::spawn_blocking(move || {
            let read = registry.read(&mut stamp, Some(&known));
            (read, stamp)
        });
        let Ok((read, seen)) = read.await else { return };
        stamp = seen;
        match read {
            Ok(Some((live, failed))) => {
                app.set_live(live);
                noted = false;
                match failed {
                    None => tracing::info!(time = %clock::now(), "keys and operators were read again"),
                    // What was read before goes on; what is half changed is whole a moment later.
                    Some(error) => tracing::warn!(%error, "not all of keys and operators can be read again"),
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "keys and operators cannot be read again"),
        }
        if !noted {
            noted = note_operators(&app.bank, &app.registry).await;
        }
    }
}
