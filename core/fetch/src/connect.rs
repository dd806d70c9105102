//! To a checked address and to no other, TLS by name (PROTOCOL §4).

use crate::target::Target;
use crate::{FetchError, Options};
use core::time::Duration;
use imagxp::publisher::FetchFailure;
use imagxp::{Error, ErrorKind, Result};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long an address has to itself before the next one is tried as well (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// TLS 1.2 or 1.3 on *ring*, HTTP/1.1, no client certificate, nothing remembered between connections.
pub(crate) fn tls(options: &Options) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if !options.only_given_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for root in &options.roots {
        roots
            .add(CertificateDer::from(root.as_slice()))
            .map_err(|error| Error::argument("a root is not a certificate").with_source(error))?;
    }
    if roots.is_empty() {
        return Err(Error::argument("only_given_roots without roots trusts nobody"));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| Error::new(ErrorKind::Io, "TLS cannot be set up").with_source(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Connects to the first of these addresses that answers.
pub(crate) async fn tcp(
    addresses: &[IpAddr],
    target: &Target,
    options: &Options,
) -> Result<TcpStream, FetchError> {
    let mut attempts = JoinSet::new();
    let mut remaining = addresses.iter();
    let mut last = None;
    loop {
        if let Some(address) = remaining.next() {
            let elsewhere = options.allowed_port.filter(|_| options.allow_addresses.contains(address));
            let port = elsewhere.unwrap_or(target.port);
            attempts.spawn(TcpStream::connect(SocketAddr::new(*address, port)));
        } else if attempts.is_empty() {
            let reason =
                last.map_or_else(|| "no address".to_owned(), |error: std::io::Error| error.to_string());
            return Err(failed(format!("cannot connect: {reason}")));
        }
        let patience = if remaining.len() == 0 { Duration::MAX } else { HEAD_START };
        match tokio::time::timeout(patience, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => {
                // Small requests, one each way: nothing to wait for.
                let _ignored = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Some(Ok(Err(error)))) => last = Some(error),
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
}

/// The TLS handshake, for the name.
pub(crate) async fn secure(
    stream: TcpStream,
    target: &Target,
    tls: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, FetchError> {
    let name = ServerName::try_from(target.host.clone()).map_err(|_| failed("the host is not a name"))?;
    TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|error| failed(format!("TLS: {error}")))
}

fn failed(detail: impl Into<String>) -> FetchError {
    FetchError::new(FetchFailure::Failed, detail)
}
