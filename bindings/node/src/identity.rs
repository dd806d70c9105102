//! An agent's identity: its domain and the key with which it signs.

use crate::agent_id::{self, DevelopmentOptions, loopback};
use crate::headers::pairs;
use crate::js::{Anything, Callback, ClassInstance, JsBoolean, JsString, List};
use crate::key::{self, PrivateKey, PublicKey};
use crate::key_file::{self, LoadOptions, SaveOptions};
use crate::manifest::{Manifest, ManifestKey};
use crate::options::options;
use crate::publisher::NowOptions;
use crate::sign::{SignOptions, Wanted};
use crate::signer::ExternalSigner;
use crate::{boundary, dotenv, errors, time};
use imagxp::{AgentId, agent, crypto};
use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::Arc;

options! {
    /// What `Identity.external` also takes.
    ExternalOptions {
        /// The function answers ECDSA signatures in DER, as most KMS do, rather than 64 bytes.
        der: Option<JsBoolean>,
        /// Also admits `localhost` and `127.0.0.1`, with a port: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

options! {
    /// What `Identity.manifest` takes.
    ManifestOptions {
        /// Whom to write to.
        contact: Option<JsString>,
        /// Further keys: during a rotation, the old or the next one.
        others: Option<List<ClassInstance<ManifestKey>>>,
    }
}

options! {
    /// What `Identity.fromEnv` also takes.
    EnvOptions {
        /// Says the domain where no variable does; they must not differ.
        agent_id: Option<JsString>,
        /// Also admits `localhost` and `127.0.0.1`, with a port: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

/// A domain name and the key that signs for it.
#[napi]
pub struct Identity {
    pub(crate) inner: agent::Identity,
    /// Absent when the key lives elsewhere.
    pub(crate) key: Option<Arc<crypto::PrivateKey>>,
}

impl Identity {
    /// Joins a domain with a key.
    pub(crate) fn of(agent_id: AgentId, key: Arc<crypto::PrivateKey>) -> Self {
        let signer: Arc<dyn crypto::Signer> = Arc::<crypto::PrivateKey>::clone(&key);
        Self { inner: agent::Identity::with_signer(agent_id, signer), key: Some(key) }
    }
}

#[napi]
impl Identity {
    /// Joins a domain with a key in memory.
    #[napi(constructor)]
    pub fn new(
        agent_id: JsString,
        key: ClassInstance<PrivateKey>,
        options: Option<DevelopmentOptions>,
    ) -> Result<Self> {
        Ok(Self::of(agent_id::parse(&agent_id, loopback(options.as_ref()))?, Arc::clone(&key.0)))
    }

    /// Joins a domain with a new key.
    #[napi(factory, ts_args_type = "agentId: string, algorithm?: Algorithm, options?: DevelopmentOptions")]
    pub fn generate(
        agent_id: JsString,
        algorithm: Option<JsString>,
        options: Option<DevelopmentOptions>,
    ) -> Result<Self> {
        let agent_id = agent_id::parse(&agent_id, loopback(options.as_ref()))?;
        Ok(Self::of(agent_id, Arc::new(key::generate(algorithm.as_deref())?)))
    }

    /// Joins a domain with the key in a file; see `PrivateKey.load`.
    #[napi(
        ts_args_type = "agentId: string, path: string, options?: LoadOptions",
        ts_return_type = "Promise<Identity>"
    )]
    pub fn load(
        env: Env,
        agent_id: JsString,
        path: JsString,
        options: Option<LoadOptions>,
    ) -> Result<PromiseRaw<'static, Identity>> {
        let loopback = options.as_ref().and_then(|options| options.allow_loopback);
        let agent_id = agent_id::parse(&agent_id, loopback.is_some_and(|flag| flag.0))?;
        key_file::load(&env, path.0, options, |key| Ok(Self::of(agent_id, Arc::new(key))))
    }

    /// Takes domain and key from the variables of the reference SDK: `IMAGXP_AGENT_ID`, `IMAGXP_PRIVATE_KEY`, `IMAGXP_PUBLIC_KEY`.
    ///
    /// With a `path` they are read from that `.env` file. Without one `process.env` counts, and `.env` in the current folder when that has
    /// no key.
    #[napi(factory, ts_args_type = "path?: string | null, options?: EnvOptions")]
    pub fn from_env(env: Env, path: Option<JsString>, options: Option<EnvOptions>) -> Result<Self> {
        let (agent_id, loopback) =
            options.map_or((None, None), |options| (options.agent_id, options.allow_loopback));
        let (name, key) = dotenv::load(&env, path.as_deref(), agent_id.as_deref())?;
        Ok(Self::of(agent_id::parse(&name, loopback.is_some_and(|flag| flag.0))?, Arc::new(key)))
    }

    /// Joins a domain with a key that lives elsewhere (KMS, HSM): `sign` takes the message and returns its signature at once, 64 bytes
    /// (r and s, or Ed25519's), or ECDSA in DER when `der` is true. It hashes the message itself. What it throws becomes the `cause` of
    /// an `ImagxpError` with the code `usage.signer`.
    #[napi(
        factory,
        ts_args_type = "agentId: string, publicKey: PublicKey, sign: (message: Uint8Array) => Uint8Array, options?: ExternalOptions"
    )]
    pub fn external(
        env: Env,
        agent_id: JsString,
        public_key: ClassInstance<PublicKey>,
        sign: Anything,
        options: Option<ExternalOptions>,
    ) -> Result<Self> {
        let flag = |flag: Option<JsBoolean>| flag.is_some_and(|flag| flag.0);
        let allow_loopback = flag(options.as_ref().and_then(|options| options.allow_loopback));
        let der = flag(options.as_ref().and_then(|options| options.der));
        let agent_id = agent_id::parse(&agent_id, allow_loopback)?;
        let sign = Callback::new(env, &sign, "sign")?;
        let signer = Arc::new(ExternalSigner::new(public_key.0.clone(), sign, der));
        Ok(Self { inner: agent::Identity::with_signer(agent_id, signer), key: None })
    }

    /// The domain.
    #[napi(getter)]
    pub fn agent_id(&self) -> &str {
        self.inner.agent_id().as_str()
    }

    /// The key that publishers must find in the manifest.
    #[napi(getter)]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.inner.public_key().clone())
    }

    /// The thumbprint of the key.
    #[napi(getter)]
    pub fn key_id(&self) -> &str {
        self.inner.public_key().thumbprint().as_str()
    }

    /// Whether signing calls a function of JavaScript.
    #[napi(getter)]
    pub fn is_external(&self) -> bool {
        self.key.is_none()
    }

    /// Writes the key to a file; see `PrivateKey.save`. An error when the key lives elsewhere.
    #[napi(ts_args_type = "path: string, options?: SaveOptions", ts_return_type = "Promise<void>")]
    pub fn save(
        &self,
        env: Env,
        path: JsString,
        options: Option<SaveOptions>,
    ) -> Result<PromiseRaw<'static, ()>> {
        let key = self.key.as_ref().ok_or_else(|| errors::argument("an external key cannot be saved"))?;
        key_file::save(&env, path.0, Arc::clone(key), options)
    }

    /// Signs one request; returns the headers to send. `User-Agent` is not among them: see `userAgent`. `url` is absolute.
    #[napi(ts_args_type = "method: string, url: string, purpose: Purpose, options?: SignOptions")]
    pub fn sign(
        &self,
        method: JsString,
        url: JsString,
        purpose: JsString,
        options: Option<SignOptions>,
    ) -> Result<Vec<(String, String)>> {
        let wanted = Wanted::new(method, url, &purpose, options)?;
        let now = time::or_now(wanted.now);
        let headers = boundary::call(|| self.inner.sign(&wanted.request.as_ref(), now, &wanted.nonce()?))?;
        Ok(pairs(&headers))
    }

    /// Signs many requests as `sign` does one after the other, each with an options object of its own. ES256 signatures share their inversions, which
    /// makes eight and more an eighth cheaper.
    ///
    /// All or none: the error names the first request that cannot be signed, counted from 0; a nonce must not occur twice. `now` is for the
    /// requests that do not say their own.
    #[napi(
        ts_args_type = "requests: readonly (readonly [method: string, url: string, purpose: Purpose, options?: SignOptions])[], options?: NowOptions"
    )]
    pub fn sign_batch(
        &self,
        requests: List<Wanted>,
        options: Option<NowOptions>,
    ) -> Result<Vec<Vec<(String, String)>>> {
        let now = time::or_now(options.and_then(|options| options.now));
        let requests = requests.0;
        let signed = boundary::call(|| {
            let nonces = requests.iter().map(Wanted::nonce).collect::<imagxp::Result<Vec<_>>>()?;
            let batch: Vec<_> = requests
                .iter()
                .zip(&nonces)
                .map(|(wanted, nonce)| {
                    (wanted.request.as_ref(), wanted.now.map_or(now, |own| own.0), &**nonce)
                })
                .collect();
            self.inner.sign_batch(&batch)
        })?;
        Ok(signed.iter().map(pairs).collect())
    }

    /// The manifest to publish, with this identity's key first and then `others`. `Rotation` keeps the order and the waits of a
    /// rotation.
    #[napi]
    pub fn manifest(&self, options: Option<ManifestOptions>) -> Result<Manifest> {
        let (contact, others) = options.map_or((None, None), |options| (options.contact, options.others));
        let others: Vec<_> = others.unwrap_or_default().0.iter().map(|key| key.0.clone()).collect();
        boundary::call(|| self.inner.manifest(contact.map(|contact| contact.0), &others).map(Manifest))
    }
}

/// A random UUID (RFC 9562, version 4), the nonce of our agents.
pub(crate) fn random_uuid() -> imagxp::Result<String> {
    let mut bytes = [0_u8; 16];
    key::entropy(&mut bytes)?;
    Ok(imagxp::encoding::uuid_v4(bytes))
}
