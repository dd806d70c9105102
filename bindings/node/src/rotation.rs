//! An agent's keys in a folder, and their rotation.

use crate::agent_id;
use crate::identity::Identity;
use crate::js::{ClassInstance, JsBoolean, JsNumber, JsString};
use crate::key::{self, PrivateKey, PublicKey, algorithm};
use crate::key_file::Passphrase;
use crate::manifest::Manifest;
use crate::options::options;
use crate::publisher::NowOptions;
use crate::time::{self, DateTime, Time};
use crate::{boundary, errors, worker};
use imagxp::crypto::{self, Thumbprint};
use imagxp_files::rotation::Keyring;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use napi::{Env, Result};
use napi_derive::napi;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

options! {
    /// What the folder of an agent begins with.
    RotationCreateOptions {
        /// The agent's key; a new one unless given.
        key: Option<ClassInstance<PrivateKey>>,
        /// Whom to write to.
        contact: Option<JsString>,
        /// Encrypts every key in the folder.
        #[napi(ts_type = "Text | null")]
        passphrase: Option<Passphrase>,
        /// Also admits `localhost` and `127.0.0.1`, with a port: for development.
        allow_loopback: Option<JsBoolean>,
    }
}

options! {
    /// What opens the keys of a folder.
    PassphraseOptions {
        /// Needed when they are encrypted.
        #[napi(ts_type = "Text | null")]
        passphrase: Option<Passphrase>,
    }
}

options! {
    /// What the next key is.
    PrepareOptions {
        /// `ES256` unless given.
        #[napi(ts_type = "Algorithm")]
        algorithm: Option<JsString>,
        /// Must open the current key.
        #[napi(ts_type = "Text | null")]
        passphrase: Option<Passphrase>,
    }
}

options! {
    /// What `Rotation.publish` takes.
    PublishOptions {
        /// The longest `Cache-Control: max-age` in seconds with which the manifest was served in the last hour, shared caches included; an
        /// hour is assumed unless given.
        max_age: Option<JsNumber>,
        /// The clock's time unless given.
        now: Option<Time>,
    }
}

/// An agent's keys in a folder: the key that signs now, the next or the old one, and the manifest to serve.
///
/// A step that would come too early rejects with the code `rotation.order`, and a message that says from when on it is safe.
#[napi]
pub struct Rotation {
    keyring: Arc<Mutex<Keyring>>,
}

impl Rotation {
    fn with(keyring: Keyring) -> Self {
        Self { keyring: Arc::new(Mutex::new(keyring)) }
    }

    /// Looks at the state that was read last.
    fn look<T>(&self, act: impl FnOnce(&Keyring) -> T) -> Result<T> {
        boundary::compute(|| act(&lock(&self.keyring)))
    }

    /// Takes a step on the state that is on the disk.
    fn step<T: Send + 'static, V: ToNapiValue + 'static>(
        &self,
        env: &Env,
        act: impl FnOnce(&mut Keyring) -> imagxp::Result<T> + Send + 'static,
        finish: impl FnOnce(T) -> V + Send + 'static,
    ) -> Result<PromiseRaw<'static, V>> {
        let keyring = Arc::clone(&self.keyring);
        let work = move || act(&mut lock(&keyring));
        worker::run(env, work, |done| done.map(finish).map_err(|error| errors::raise(&error)))
    }
}

fn lock(keyring: &Mutex<Keyring>) -> MutexGuard<'_, Keyring> {
    keyring.lock().unwrap_or_else(PoisonError::into_inner)
}

fn opened(passphrase: Option<&Passphrase>) -> Option<&imagxp_files::key_file::Passphrase> {
    passphrase.map(|passphrase| &*passphrase.0)
}

#[napi]
impl Rotation {
    /// Opens the folder of an agent.
    #[napi(constructor)]
    pub fn new(path: JsString) -> Result<Self> {
        boundary::call(|| Keyring::open(Path::new(&*path))).map(Self::with)
    }

    /// Makes the folder (mode 0700) for an agent.
    #[napi(
        ts_args_type = "path: string, agentId: string, options?: RotationCreateOptions",
        ts_return_type = "Promise<Rotation>"
    )]
    pub fn create(
        env: Env,
        path: JsString,
        agent_id: JsString,
        options: Option<RotationCreateOptions>,
    ) -> Result<PromiseRaw<'static, Rotation>> {
        let (key, contact, passphrase, loopback) = options.map_or((None, None, None, None), |options| {
            (options.key, options.contact, options.passphrase, options.allow_loopback)
        });
        let agent = agent_id::parse(&agent_id, loopback.is_some_and(|flag| flag.0))?;
        let key: Arc<crypto::PrivateKey> = match key {
            Some(key) => Arc::clone(&key.0),
            None => Arc::new(key::generate(None)?),
        };
        let path = PathBuf::from(path.0);
        let work = move || {
            let contact = contact.map(|contact| contact.0);
            Keyring::create(&path, agent, contact, &key, opened(passphrase.as_ref()))
        };
        worker::run(&env, work, |made: imagxp::Result<_>| {
            made.map(Self::with).map_err(|error| errors::raise(&error))
        })
    }

    /// Whose keys they are.
    #[napi(getter)]
    pub fn agent_id(&self) -> Result<String> {
        self.look(|keyring| keyring.agent_id().as_str().to_owned())
    }

    /// Where the rotation stands.
    #[napi(getter, ts_return_type = "'settled' | 'prepared' | 'published' | 'switched'")]
    pub fn stage(&self) -> Result<&'static str> {
        self.look(|keyring| keyring.rotation().stage().as_str())
    }

    /// The key that signs now.
    #[napi(getter)]
    pub fn signing_key(&self) -> Result<PublicKey> {
        self.look(|keyring| PublicKey(keyring.rotation().signing_key().clone()))
    }

    /// The next key, or after switching the old one.
    #[napi(getter)]
    pub fn other_key(&self) -> Result<Option<PublicKey>> {
        self.look(|keyring| keyring.rotation().other_key().cloned().map(PublicKey))
    }

    /// From when on the next step that has to wait (switching or retiring) is safe.
    #[napi(getter)]
    pub fn ready_at(&self) -> Result<Option<DateTime>> {
        self.look(|keyring| keyring.rotation().ready_at().map(DateTime))
    }

    /// The thumbprints of keys that were revoked, the oldest first.
    #[napi(getter)]
    pub fn revoked(&self) -> Result<Vec<String>> {
        self.look(|keyring| keyring.rotation().revoked().iter().map(|key| key.as_str().to_owned()).collect())
    }

    /// The manifest to serve now.
    #[napi]
    pub fn manifest(&self) -> Result<Manifest> {
        boundary::call(|| lock(&self.keyring).manifest().map(Manifest))
    }

    /// Reads the state again: another process may have taken a step.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn reload(&self, env: Env) -> Result<PromiseRaw<'static, ()>> {
        let act = |keyring: &mut Keyring| {
            *keyring = Keyring::open(keyring.path())?;
            Ok(())
        };
        self.step(&env, act, |()| ())
    }

    /// The agent with the key that signs now.
    #[napi(ts_return_type = "Promise<Identity>")]
    pub fn identity(
        &self,
        env: Env,
        options: Option<PassphraseOptions>,
    ) -> Result<PromiseRaw<'static, Identity>> {
        let passphrase = options.and_then(|options| options.passphrase);
        let act = move |keyring: &mut Keyring| {
            Ok((keyring.agent_id().clone(), keyring.signing_key(opened(passphrase.as_ref()))?))
        };
        self.step(&env, act, |(agent_id, key)| Identity::of(agent_id, Arc::new(key)))
    }

    /// Makes the next key; nobody knows of it yet.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn prepare(&self, env: Env, options: Option<PrepareOptions>) -> Result<PromiseRaw<'static, ()>> {
        let (name, passphrase) =
            options.map_or((None, None), |options| (options.algorithm, options.passphrase));
        let algorithm = algorithm(name.as_deref())?;
        self.step(&env, move |keyring| keyring.prepare(algorithm, opened(passphrase.as_ref())), |()| ())
    }

    /// Lists the next key in the manifest; called again, it restarts the wait.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn publish(&self, env: Env, options: Option<PublishOptions>) -> Result<PromiseRaw<'static, ()>> {
        let (max_age, now) = options.map_or((None, None), |options| (options.max_age, options.now));
        let max_age = max_age.map(|seconds| seconds.whole::<u32>("maxAge")).transpose()?;
        let now = time::or_now(now);
        self.step(&env, move |keyring| keyring.publish(now, max_age), |_| ())
    }

    /// Signs with the next key from now on; called again, it restarts the wait until the old key may go.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn switch(&self, env: Env, options: Option<NowOptions>) -> Result<PromiseRaw<'static, ()>> {
        let now = time::or_now(options.and_then(|options| options.now));
        self.step(&env, move |keyring| keyring.switch(now), |_| ())
    }

    /// Leaves the old key out of the manifest, and removes its file.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn retire(&self, env: Env, options: Option<NowOptions>) -> Result<PromiseRaw<'static, ()>> {
        let now = time::or_now(options.and_then(|options| options.now));
        self.step(&env, move |keyring| keyring.retire(now), |_| ())
    }

    /// Goes back to the old key.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn abort(&self, env: Env, options: Option<NowOptions>) -> Result<PromiseRaw<'static, ()>> {
        let now = time::or_now(options.and_then(|options| options.now));
        self.step(&env, move |keyring| keyring.abort(now), |_| ())
    }

    /// Drops a compromised key at once, named by its thumbprint. Publishers may refuse requests for a while, and accept the revoked key
    /// for up to an hour. When it is the only one, a new key is made, encrypted with the passphrase if there is one.
    #[napi(
        ts_args_type = "thumbprint: string, options?: PassphraseOptions",
        ts_return_type = "Promise<void>"
    )]
    pub fn revoke(
        &self,
        env: Env,
        thumbprint: JsString,
        options: Option<PassphraseOptions>,
    ) -> Result<PromiseRaw<'static, ()>> {
        let key = Thumbprint::parse(&thumbprint)
            .ok_or_else(|| errors::argument(&format!("`{}` is not a thumbprint", &*thumbprint)))?;
        let passphrase = options.and_then(|options| options.passphrase);
        self.step(&env, move |keyring| keyring.revoke(&key, opened(passphrase.as_ref())), |_| ())
    }
}
