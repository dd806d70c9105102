//! Signers written in Python: clients of a KMS, an HSM, a smart card.

use imagxp::crypto::{PublicKey, Signature, Signer};
use imagxp::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

/// A public key and a Python callable that signs with its private half.
pub(crate) struct ExternalSigner {
    public_key: PublicKey,
    sign: Py<PyAny>,
    der: bool,
}

impl ExternalSigner {
    /// `der`: the callable answers ECDSA signatures in DER, as most KMS do, rather than 64 bytes.
    pub(crate) fn new(public_key: PublicKey, sign: Py<PyAny>, der: bool) -> Self {
        Self { public_key, sign, der }
    }
}

impl Signer for ExternalSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        let answer = Python::attach(|py| {
            let answer = self.sign.bind(py).call1((PyBytes::new(py, message),))?;
            PyResult::Ok(answer.cast::<PyBytes>()?.as_bytes().to_vec())
        });
        // The caller's exception becomes the cause of ours (`errors::raise`); our sentence repeats nothing of it.
        let answer =
            answer.map_err(|error| Error::new(ErrorKind::Signer, "the signer failed").with_source(error))?;
        let signature = if self.der {
            Signature::from_ecdsa_der(&answer)
        } else {
            answer.try_into().ok().map(Signature::from_bytes)
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
