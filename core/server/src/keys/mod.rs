//! The broker's signing keys: one signs, the others are published before it and after it (BROKER §3).
//!
//! Everything follows from when each key may first sign. A key is published when it is made and signs [`NOTICE_S`] later, so that no
//! publisher meets a `kid` that its copy of the key set lacks; when the next one signs, it stays published until the last token that it
//! signed has expired.

mod folder;

pub(crate) use folder::index_file;
pub use folder::{create, rotate};

use crate::error::SetupError;
use imagxp::crypto::{PrivateKey, PublicKey, Signer};
use imagxp::json::{Object, Value, object_to_canonical};
use imagxp::{Result, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// How long a key is published before it signs, in seconds: as long as a key set may be cached (PROTOCOL §8).
pub const NOTICE_S: i64 = 24 * 3600;

/// How long a key stays published after it has signed for the last time, in seconds: the longest life of what it signs (12 hours, an
/// operator's session), and the leeway of those who check.
pub const KEEP_S: i64 = 12 * 3600 + 65;

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) use_from: Timestamp,
}

/// The keys, oldest first.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// Reads the keys of a data folder.
    ///
    /// Errors: `keys.missing` (make them first), `io.failed`, `key_file.locked`, `keys.malformed`.
    pub fn open(data: &Path, passphrase_file: &Path) -> Result<Self, SetupError> {
        folder::open(data, passphrase_file)
    }

    /// The key that signs now: the newest whose time has come.
    pub(crate) fn signer(&self, now: Timestamp) -> Option<Arc<PrivateKey>> {
        let due = self.keys.iter().rev().find(|key| key.use_from <= now);
        // A clock that went back must not stop the broker: the oldest key is known to everyone.
        due.or(self.keys.first()).map(|key| Arc::clone(&key.key))
    }

    /// The keys that others may meet now.
    pub(crate) fn published(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        let ends = self.keys.iter().skip(1).map(|next| Some(next.use_from)).chain([None]);
        self.keys
            .iter()
            .zip(ends)
            .filter(move |(_, end)| end.is_none_or(|end| now <= end.saturating_add_secs(KEEP_S)))
            .map(|(key, _)| key.key.public_key())
    }

    /// The published key with this `kid`.
    pub(crate) fn find(&self, kid: &str, now: Timestamp) -> Option<&PublicKey> {
        self.published(now).find(|key| key.thumbprint().as_str() == kid)
    }

    /// The key set (RFC 7517) as RFC 8785 JSON.
    pub fn jwks(&self, now: Timestamp) -> Vec<u8> {
        let keys = self.published(now).map(|key| {
            let mut jwk = key.to_jwk();
            jwk.insert("kid", key.thumbprint().as_str().to_owned());
            jwk.insert("use", "sig");
            jwk.insert("alg", "ES256");
            Value::Object(jwk)
        });
        let mut set = Object::new();
        set.insert("keys", keys.collect::<Vec<_>>());
        object_to_canonical(&set)
    }
}

/// A key ring signs through whichever key is due.
pub(crate) struct Due(pub(crate) Arc<PrivateKey>);

impl Signer for Due {
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<imagxp::crypto::Signature> {
        Ok(self.0.sign(message))
    }
}

impl core::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kids = self.keys.iter().map(|key| key.key.public_key().thumbprint().as_str());
        f.debug_list().entries(kids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_from_end_to_end() {
        let data = tempfile::tempdir().unwrap();
        let none = Path::new("");
        let start = Timestamp::from_secs(1_800_000_000);
        assert_eq!(KeyRing::open(data.path(), none).unwrap_err().code(), "keys.missing");
        create(data.path(), none, start).unwrap();
        assert_eq!(create(data.path(), none, start).unwrap_err().code(), "keys.exist");
        let first = KeyRing::open(data.path(), none).unwrap();
        let old = first.signer(start).unwrap().public_key().thumbprint().as_str().to_owned();
        let turn = start.saturating_add_secs(1000);
        let new = rotate(data.path(), none, turn).unwrap();
        assert_eq!(rotate(data.path(), none, turn).unwrap_err().code(), "rotation.order");
        let ring = KeyRing::open(data.path(), none).unwrap();
        let signer = |after| {
            ring.signer(turn.saturating_add_secs(after))
                .unwrap()
                .public_key()
                .thumbprint()
                .as_str()
                .to_owned()
        };
        let published = |after| {
            ring.published(turn.saturating_add_secs(after))
                .map(|key| key.thumbprint().as_str().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (signer(0), signer(NOTICE_S - 1), signer(NOTICE_S)),
            (old.clone(), old.clone(), new.clone())
        );
        assert_eq!(published(0), [old.clone(), new.clone()]);
        assert_eq!(published(NOTICE_S + KEEP_S), [old.clone(), new.clone()]);
        assert_eq!(published(NOTICE_S + KEEP_S + 1), std::slice::from_ref(&new));
        assert_eq!(imagxp::jwks::JwkSet::parse(&ring.jwks(turn)).unwrap().keys().len(), 2);
        // A later rotation takes the file of a key that nobody meets any more.
        rotate(data.path(), none, turn.saturating_add_secs(NOTICE_S + KEEP_S + 1)).unwrap();
        assert!(!data.path().join("keys").join(format!("{old}.pem")).exists());
        assert_eq!(KeyRing::open(data.path(), none).unwrap().keys.len(), 2);
    }

    #[test]
    fn sealed_keys_need_their_passphrase() {
        let data = tempfile::tempdir().unwrap();
        let (right, wrong) = (data.path().join("right"), data.path().join("wrong"));
        std::fs::write(&right, "correct horse\n").unwrap();
        std::fs::write(&wrong, "battery\n").unwrap();
        create(data.path(), &right, Timestamp::from_secs(1_800_000_000)).unwrap();
        assert!(KeyRing::open(data.path(), &right).is_ok());
        assert_eq!(KeyRing::open(data.path(), &wrong).unwrap_err().code(), "key_file.locked");
        assert_eq!(KeyRing::open(data.path(), Path::new("")).unwrap_err().code(), "key_file.locked");
    }
}
