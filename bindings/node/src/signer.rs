//! Signers written in JavaScript: clients of a KMS, an HSM, a smart card.

use crate::host::{self, Home};
use crate::js::{Bytes, Callback, arguments};
use imagxp::crypto::{PublicKey, Signature, Signer};
use imagxp::{Error, ErrorKind, Result};
use napi::bindgen_prelude::{Buffer, FnArgs};
use std::sync::Arc;

/// The message.
pub(crate) type Message = FnArgs<(Buffer,)>;

/// A public key and a function that signs with its private half.
pub(crate) struct ExternalSigner {
    public_key: PublicKey,
    sign: Arc<Callback<Message>>,
    home: Option<Home>,
    der: bool,
}

impl ExternalSigner {
    /// `der`: the function answers ECDSA signatures in DER, as most KMS do, rather than 64 bytes.
    pub(crate) fn new(public_key: PublicKey, sign: Callback<Message>, der: bool) -> Self {
        Self { public_key, sign: Arc::new(sign), home: host::home(), der }
    }
}

impl Signer for ExternalSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        let (sign, bytes) = (Arc::clone(&self.sign), message.to_vec());
        let ask = move || sign.call(|| arguments((Buffer::from(bytes),)), |answer| answer.read::<Bytes>());
        // A read of an `Agent` happens on another thread, while its own waits for nothing.
        let answer = match &self.home {
            Some(home) if !self.sign.is_home() => home.visit(ask).unwrap_or_else(|| Err(ended())),
            _ => ask(),
        };
        // What the caller threw becomes the cause of ours (`errors::raise`); our sentence repeats nothing of it.
        let answer =
            answer.map_err(|error| Error::new(ErrorKind::Signer, "the signer failed").with_source(error))?;
        let signature = if self.der {
            Signature::from_ecdsa_der(&answer)
        } else {
            answer.0.try_into().ok().map(Signature::from_bytes)
        };
        let signature = signature.ok_or_else(|| {
            Error::new(
                ErrorKind::Signer,
                if self.der {
                    "the signer's answer is not DER"
                } else {
                    "the signer's answer is not 64 bytes"
                },
            )
        })?;
        // A key that was changed at the KMS would otherwise show only as refusals at every publisher.
        if self.public_key.verify(message, &signature) {
            Ok(signature)
        } else {
            Err(Error::new(ErrorKind::Signer, "the signer's answer does not verify with the public key"))
        }
    }
}

fn ended() -> napi::Error {
    napi::Error::new(napi::Status::Cancelled, "the thread of the signer has ended")
}
