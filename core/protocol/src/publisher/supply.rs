//! Handing back what a verdict needed: manifests and key sets that the caller fetched (PROTOCOL §§4, 5, 8).

use super::Publisher;
use crate::agent_id::AgentId;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::jwks::JwkSet;
use crate::manifest::Manifest;
use crate::time::Timestamp;

/// Why a document could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// Network, TLS, deadline, or a 5xx status: it may work later.
    Failed,
    /// The server answers that there is no such document (404, 410).
    NotFound,
    /// The server redirects; redirects are not followed.
    Redirect,
    /// The name resolves to an address that must not be fetched from.
    AddressDenied,
    /// The fetcher has too much to do.
    Busy,
    /// The answer is too large, encoded, or not what it should be.
    Invalid,
}

impl FetchFailure {
    /// The code that a verdict has when this happens to a manifest.
    pub const fn code(self) -> Code {
        match self {
            Self::Failed => Code::IdentityFetchFailed,
            Self::NotFound => Code::IdentityNotFound,
            Self::Redirect => Code::IdentityRedirect,
            Self::AddressDenied => Code::IdentityAddressDenied,
            Self::Busy => Code::IdentityFetchBusy,
            Self::Invalid => Code::IdentityManifestInvalid,
        }
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotFound => "not_found",
            Self::Redirect => "redirect",
            Self::AddressDenied => "address_denied",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
        }
    }

    /// The failure with this wire name: `failed`, `not_found`, `redirect`, `address_denied`, `busy` or `invalid`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "failed" => Self::Failed,
            "not_found" => Self::NotFound,
            "redirect" => Self::Redirect,
            "address_denied" => Self::AddressDenied,
            "busy" => Self::Busy,
            "invalid" => Self::Invalid,
            _ => return None,
        })
    }
}

/// What a URL in `needs` stands for.
enum Document {
    Manifest(AgentId),
    Jwks,
}

impl Publisher {
    /// Hands in the body that a URL from `needs` answered with, and the answer's `Cache-Control: max-age` in seconds if it had one.
    ///
    /// A body that breaks a rule is recorded as a failure and is an error with the code `identity.manifest_invalid` or
    /// `key.malformed`; resuming then gives the verdict. `usage.argument`: the URL is not one that this publisher could need.
    pub fn supply(&self, url: &str, body: &[u8], max_age: Option<u32>, now: Timestamp) -> Result<()> {
        match self.document(url)? {
            Document::Jwks => match JwkSet::parse(body) {
                Ok(set) => self.jwks().supply(url, set, max_age, now),
                Err(error) => {
                    self.jwks().fail(url, Code::PaymentJwksUnavailable, now);
                    return Err(error);
                }
            },
            Document::Manifest(agent) => match Manifest::parse(body, &agent, self.limits.manifest()) {
                Ok(manifest) => {
                    let bytes = self.audit.as_ref().map(|_| body.into());
                    self.directory().supply(manifest, bytes, max_age, now);
                }
                Err(error) => {
                    self.directory().fail(&agent, Code::IdentityManifestInvalid, now);
                    return Err(error);
                }
            },
        }
        Ok(())
    }

    /// Reports that a URL from `needs` could not be fetched. Remembered for 60 s ([`FetchFailure::Busy`] for 2 s); keys from the last hour stay in
    /// use, and whether one that they lack is good stays undecided meanwhile.
    pub fn supply_failure(&self, url: &str, failure: FetchFailure, now: Timestamp) -> Result<()> {
        match self.document(url)? {
            Document::Jwks => self.jwks().fail(url, failure.code(), now),
            Document::Manifest(agent) => self.directory().fail(&agent, failure.code(), now),
        }
        Ok(())
    }

    fn document(&self, url: &str) -> Result<Document> {
        if self.jwks().is_configured(url) {
            return Ok(Document::Jwks);
        }
        AgentId::from_manifest_url(url)
            .filter(|agent| self.policy.document().allow_loopback || !agent.is_loopback())
            .map(Document::Manifest)
            .ok_or_else(|| Error::argument(format!("`{url}` is neither a manifest nor a configured key set")))
    }
}
