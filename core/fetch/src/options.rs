//! How a fetcher is set up.

use imagxp::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
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
    /// A file with the trust anchors of DNSSEC, as DNSKEY records; the root's of the Internet when absent.
    pub trust_anchor: Option<PathBuf>,
    /// The `User-Agent` of [`crate::Fetcher::get`]; the crate's own when absent.
    pub user_agent: Option<String>,
}

impl Options {
    /// Adds the certificates of a PEM text to [`Options::roots`]. Errors: it holds none, or one that cannot be read.
    pub fn add_roots_pem(&mut self, pem: &[u8]) -> Result<()> {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|_| Error::argument("the roots are not PEM certificates"))?;
            self.roots.push(certificate.to_vec());
            found = true;
        }
        if found { Ok(()) } else { Err(Error::argument("the roots hold no certificate")) }
    }
}
