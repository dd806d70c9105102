//! The agent's key document.

use crate::error::ImagxpError;
use crate::headers::{Header, list};
use crate::key::PublicKey;
use crate::{agent_id, boundary, time};
use imagxp::Timestamp;
use imagxp::manifest as core;
use std::sync::Arc;

/// One key of a manifest with the dates between which it exists.
#[derive(uniffi::Record)]
pub(crate) struct ManifestKey {
    /// The key.
    pub(crate) key: Arc<PublicKey>,
    /// From when on the key exists (inclusive); nil: always.
    #[uniffi(default = None)]
    pub(crate) not_before: Option<Timestamp>,
    /// Until when the key exists (inclusive); nil: for ever.
    #[uniffi(default = None)]
    pub(crate) not_after: Option<Timestamp>,
}

#[uniffi::export]
impl ManifestKey {
    /// Whether the key exists at this time, the clock's unless given.
    #[uniffi::method(default(now = None))]
    pub(crate) fn exists_at(&self, now: Option<Timestamp>) -> bool {
        self.core().exists_at(time::or_now(now))
    }
}

impl ManifestKey {
    pub(crate) fn core(&self) -> core::ManifestKey {
        core::ManifestKey { key: self.key.0.clone(), not_before: self.not_before, not_after: self.not_after }
    }

    fn of(key: &core::ManifestKey) -> Self {
        Self { key: PublicKey::shared(key.key.clone()), not_before: key.not_before, not_after: key.not_after }
    }
}

/// The key document of a domain (PROTOCOL §4).
#[derive(uniffi::Object)]
pub(crate) struct Manifest(pub(crate) core::Manifest);

#[uniffi::export]
impl Manifest {
    /// Reads the manifest that was fetched for `agentId`. Throws `identity.manifest_invalid` or a `json.…` code.
    #[uniffi::constructor(default(allow_loopback = false))]
    pub(crate) fn parse(body: &[u8], agent_id: &str, allow_loopback: bool) -> Result<Arc<Self>, ImagxpError> {
        boundary::call(|| {
            let agent_id = agent_id::parse(agent_id, allow_loopback)?;
            core::Manifest::parse(body, &agent_id, core::MAX_MANIFEST_BYTES).map(Self::shared)
        })
    }

    /// Whose manifest it is.
    pub(crate) fn agent_id(&self) -> String {
        self.0.agent_id().to_string()
    }

    /// Whom to write to.
    pub(crate) fn contact(&self) -> Option<String> {
        self.0.contact().map(str::to_owned)
    }

    /// Every key, the current one first.
    pub(crate) fn keys(&self) -> Vec<ManifestKey> {
        self.0.keys().iter().map(ManifestKey::of).collect()
    }

    /// The keys that exist at this time, the clock's unless given.
    #[uniffi::method(default(now = None))]
    pub(crate) fn keys_at(&self, now: Option<Timestamp>) -> Vec<Arc<PublicKey>> {
        self.0.keys_at(time::or_now(now)).map(|key| PublicKey::shared(key.clone())).collect()
    }

    /// The JSON document to publish at `/.well-known/imagxp-agent.json`.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        self.0.to_json()
    }

    /// What a server answers. Everything but GET and HEAD of `/.well-known/imagxp-agent.json` is 404 or 405.
    ///
    /// `ifNoneMatch` is that header's value, all its lines joined by commas.
    #[uniffi::method(default(if_none_match = None))]
    pub(crate) fn response(
        &self,
        method: &str,
        path: &str,
        if_none_match: Option<String>,
    ) -> Result<ManifestResponse, ImagxpError> {
        let response = boundary::compute(|| self.0.response(method, path, if_none_match.as_deref()))?;
        Ok(ManifestResponse { status: response.status, headers: list(response.headers), body: response.body })
    }
}

impl Manifest {
    pub(crate) fn shared(manifest: core::Manifest) -> Arc<Self> {
        Arc::new(Self(manifest))
    }
}

/// An answer to serve.
#[derive(uniffi::Record)]
pub(crate) struct ManifestResponse {
    /// The status.
    pub(crate) status: u16,
    /// The header lines.
    pub(crate) headers: Vec<Header>,
    /// The body; empty for HEAD and 304.
    pub(crate) body: Vec<u8>,
}
