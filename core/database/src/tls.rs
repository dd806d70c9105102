//! TLS to a database server: whom it believes, and what a refusal is called.

use crate::error::{Error, ErrorKind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// How a connection to PostgreSQL is protected, as libpq names it (see the crate's README).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// Encrypted; the certificate is checked only when authorities are named.
    Require,
    /// Encrypted, and the certificate is one of a believed authority, for whatever name.
    VerifyCa,
    /// Encrypted, and the certificate is one of a believed authority for this host.
    VerifyFull,
}

impl SslMode {
    /// The mode of this name. Error: `storage.config`, also for `allow` and `prefer`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "disable" => Ok(Self::Disable),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            "allow" | "prefer" => Err(Error::config(
                "`sslmode` allow and prefer fall back to plain text without a word: say disable, require, verify-ca or verify-full",
            )),
            _ => Err(Error::config("`sslmode` is none of disable, require, verify-ca, verify-full")),
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// The authorities of a PEM file, and what it holds. Error: `storage.config`.
pub(crate) fn authorities(file: &Path) -> Result<(RootCertStore, Vec<u8>)> {
    let wrong = |why: &dyn core::fmt::Display| {
        Error::config(format!("the authorities in `{}` cannot be used: {why}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        store.add(certificate).map_err(|error| wrong(&error))?;
    }
    if store.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok((store, pem))
}

/// What a client of PostgreSQL brings along; none when nothing is to be encrypted.
pub(crate) fn client(mode: SslMode, file: Option<&Path>) -> Result<Option<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS cannot be set up").with_source(error))?;
    let store = match file {
        Some(file) => authorities(file)?.0,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let chain = |store: RootCertStore| {
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| Error::config("the authorities cannot be used").with_source(error))
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, file) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Require, None) => Arc::new(Unnamed { chain: None, provider }),
        (SslMode::Require, Some(_)) | (SslMode::VerifyCa, _) => {
            Arc::new(Unnamed { chain: Some(chain(store)?), provider })
        }
        (SslMode::VerifyFull, _) => chain(store)?,
    };
    let mut client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // What libpq sends; servers from 17 on look at it.
    client.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(client))
}

/// Believes a certificate for whatever name: `verify-ca`, or, without authorities, `require`.
#[derive(Debug)]
struct Unnamed {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unnamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last, when everything else is right.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a driver's error says of TLS; `None` when it says nothing of it.
pub(crate) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let message = match cause(error)? {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the server's certificate is not one of an authority that is believed here"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired"
            }
            _ => "the server's certificate cannot be used",
        },
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS",
        _ => "the TLS handshake with the server failed",
    };
    Some(Error::new(ErrorKind::Tls, message))
}

/// The error of TLS among the causes of an error; drivers wrap it in different ways.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let inner: Option<&'a (dyn std::error::Error + 'static)> =
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            io.get_ref().map(|inner| inner as _)
        } else if let Some(shared) = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
            Some(&**shared as _)
        } else {
            error.source()
        };
    cause(inner?)
}
