//! How a fetcher is set up.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// How a fetcher is set up. The default is what a server on the Internet wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Development: admits http and any port to `localhost`, `127.0.0.1` and `[::1]`, as the policy's switch of the same name does.
    pub allow_loopback: bool,
    /// Development and tests: addresses that are admitted although they are not public. Nothing but this list admits them.
    pub allow_addresses: Vec<IpAddr>,
    /// Development and tests: on the addresses of that list, and nowhere else, this port is connected to whatever the URL says.
    pub allowed_port: Option<u16>,
    /// Ports besides 443.
    pub ports: Vec<u16>,
    /// Name servers, asked over UDP and TCP; the system's when empty.
    pub nameservers: Vec<SocketAddr>,
    /// Certificates (DER) of further authorities.
    pub roots: Vec<Vec<u8>>,
    /// Trusts nothing but [`Options::roots`].
    pub only_given_roots: bool,
    /// Asks for DNSSEC and refuses what is bogus. An error without the feature `dnssec`.
    pub dnssec: bool,
    /// A file with the trust anchors of DNSSEC in zone-file form; the root's when absent.
    pub trust_anchor: Option<PathBuf>,
    /// The `User-Agent` of [`crate::Fetcher::get`]; the crate's own when absent.
    pub user_agent: Option<String>,
}
