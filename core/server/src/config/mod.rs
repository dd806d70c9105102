//! What an operator sets: flags over environment over file over defaults, one table for all four (see the crate's README).

mod layers;
mod options;

pub use layers::{Layers, Setting, Source};
pub use options::{OPTIONS, Opt, OptKind};

use crate::error::SetupError;
use imagxp_broker::{Asset, Assets, Rules};
use imagxp_fetch::broker::read_issuer;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The effective configuration. Every member is one row of [`OPTIONS`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The broker's public origin: `iss` of its tokens, and what clients sign (`https://host[:port]`).
    pub issuer: String,
    /// The folder of keys, operators and the embedded database.
    pub data: PathBuf,
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Where metrics and health are answered; never public.
    pub admin_listen: SocketAddr,
    /// Development: admits `localhost` and `127.0.0.1` as domains, over http.
    pub allow_loopback: bool,
    /// Certificate and key.
    pub tls: Tls,
    /// Where the ledger is.
    pub database: Database,
    /// Where nonces are shared.
    pub replay: Replay,
    /// The broker's signing keys.
    pub keys: Keys,
    /// Assets and the fee.
    pub money: Money,
    /// Bounds.
    pub limits: Limits,
    /// The endpoint that proxies ask.
    pub verify: Verify,
    /// What is logged.
    pub log: Log,
}

/// Certificate and key of the public listener; without them the service speaks http, for a proxy in front.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain; empty: no TLS.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Where the ledger is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`; empty: SQLite in the data folder.
    pub url: String,
    /// How the way to PostgreSQL is protected, as libpq names it; empty: what the URL says, or what is usual ([`imagxp_storage::SslMode`]).
    pub sslmode: String,
    /// PEM file of the authorities that PostgreSQL's certificate is checked against; empty: Mozilla's list.
    pub ca_file: PathBuf,
}

/// Where several processes share the nonces that they have seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// `redis://…`, `rediss://…` or `postgres://…`; empty: the database when that is PostgreSQL, else the data folder.
    pub url: String,
    /// PEM file of the authorities that the certificate there is checked against; empty: Mozilla's list.
    pub ca_file: PathBuf,
}

/// The broker's signing keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The file whose first line opens encrypted key files; empty: the files are in the clear, mode 0600.
    pub passphrase_file: PathBuf,
}

/// Assets and the fee.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// `CODE:SCALE`, for example `USD:6`; the first is meant where none is named.
    pub assets: Vec<String>,
    /// What the broker keeps of each payment, in hundredths of a percent, rounded down.
    pub fee_bps: u32,
}

/// Bounds of the service (BROKER §3).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a request that presents visas.
    pub redeem_bytes: usize,
    /// Seconds within which a request's header, and then its body, must have come.
    pub header_s: u64,
    /// Seconds within which the answer must begin once the body is there.
    pub handler_s: u64,
    /// Connections at one time; more wait in the kernel's queue.
    pub connections: usize,
    /// Requests at work at one time; twice as many may wait, the rest are told to come later.
    pub requests: usize,
    /// Commands that one tenant may give in a second; four times as many at once.
    pub tenant_per_s: u32,
    /// Streams of events at one time.
    pub streams: usize,
    /// Seconds that the service goes on answering, while `/health/ready` says that it ends, before it stops listening.
    pub lame_duck_s: u64,
    /// Seconds that requests at work are given when the service stops.
    pub drain_s: u64,
}

/// The endpoint that proxies ask whether a request may pass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The policy file (JSON or TOML); empty: the endpoint is off.
    pub policy: PathBuf,
    /// Addresses or networks (`10.0.0.0/8`) of proxies that may ask.
    pub trusted: Vec<String>,
    /// `verdict`: the verdict's status; `auth_request`: 401 and 403 only, which is all that nginx passes on.
    pub statuses: String,
}

/// What is logged, on standard error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `json` or `text`.
    pub format: String,
}

impl Config {
    /// Checks what the types do not: the origin's form, ranges, that TLS has both halves, that development switches stay on loopback.
    ///
    /// Error: `config.invalid`, naming the option.
    pub fn check(&self) -> Result<(), SetupError> {
        let origin = read_issuer(&self.issuer, self.allow_loopback)
            .map_err(|why| invalid("issuer", &format!("is no origin that clients reach: {why}")))?;
        if origin.to_string() != self.issuer {
            return Err(invalid("issuer", &format!("is written `{origin}`")));
        }
        if self.allow_loopback && !self.listen.ip().is_loopback() {
            return Err(invalid(
                "allow_loopback",
                "is for development and not for a public `listen` address",
            ));
        }
        if self.tls.certificate.as_os_str().is_empty() != self.tls.key.as_os_str().is_empty() {
            return Err(invalid("tls", "needs both `tls.certificate` and `tls.key`"));
        }
        if self.money.fee_bps > 10_000 {
            return Err(invalid("money.fee_bps", "is more than everything (10000)"));
        }
        self.rules()?;
        for (name, value, least, most) in [
            ("limits.body_bytes", self.limits.body_bytes as u64, 1024, 1 << 20),
            ("limits.redeem_bytes", self.limits.redeem_bytes as u64, 1024, 16 << 20),
            ("limits.header_s", self.limits.header_s, 1, 60),
            ("limits.handler_s", self.limits.handler_s, 1, 120),
            ("limits.connections", self.limits.connections as u64, 1, 1 << 16),
            ("limits.requests", self.limits.requests as u64, 1, 1 << 16),
            ("limits.tenant_per_s", u64::from(self.limits.tenant_per_s), 1, 1_000_000),
            ("limits.streams", self.limits.streams as u64, 1, 1 << 12),
            ("limits.lame_duck_s", self.limits.lame_duck_s, 0, 600),
            ("limits.drain_s", self.limits.drain_s, 0, 600),
        ] {
            if !(least..=most).contains(&value) {
                return Err(invalid(name, &format!("is not {least} to {most}")));
            }
        }
        for (name, value, known) in [
            ("verify.statuses", &self.verify.statuses, ["verdict", "auth_request"].as_slice()),
            ("log.level", &self.log.level, &["error", "warn", "info", "debug", "trace"]),
            ("log.format", &self.log.format, &["json", "text"]),
        ] {
            if !known.contains(&value.as_str()) {
                return Err(invalid(name, &format!("is not one of {}", known.join(", "))));
            }
        }
        Ok(())
    }

    /// The ledger's rules. Error: `config.invalid` for assets that are none.
    pub(crate) fn rules(&self) -> Result<Rules, SetupError> {
        let wrong = |item: &str| {
            invalid("money.assets", &format!("lists `{item}`, which is not `CODE:SCALE` such as `USD:6`"))
        };
        let mut assets = Vec::new();
        for item in &self.money.assets {
            let (code, scale) = item.split_once(':').ok_or_else(|| wrong(item))?;
            let asset = Asset::parse(code).map_err(|_| wrong(item))?;
            assets.push((asset, scale.parse::<u8>().map_err(|_| wrong(item))?));
        }
        if assets.is_empty() {
            return Err(invalid("money.assets", "names no asset"));
        }
        let assets = Assets::new(assets).map_err(|refusal| {
            invalid("money.assets", &format!("is no list of assets: {}", refusal.message()))
        })?;
        let fee_bps =
            u16::try_from(self.money.fee_bps).map_err(|_| invalid("money.fee_bps", "is too large"))?;
        Ok(Rules { assets, fee_bps })
    }

    /// Whether nonces are kept where other processes find them, so that asking for one waits.
    pub(crate) const fn shares_nonces(&self) -> bool {
        !self.database.url.is_empty() || !self.replay.url.is_empty()
    }

    /// Where access and ID tokens and visas are asked for.
    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth/token", self.issuer)
    }
}

/// An option that cannot be used.
pub(crate) fn invalid(name: &str, why: &str) -> SetupError {
    SetupError::new("config.invalid", format!("`{name}` {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sets: &[&str]) -> Result<Config, SetupError> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Layers::new(None, &sets)?.config()
    }

    #[test]
    fn defaults_are_those_of_the_specification() {
        let config = with(&["issuer=https://broker.example"]).unwrap();
        assert_eq!((config.limits.body_bytes, config.limits.header_s), (64 * 1024, 5));
        assert_eq!((config.limits.handler_s, config.limits.connections), (10, 4096));
        assert_eq!((config.money.assets, config.money.fee_bps), (vec!["USD:6".to_owned()], 200));
        assert!(!config.allow_loopback && config.admin_listen.ip().is_loopback());
    }

    #[test]
    fn assets_keep_their_order() {
        let config = with(&["issuer=https://broker.example", "money.assets=USD:6,EUR:2"]).unwrap();
        assert_eq!(config.rules().unwrap().assets.first(), Ok(Asset::USD));
        let twice = with(&["issuer=https://broker.example", "money.assets=USD:6,USD:2"]).unwrap_err();
        assert_eq!(twice.message(), "`money.assets` is no list of assets: `USD` is listed twice");
    }

    #[test]
    fn what_is_refused() {
        for sets in [
            ["issuer=https://broker.example/", "log.level=info"],
            ["issuer=http://broker.example", "log.level=info"],
            ["issuer=http://127.0.0.1:8420", "log.level=info"],
            ["issuer=https://192.0.2.1", "allow_loopback=true"],
            ["issuer=https://[2001:db8::1]:8443", "log.level=info"],
            ["issuer=https://127.1", "log.level=info"],
            ["issuer=https://broker.0x7f", "log.level=info"],
            ["issuer=https://broker.example", "log.level=loud"],
            ["issuer=https://broker.example", "money.fee_bps=10001"],
            ["issuer=https://broker.example", "tls.key=/x"],
            ["issuer=https://broker.example", "limits.body_bytes=0"],
            ["issuer=https://broker.example", "limits.body_bytes=many"],
            ["issuer=https://broker.example", "money.assets="],
            ["issuer=https://broker.example", "money.assets=USD:19"],
            ["issuer=https://broker.example", "money.assets=USD:6,EUR:2,USD:2"],
            ["issuer=https://broker.example", "money.assets=USD:6,USD:6"],
            ["issuer=https://broker.example", "no.such=1"],
            ["allow_loopback=true", "listen=0.0.0.0:8420"],
        ] {
            assert!(with(&sets).is_err(), "{sets:?}");
        }
        assert!(with(&["issuer=http://127.0.0.1:8420", "allow_loopback=true"]).is_ok());
    }
}
