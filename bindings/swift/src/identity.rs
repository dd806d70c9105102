//! An agent's identity: its domain and the key with which it signs.

use crate::error::ImagxpError;
use crate::headers::{Header, signed};
use crate::key::{Algorithm, PrivateKey, PublicKey, entropy};
use crate::manifest::{Manifest, ManifestKey};
use crate::sign::SignRequest;
use crate::signer::{ExternalSigner, SignatureEncoding, SwiftSigner};
use crate::{agent_id, boundary, time};
use imagxp::{AgentId, Purpose, Timestamp, agent, crypto};
use std::sync::Arc;

/// A domain name and the key that signs for it. Its description shows the public key only. Shared between tasks without locks.
#[derive(uniffi::Object)]
#[uniffi::export(Debug)]
pub(crate) struct Identity {
    pub(crate) inner: agent::Identity,
    is_external: bool,
}

#[uniffi::export]
impl Identity {
    /// Joins a domain with a key in memory. `allowLoopback` admits `localhost` and `127.0.0.1`, for development.
    ///
    /// Throws `usage.argument` for what is not a public domain name.
    #[uniffi::constructor(default(allow_loopback = false))]
    pub(crate) fn new(
        agent_id: &str,
        key: Arc<PrivateKey>,
        allow_loopback: bool,
    ) -> Result<Arc<Self>, ImagxpError> {
        let agent_id = agent_id::parse(agent_id, allow_loopback)?;
        let signer: Arc<dyn crypto::Signer> = Arc::<crypto::PrivateKey>::clone(&key.0);
        Ok(Self::join(agent_id, signer, false))
    }

    /// Joins a domain with a new key in memory.
    #[uniffi::constructor(default(algorithm = None, allow_loopback = false))]
    pub(crate) fn generate(
        agent_id: &str,
        algorithm: Option<Algorithm>,
        allow_loopback: bool,
    ) -> Result<Arc<Self>, ImagxpError> {
        Self::new(agent_id, PrivateKey::generate(algorithm)?, allow_loopback)
    }

    /// Joins a domain with a key that lives elsewhere: in the Secure Enclave, the Keychain, a KMS.
    ///
    /// `encoding` says how the signer answers: `.der` for `SecKeyCreateSignature` with `.ecdsaSignatureMessageX962SHA256`.
    #[uniffi::constructor(default(allow_loopback = false))]
    pub(crate) fn external(
        agent_id: &str,
        public_key: Arc<PublicKey>,
        signer: Box<dyn ExternalSigner>,
        encoding: SignatureEncoding,
        allow_loopback: bool,
    ) -> Result<Arc<Self>, ImagxpError> {
        let agent_id = agent_id::parse(agent_id, allow_loopback)?;
        let signer = Arc::new(SwiftSigner { public_key: public_key.0.clone(), signer, encoding });
        Ok(Self::join(agent_id, signer, true))
    }

    /// The domain.
    pub(crate) fn agent_id(&self) -> String {
        self.inner.agent_id().to_string()
    }

    /// The key that publishers must find in the manifest.
    pub(crate) fn public_key(&self) -> Arc<PublicKey> {
        PublicKey::shared(self.inner.public_key().clone())
    }

    /// The thumbprint of the key.
    pub(crate) fn key_id(&self) -> String {
        self.inner.public_key().thumbprint().as_str().to_owned()
    }

    /// Whether signing calls Swift code, which may wait for a person or a network.
    pub(crate) fn is_external(&self) -> bool {
        self.is_external
    }

    /// Signs one request; returns the headers to send. `User-Agent` is not among them: see `userAgent(own:)`.
    ///
    /// `url` is absolute. `now` is the clock's time and `nonce` a random UUID unless given. `context` is the text of a JSON object.
    /// `contentDigest`: `contentDigest(body:)` when there is a body. `payment` is a visa, `proof` an ad proof. For a `URLRequest` there
    /// is `sign(_:purpose:)`.
    #[uniffi::method(default(now = None, nonce = None, ads_displayed = None, context = None, content_digest = None, payment = None,
        proof = None, compatible = false))]
    #[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
    pub(crate) fn sign(
        &self,
        method: String,
        url: String,
        purpose: Purpose,
        now: Option<Timestamp>,
        nonce: Option<String>,
        ads_displayed: Option<bool>,
        context: Option<String>,
        content_digest: Option<String>,
        payment: Option<String>,
        proof: Option<String>,
        compatible: bool,
    ) -> Result<Vec<Header>, ImagxpError> {
        let request = SignRequest {
            method,
            url,
            purpose,
            now,
            nonce,
            ads_displayed,
            context,
            content_digest,
            payment,
            proof,
            compatible,
        };
        boundary::call(|| {
            let nonce = request.nonce()?;
            self.inner.sign(&request.core(), time::or_now(now), &nonce).map(|headers| signed(&headers))
        })
    }

    /// Signs many requests as `sign` does one after the other. ES256 signatures share their inversions, which makes eight and more an eighth cheaper; a
    /// key that lives elsewhere is asked for each.
    ///
    /// All or none: what is thrown names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for
    /// the requests that do not say their own.
    #[uniffi::method(default(now = None))]
    pub(crate) fn sign_batch(
        &self,
        requests: Vec<SignRequest>,
        now: Option<Timestamp>,
    ) -> Result<Vec<Vec<Header>>, ImagxpError> {
        boundary::call(|| {
            let now = time::or_now(now);
            let nonces = requests.iter().map(SignRequest::nonce).collect::<imagxp::Result<Vec<_>>>()?;
            let batch: Vec<_> = requests
                .iter()
                .zip(&nonces)
                .map(|(request, nonce)| (request.core(), request.now.unwrap_or(now), &**nonce))
                .collect();
            Ok(self.inner.sign_batch(&batch)?.iter().map(signed).collect())
        })
    }

    /// The manifest to publish, with this identity's key first and then `others`: during a rotation, the old or the next key.
    #[uniffi::method(default(contact = None, others = []))]
    pub(crate) fn manifest(
        &self,
        contact: Option<String>,
        others: Vec<ManifestKey>,
    ) -> Result<Arc<Manifest>, ImagxpError> {
        let others: Vec<_> = others.iter().map(ManifestKey::core).collect();
        boundary::call(|| self.inner.manifest(contact, &others).map(Manifest::shared))
    }
}

impl Identity {
    pub(crate) fn join(agent_id: AgentId, signer: Arc<dyn crypto::Signer>, is_external: bool) -> Arc<Self> {
        Arc::new(Self { inner: agent::Identity::with_signer(agent_id, signer), is_external })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} {})", self.inner.agent_id(), self.inner.public_key().thumbprint())
    }
}

/// A random UUID (RFC 9562, version 4), the nonce of our agents.
pub(crate) fn random_uuid() -> imagxp::Result<String> {
    let mut bytes = [0_u8; 16];
    entropy(&mut bytes)?;
    Ok(imagxp::encoding::uuid_v4(bytes))
}
