//! The rotation of an agent's keys in a folder: the keys, the state, and the manifest to serve (PROTOCOL §4).
//!
//! ```text
//! keys/
//!   rotation.json         the agent and the state of its rotation: what counts
//!   imagxp-agent.json     the manifest of that state, for any web server
//!   THUMBPRINT.key        a private key for each key of the state, sealed or in the clear
//!   rotation.lock         held while a step is taken
//! ```
//!
//! Each step writes in an order in which a crash between any two writes leaves a folder that is safe and that the next step puts right:
//! a new private key before the state that names it; a manifest that gains a key before the state that counts on it; the state before
//! the manifest that loses a key; and a private key is removed when neither names it any more.

mod folder;

use crate::atomic::Existing;
use crate::key_file::{self, Access, Passphrase};
use folder::Folder;
use imagxp::agent::Identity;
use imagxp::agent::rotation::{Rotation, Stage};
use imagxp::crypto::{Algorithm, PrivateKey, PublicKey, Thumbprint};
use imagxp::json::{self, Object, Value};
use imagxp::manifest::ManifestKey;
use imagxp::{AgentId, Error, ErrorKind, Manifest, Result, Timestamp};
use std::path::{Path, PathBuf};

/// The manifest's name in the folder.
pub const MANIFEST: &str = "imagxp-agent.json";
/// The state's name in the folder.
pub const STATE: &str = "rotation.json";

/// The largest state file.
const MAX_STATE_BYTES: usize = 32 * 1024;
/// The longest contact that is kept.
const MAX_CONTACT: usize = 256;

/// An agent's keys in a folder.
///
/// Reading takes no lock and writes nothing: a crawler may load the key to sign with while a step is taken elsewhere.
#[derive(Debug)]
pub struct Keyring {
    folder: Folder,
    agent_id: AgentId,
    contact: Option<String>,
    rotation: Rotation,
}

impl Keyring {
    /// Makes the folder (mode 0700) for an agent with this key, which is sealed when a passphrase is given.
    ///
    /// `io.failed` when there is a rotation in the folder already, and when it cannot be written.
    pub fn create(
        path: &Path,
        agent_id: AgentId,
        contact: Option<String>,
        key: &PrivateKey,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self> {
        if contact
            .as_ref()
            .is_some_and(|contact| contact.len() > MAX_CONTACT || contact.contains(char::is_control))
        {
            return Err(Error::argument(format!("a contact is one line of at most {MAX_CONTACT} bytes")));
        }
        let folder = Folder::create(path)?;
        let _lock = folder.lock()?;
        if folder.exists(STATE) {
            return Err(Error::new(
                ErrorKind::Io,
                format!("`{}` exists already", folder.file(STATE).display()),
            ));
        }
        let keyring = Self { folder, agent_id, contact, rotation: Rotation::new(key.public_key().clone()) };
        keyring.save_key(key, passphrase)?;
        keyring.write_manifest(&keyring.rotation)?;
        keyring.folder.write(STATE, &keyring.to_json(&keyring.rotation), Existing::Refuse)?;
        Ok(keyring)
    }

    /// Reads the state in a folder. `io.failed` when it cannot be read, `usage.argument` when it is not one.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Folder::open(path)?;
        let content = folder.read(STATE, MAX_STATE_BYTES)?;
        let (agent_id, contact, rotation) =
            parse(&content).map_err(|error| located(&folder.file(STATE), error))?;
        Ok(Self { folder, agent_id, contact, rotation })
    }

    /// Whether there is a rotation in this folder.
    pub fn is_in(path: &Path) -> bool {
        path.join(STATE).is_file()
    }

    /// The folder, as an absolute path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whose keys they are.
    pub fn agent_id(&self) -> &AgentId {
        &self.agent_id
    }

    /// Whom to write to, for the manifest.
    pub fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }

    /// Where the rotation stands.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// The manifest to serve now.
    pub fn manifest(&self) -> Result<Manifest> {
        self.manifest_of(&self.rotation)
    }

    /// The file of a private key.
    pub fn key_path(&self, key: &Thumbprint) -> PathBuf {
        self.folder.file(&key_name(key))
    }

    /// Whether the key that signs now is sealed with a passphrase.
    pub fn is_sealed(&self) -> Result<bool> {
        let path = self.key_path(self.rotation.signing_key().thumbprint());
        Ok(key_file::is_sealed(&key_file::content(&path, Access::OwnerOnly)?))
    }

    /// The private key to sign with now.
    ///
    /// `key_file.locked` when it is sealed and the passphrase is missing or wrong, and when the file holds another key.
    pub fn signing_key(&self, passphrase: Option<&Passphrase>) -> Result<PrivateKey> {
        let expected = self.rotation.signing_key();
        let path = self.key_path(expected.thumbprint());
        let key = key_file::load(&path, passphrase, Access::OwnerOnly)?;
        if key.public_key() != expected {
            return Err(Error::new(
                ErrorKind::KeyFile,
                format!("`{}` holds another key than its name says", path.display()),
            ));
        }
        Ok(key)
    }

    /// The agent with the key to sign with now.
    pub fn identity(&self, passphrase: Option<&Passphrase>) -> Result<Identity> {
        Ok(Identity::new(self.agent_id.clone(), self.signing_key(passphrase)?))
    }

    /// Makes a next key, sealed as the current one is; the passphrase must open the current one, so that one passphrase opens all.
    pub fn prepare(&mut self, algorithm: Algorithm, passphrase: Option<&Passphrase>) -> Result<()> {
        self.step(|keyring| {
            // Asked first, so that a refused step makes no key.
            let key = keyring.new_key(algorithm, passphrase)?;
            let next = keyring.rotation.prepare(key.public_key().clone())?;
            keyring.save_key(&key, passphrase)?;
            Ok(next)
        })
    }

    /// Writes the manifest with both keys; see [`Rotation::publish`]. When it is not served from this folder, publish again once it is
    /// in its place: the wait counts from there.
    pub fn publish(&mut self, now: Timestamp, max_age: Option<u32>) -> Result<()> {
        self.step(|keyring| keyring.rotation.publish(now, max_age))
    }

    /// Signs with the next key from now on; see [`Rotation::switch`]. `rotation.order` also when the manifest in the folder does not list
    /// it, or its private key is not there.
    pub fn switch(&mut self, now: Timestamp) -> Result<()> {
        self.step(|keyring| {
            let next = keyring.rotation.switch(now)?;
            if !keyring.lists(next.signing_key())? {
                return Err(order(format!(
                    "{MANIFEST} does not list the next key; publish again, and wait again, before switching"
                )));
            }
            keyring.require_key(next.signing_key())?;
            Ok(next)
        })
    }

    /// Leaves the old key out; see [`Rotation::retire`]. Its private key is removed.
    pub fn retire(&mut self, now: Timestamp) -> Result<()> {
        self.step(|keyring| keyring.rotation.retire(now))
    }

    /// Goes back; see [`Rotation::abort`]. The private key that is dropped is removed.
    pub fn abort(&mut self, now: Timestamp) -> Result<()> {
        self.step(|keyring| {
            let next = keyring.rotation.abort(now)?;
            keyring.require_key(next.signing_key())?;
            Ok(next)
        })
    }

    /// Drops a key at once; see [`Rotation::revoke`]. Its private key is removed. When it is the only one, a new one is made and sealed
    /// with the passphrase; the old key's need not be known.
    pub fn revoke(&mut self, key: &Thumbprint, passphrase: Option<&Passphrase>) -> Result<()> {
        let key = *key;
        self.step(|keyring| {
            if !keyring.rotation.needs_replacement(&key) {
                let next = keyring.rotation.revoke(&key, None)?;
                keyring.require_key(next.signing_key())?;
                return Ok(next);
            }
            let replacement = generate(keyring.rotation.signing_key().algorithm())?;
            let next = keyring.rotation.revoke(&key, Some(replacement.public_key().clone()))?;
            keyring.save_key(&replacement, passphrase)?;
            Ok(next)
        })
    }

    /// Takes one step under the lock, on the state as it is on the disk, and puts right what a crash left behind.
    fn step(&mut self, act: impl FnOnce(&Self) -> Result<Rotation>) -> Result<()> {
        let _lock = self.folder.lock()?;
        *self = Self::open(self.folder.path())?;
        match act(self) {
            Ok(next) => {
                self.gain(&next)?;
                self.folder.write(STATE, &self.to_json(&next), Existing::Replace)?;
                self.rotation = next;
                self.tidy()
            }
            Err(refusal) => {
                // A manifest that lost the next key must not look as if it had listed it all the time; all else is put right.
                if self.rotation.stage() != Stage::Published {
                    let _ = self.tidy();
                }
                Err(refusal)
            }
        }
    }

    /// Adds to the manifest what the next state counts on; what it drops stays until that state is written down.
    fn gain(&self, next: &Rotation) -> Result<()> {
        for key in next.published_keys() {
            if !self.lists(key)? {
                let mut keys: Vec<&PublicKey> = self.rotation.published_keys().collect();
                keys.extend(
                    next.published_keys()
                        .filter(|key| !self.rotation.published_keys().any(|own| own == *key)),
                );
                let keys = keys.into_iter().map(|key| ManifestKey::new(key.clone())).collect();
                return self.serve(&Manifest::new(self.agent_id.clone(), self.contact.clone(), keys)?);
            }
        }
        Ok(())
    }

    /// Writes down what the state says, and removes private keys that neither the state nor the manifest names any more.
    fn tidy(&self) -> Result<()> {
        self.write_manifest(&self.rotation)?;
        let keys = [Some(self.rotation.signing_key()), self.rotation.other_key()];
        let named: Vec<String> = keys.into_iter().flatten().map(|key| key_name(key.thumbprint())).collect();
        for name in self.folder.names()? {
            let stem = name.strip_suffix(".key").and_then(Thumbprint::parse);
            if stem.is_some() && !named.contains(&name) {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }

    fn new_key(&self, algorithm: Algorithm, passphrase: Option<&Passphrase>) -> Result<PrivateKey> {
        self.signing_key(passphrase)?;
        generate(algorithm)
    }

    fn save_key(&self, key: &PrivateKey, passphrase: Option<&Passphrase>) -> Result<()> {
        let path = self.key_path(key.public_key().thumbprint());
        key_file::save(&path, key, passphrase, Existing::Replace)
    }

    fn require_key(&self, key: &PublicKey) -> Result<()> {
        let name = key_name(key.thumbprint());
        if self.folder.exists(&name) {
            return Ok(());
        }
        Err(order(format!("the private key `{}` is not there", self.folder.file(&name).display())))
    }

    /// Whether the manifest in the folder lists this key.
    fn lists(&self, key: &PublicKey) -> Result<bool> {
        if !self.folder.exists(MANIFEST) {
            return Ok(false);
        }
        let content = self.folder.read(MANIFEST, MAX_STATE_BYTES)?;
        let manifest = Manifest::parse(&content, &self.agent_id, MAX_STATE_BYTES);
        Ok(manifest.is_ok_and(|manifest| manifest.keys().iter().any(|entry| entry.key == *key)))
    }

    fn manifest_of(&self, rotation: &Rotation) -> Result<Manifest> {
        rotation.manifest(self.agent_id.clone(), self.contact.clone())
    }

    fn write_manifest(&self, rotation: &Rotation) -> Result<()> {
        self.serve(&self.manifest_of(rotation)?)
    }

    fn serve(&self, manifest: &Manifest) -> Result<()> {
        let json = manifest.to_json();
        // Left alone when it is right already, so that its date tells when it last changed.
        if self.folder.read(MANIFEST, MAX_STATE_BYTES).is_ok_and(|found| found == json) {
            return Ok(());
        }
        self.folder.publish(MANIFEST, &json)
    }

    fn to_json(&self, rotation: &Rotation) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("version", 1_u32);
        object.insert("agent_id", self.agent_id.as_str().to_owned());
        if let Some(contact) = &self.contact {
            object.insert("contact", contact.clone());
        }
        let state = rotation.to_json();
        if let Ok(state) = json::parse_object(&state, &json::Limits::MANIFEST) {
            object.insert("rotation", Value::Object(state.into_owned()));
        }
        json::object_to_canonical(&object)
    }
}

fn parse(content: &[u8]) -> Result<(AgentId, Option<String>, Rotation)> {
    let invalid = |what: &str| Error::argument(format!("not the state of a rotation: {what}"));
    let limits = json::Limits { max_bytes: MAX_STATE_BYTES, ..json::Limits::MANIFEST };
    let object = json::parse_object(content, &limits)
        .map_err(|error| invalid(error.code().as_str()).with_source(error))?;
    let known = ["version", "agent_id", "contact", "rotation"];
    if let Some((name, _)) = object.iter().find(|(name, _)| !known.contains(name)) {
        return Err(invalid(&format!("`{name}` is not a member of it")));
    }
    if object.get("version").and_then(Value::as_number).and_then(json::Number::as_i64) != Some(1) {
        return Err(invalid("another version"));
    }
    // Loopback was admitted, or not, when the folder was made.
    let agent_id = object.get("agent_id").and_then(Value::as_str).and_then(|name| AgentId::parse(name, true));
    let agent_id = agent_id.ok_or_else(|| invalid("agent_id is not a domain"))?;
    let contact = match object.get("contact") {
        None => None,
        Some(Value::String(contact)) => Some(contact.clone().into_owned()),
        Some(_) => return Err(invalid("contact is not a string")),
    };
    let state = object.get("rotation").and_then(Value::as_object).ok_or_else(|| invalid("no rotation"))?;
    Ok((agent_id, contact, Rotation::parse(&json::object_to_canonical(state))?))
}

fn generate(algorithm: Algorithm) -> Result<PrivateKey> {
    PrivateKey::generate(algorithm, &mut |buffer| {
        getrandom::fill(buffer)
            .map_err(|error| Error::new(ErrorKind::Io, format!("the system gives no randomness: {error}")))
    })
}

fn key_name(key: &Thumbprint) -> String {
    format!("{key}.key")
}

fn located(path: &Path, error: Error) -> Error {
    Error::new(error.kind(), format!("`{}`: {}", path.display(), error.message()))
}

fn order(message: String) -> Error {
    Error::new(ErrorKind::Rotation, message)
}

#[cfg(test)]
mod tests;
