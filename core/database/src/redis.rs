//! The address of a Redis.

use crate::error::{Error, ErrorKind, Result};
use crate::tls::{authorities, refusal};
use ::redis::{Client, Connection, ConnectionAddr, RedisError, TlsCertificates};
use core::fmt;
use std::path::Path;
use std::time::Duration;

/// Where a Redis is, and how the way to it is protected.
#[derive(Clone)]
pub struct RedisAddress {
    client: Client,
}

impl RedisAddress {
    /// Reads `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, or `redis+unix:///path[?db=n]`. `file`: the authorities that are
    /// believed, PEM; without it Mozilla's.
    ///
    /// Error: `storage.config`, which never repeats a password: also for a file that would not be used, and for `#insecure`.
    pub fn parse(address: &str, file: Option<&Path>) -> Result<Self> {
        // The driver's message may repeat the address with its password.
        let malformed = |_| Error::config("the address of redis is not of the form redis://host:port/db");
        let client = Client::open(address).map_err(malformed)?;
        match (client.get_connection_info().addr(), file) {
            (ConnectionAddr::TcpTls { insecure: true, .. }, _) => {
                Err(Error::config("`#insecure` is TLS that believes everybody: it is refused"))
            }
            (ConnectionAddr::TcpTls { .. }, file) => {
                let root_cert = file.map(|file| authorities(file).map(|(_, pem)| pem)).transpose()?;
                let certificates = TlsCertificates { client_tls: None, root_cert };
                Ok(Self { client: Client::build_with_tls(address, certificates).map_err(malformed)? })
            }
            (_, Some(_)) => {
                Err(Error::config("there are authorities for TLS, but the address is not rediss://…"))
            }
            (_, None) => Ok(Self { client }),
        }
    }

    /// Connects. Blocks for so long at most. Errors: `storage.tls`, `storage.unavailable`.
    pub fn connect(&self, limit: Duration) -> Result<Connection> {
        let connection =
            self.client.get_connection_with_timeout(limit).map_err(|error| self.failed(error))?;
        connection.set_read_timeout(Some(limit)).map_err(|error| self.failed(error))?;
        connection.set_write_timeout(Some(limit)).map_err(|error| self.failed(error))?;
        Ok(connection)
    }

    fn failed(&self, error: RedisError) -> Error {
        // A Redis in plain text waits for the end of what it takes for a command.
        let message = match self.client.get_connection_info().addr() {
            ConnectionAddr::TcpTls { .. } => "redis cannot be reached, or does not speak TLS there",
            _ => "redis cannot be reached",
        };
        refusal(&error).unwrap_or_else(|| Error::new(ErrorKind::Unavailable, message)).with_source(error)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Host and port, no password.
        write!(f, "redis:{}", self.client.get_connection_info().addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_honoured_is_refused() {
        let there = Path::new("/not/there.pem");
        for (address, file) in [
            ("rediss://:SECRET@h/#insecure", None),
            ("redis://:SECRET@h/", Some(there)),
            ("rediss://:SECRET@h/", Some(there)),
            ("http://:SECRET@h/", None),
        ] {
            let error = RedisAddress::parse(address, file).unwrap_err().to_string();
            assert!(error.starts_with("storage.config: ") && !error.contains("SECRET"), "{address}: {error}");
        }
        assert!(RedisAddress::parse("rediss://h:1/2", None).is_ok());
    }
}
