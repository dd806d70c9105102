//! Bytes whose signature is made elsewhere and later.

use super::{PublicKey, Signature, Signer};
use crate::error::{Error, ErrorKind, Result};
use core::fmt;

type Finish<T> = Box<dyn FnOnce(&Signature) -> Result<T> + Send + Sync>;

/// Something that is complete but for its signature: for keys that answer later, as WebCrypto's do, or in another process.
///
/// Have [`Prepared::message`] signed, then [`Prepared::complete`] it. Who can sign at once implements [`Signer`] instead.
pub struct Prepared<T> {
    message: Vec<u8>,
    public_key: PublicKey,
    finish: Finish<T>,
}

impl<T> Prepared<T> {
    pub(crate) fn new(
        message: Vec<u8>,
        public_key: PublicKey,
        finish: impl FnOnce(&Signature) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        Self { message, public_key, finish: Box::new(finish) }
    }

    /// The bytes to sign. The signer hashes them itself: SHA-256 for ES256, not at all for Ed25519.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The public half of the key that has to sign.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Puts the signature in: `r ‖ s`, made low-s here, or Ed25519's.
    ///
    /// # Errors
    /// `usage.signer` when the public key did not make this signature of the message: a key that was changed where it lives would
    /// otherwise show only as refusals at every publisher.
    pub fn complete(self, signature: Signature) -> Result<T> {
        if self.public_key.verify(&self.message, &signature) {
            self.put(signature)
        } else {
            Err(Error::new(ErrorKind::Signer, "the signature does not verify with the public key"))
        }
    }

    /// Has it signed by one who can do so at once.
    pub(crate) fn sign_with(self, signer: &dyn Signer) -> Result<T> {
        let signature = signer.sign(&self.message)?;
        self.put(signature)
    }

    /// Has all of them signed by one who can do so at once, in order.
    pub(crate) fn sign_all_with(all: Vec<Self>, signer: &dyn Signer) -> Result<Vec<T>> {
        let messages: Vec<&[u8]> = all.iter().map(Self::message).collect();
        let signatures = signer.sign_batch(&messages)?;
        if signatures.len() != all.len() {
            return Err(Error::new(
                ErrorKind::Signer,
                "the signer did not make one signature for each message",
            ));
        }
        all.into_iter().zip(signatures).map(|(prepared, signature)| prepared.put(signature)).collect()
    }

    fn put(self, signature: Signature) -> Result<T> {
        (self.finish)(&signature.normalized(self.public_key.algorithm()))
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("bytes", &self.message.len())
            .field("key_id", &self.public_key.thumbprint().as_str())
            .finish_non_exhaustive()
    }
}

/// Stands for a key that only [`Prepared`] can reach.
pub(crate) struct KeyElsewhere(pub(crate) PublicKey);

impl Signer for KeyElsewhere {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Result<Signature> {
        Err(Error::new(ErrorKind::Signer, "the key lives elsewhere: prepare, have it signed there, complete"))
    }
}
