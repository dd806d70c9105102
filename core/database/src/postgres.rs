//! The address of a database on PostgreSQL.

use crate::error::{Error, ErrorKind, Result};
use crate::parameters::Parameters;
use crate::tls::{SslMode, client, refusal};
use ::postgres::config::{Host, SslMode as Wish};
use ::postgres::{Client, Config, NoTls};
use core::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

const SILENCE: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_secs(3);

/// Where a database is, and how the way to it is protected.
#[derive(Clone)]
pub struct PostgresAddress {
    config: Config,
    mode: SslMode,
    tls: Option<MakeRustlsConnect>,
}

impl PostgresAddress {
    /// Reads `postgres://user:password@host:port/database?…` or `host=… user=… dbname=…`. `mode` and `authorities` are for what the address
    /// itself leaves out.
    ///
    /// Error: `storage.config`, which never repeats a password: also for a mode or a file that would not be honoured, and for two that differ.
    pub fn parse(address: &str, mode: Option<SslMode>, authorities: Option<&Path>) -> Result<Self> {
        let malformed = || {
            Error::config("the address of postgresql is not of the form postgres://user@host:port/database")
        };
        let parameters = Parameters::split(address).ok_or_else(malformed)?;
        let mut config: Config = parameters.rest.parse().map_err(|_| malformed())?;
        let named = parameters.sslmode.as_deref().map(SslMode::parse).transpose()?;
        let differ = |what: &str| Error::config(format!("the address and the option have different {what}"));
        let mode = match (named, mode) {
            (Some(one), Some(other)) if one != other => return Err(differ("`sslmode`")),
            (one, other) => one.or(other).unwrap_or_else(|| usual(&config)),
        };
        let file = match (parameters.sslrootcert.map(PathBuf::from), authorities) {
            (Some(one), Some(other)) if one != other => return Err(differ("authorities")),
            (one, other) => one.or_else(|| other.map(Path::to_owned)),
        };
        if mode == SslMode::Disable && file.is_some() {
            return Err(Error::config("there are authorities for TLS, but `sslmode` is disable"));
        }
        if mode != SslMode::Disable
            && (config.get_hosts().is_empty()
                || config.get_hosts().iter().any(|host| !matches!(host, Host::Tcp(_))))
        {
            return Err(Error::config(
                "TLS needs the name of a host: a Unix socket or a bare `hostaddr` takes only `sslmode` disable",
            ));
        }
        config.ssl_mode(if mode == SslMode::Disable { Wish::Disable } else { Wish::Require });
        let tls = client(mode, file.as_deref())?.map(MakeRustlsConnect::new);
        Ok(Self { config, mode, tls })
    }

    /// How the way is protected.
    pub const fn mode(&self) -> SslMode {
        self.mode
    }

    /// What the driver knows of it: hosts, names, times.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The same, to be changed: TLS stays as it is.
    pub const fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Lets a connection end whose server is gone while an answer is waited for: nothing is sent then that could go unacknowledged, and only
    /// probes find out. They begin after ten seconds of silence; three of them, three seconds apart, are enough.
    pub fn probe_silence(&mut self) {
        self.config
            .keepalives(true)
            .keepalives_idle(SILENCE)
            .keepalives_interval(PROBE)
            .keepalives_retries(3);
    }

    /// Connects. Blocks. Errors: `storage.tls`, `storage.unavailable`.
    pub fn connect(&self) -> Result<Client> {
        let connected = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        };
        connected.map_err(|error| failed(&error).with_source(error))
    }
}

fn failed(error: &::postgres::Error) -> Error {
    if let Some(refused) = refusal(error) {
        return refused;
    }
    // The driver has no other name for it.
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if cause == "server does not support TLS" {
        return Error::new(ErrorKind::Tls, "the server does not speak TLS");
    }
    Error::new(ErrorKind::Unavailable, "postgresql cannot be reached")
}

/// What is meant when nothing is said: this machine is trusted, everything else is not.
fn usual(config: &Config) -> SslMode {
    let near = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let hosts = config.get_hosts().iter().all(near);
    if hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback) {
        SslMode::Disable
    } else {
        SslMode::VerifyFull
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The driver hides the password as well; nothing of it is needed in a log.
        let (hosts, name) = (self.config.get_hosts(), self.config.get_dbname());
        write!(f, "postgres:{hosts:?}/{name:?}, sslmode {}", self.mode.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(address: &str) -> Result<SslMode, String> {
        PostgresAddress::parse(address, None, None)
            .map(|address| address.mode())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_meant_when_nothing_is_said() {
        for near in ["host=/run user=a", "postgres://a@localhost/b", "postgres://127.0.0.1,[::1]/b"] {
            assert_eq!(mode(near), Ok(SslMode::Disable), "{near}");
        }
        for far in
            ["postgres://db/b", "postgres://localhost,db/b", "postgres://localhost/b?hostaddr=10.0.0.1"]
        {
            assert_eq!(mode(far), Ok(SslMode::VerifyFull), "{far}");
        }
        for (name, expected) in [
            ("disable", SslMode::Disable),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            assert_eq!(mode(&format!("postgres://db/b?sslmode={name}")), Ok(expected));
            assert_eq!(mode(&format!("host=db sslmode={name}")), Ok(expected));
        }
    }

    #[test]
    fn what_would_not_be_honoured_is_refused() {
        for refused in [
            "postgres://u:SECRET@db/b?sslmode=prefer",
            "postgres://u:SECRET@db/b?sslmode=allow",
            "postgres://u:SECRET@db/b?sslmode=verify_full",
            "postgres://u:SECRET@db/b?sslmode=disable&sslrootcert=/x",
            "postgres://u:SECRET@db/b?sslrootcert=/not/there.pem",
            "postgres://u:SECRET@db/b?sslcert=/x",
            "host=/run password=SECRET sslmode=verify-full",
            "hostaddr=10.0.0.1 password=SECRET sslmode=require",
        ] {
            let error = mode(refused).unwrap_err();
            assert!(error.starts_with("storage.config: ") && !error.contains("SECRET"), "{refused}: {error}");
        }
        let differ = PostgresAddress::parse("host=db sslmode=require", Some(SslMode::VerifyFull), None);
        assert_eq!(differ.unwrap_err().code(), "storage.config");
        let same = PostgresAddress::parse("host=db sslmode=require", Some(SslMode::Require), None).unwrap();
        assert_eq!((same.mode(), format!("{same:?}").contains("require")), (SslMode::Require, true));
    }

    #[test]
    fn silence_ends_after_twenty_seconds() {
        let mut address = PostgresAddress::parse("host=db sslmode=require", None, None).unwrap();
        address.probe_silence();
        let config = address.config();
        let probes = (config.get_keepalives_interval().unwrap(), config.get_keepalives_retries().unwrap());
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle() + probes.0 * probes.1, Duration::from_secs(19));
    }
}
