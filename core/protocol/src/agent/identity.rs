//! An agent's identity: its domain and the key with which it signs.

use crate::agent_id::AgentId;
use crate::crypto::{KeyElsewhere, PrivateKey, PublicKey, Signer};
use crate::error::{Error, Result};
use crate::manifest::{Manifest, ManifestKey};
use std::sync::Arc;

/// A domain name and a signer, for example a [`PrivateKey`] or a client of a KMS. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    agent_id: AgentId,
    signer: Arc<dyn Signer>,
}

impl Identity {
    /// Joins a domain with a key in memory.
    pub fn new(agent_id: AgentId, key: PrivateKey) -> Self {
        Self::with_signer(agent_id, Arc::new(key))
    }

    /// Joins a domain with any signer.
    pub fn with_signer(agent_id: AgentId, signer: Arc<dyn Signer>) -> Self {
        Self { agent_id, signer }
    }

    /// Joins a domain with a key that signs elsewhere and later, as WebCrypto's do: [`Identity::prepare`] and its kin give what is to be
    /// signed there. Whatever would have to sign at once is an error with the code `usage.signer`.
    pub fn with_public_key(agent_id: AgentId, key: PublicKey) -> Self {
        Self::with_signer(agent_id, Arc::new(KeyElsewhere(key)))
    }

    /// Reads the domain and joins it with a key.
    ///
    /// `allow_loopback` admits `localhost` and `127.0.0.1` for development. Errors: `usage.argument` for a bad domain.
    pub fn parse(agent_id: &str, key: PrivateKey, allow_loopback: bool) -> Result<Self> {
        let agent_id = AgentId::parse(agent_id, allow_loopback)
            .ok_or_else(|| Error::argument(format!("`{agent_id}` is not a public domain name")))?;
        Ok(Self::new(agent_id, key))
    }

    /// The domain.
    pub fn agent_id(&self) -> &AgentId {
        &self.agent_id
    }

    /// The key that publishers must find in the manifest.
    pub fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    /// The signer.
    pub fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    /// The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
    ///
    /// To rotate: publish both keys, wait one cache lifetime (an hour at most), sign with the new one, then leave the old one out.
    pub fn manifest(&self, contact: Option<String>, others: &[ManifestKey]) -> Result<Manifest> {
        let mut keys = vec![ManifestKey::new(self.public_key().clone())];
        keys.extend_from_slice(others);
        Manifest::new(self.agent_id.clone(), contact, keys)
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity")
            .field("agent_id", &self.agent_id)
            .field("key_id", &self.public_key().thumbprint().as_str())
            .finish_non_exhaustive()
    }
}
