//! Signers written in Swift: the Secure Enclave, the Keychain, clients of a KMS.

use crate::error::ImagxpError;
use imagxp::crypto::{PublicKey, Signature, Signer};
use imagxp::{Error, ErrorKind, Result};

/// Signs with a key that lives elsewhere.
///
/// `message` is the message itself, not its digest: what `SecKeyCreateSignature` takes with `.ecdsaSignatureMessageX962SHA256`, and
/// CryptoKit's `SecureEnclave.P256.Signing.PrivateKey.signature(for:)`. The answer is checked with the public key before it is used.
///
/// Whatever is thrown becomes an `ImagxpError` with the code `usage.signer`; the message of a thrown `ImagxpError` is kept, the text
/// of any other error is not repeated. Called on the thread that signs, from several threads at once when several sign.
#[uniffi::export(callback_interface)]
pub(crate) trait ExternalSigner: Send + Sync {
    /// The signature over the message, in the encoding that was promised.
    fn sign(&self, message: Vec<u8>) -> core::result::Result<Vec<u8>, ImagxpError>;
}

/// How a signer encodes its answers.
#[derive(Clone, Copy, PartialEq, uniffi::Enum)]
pub(crate) enum SignatureEncoding {
    /// ECDSA in ASN.1 DER, as `SecKeyCreateSignature` and most KMS answer (ANSI X9.62).
    Der,
    /// 64 bytes: r and s, CryptoKit's `rawRepresentation`; or Ed25519's.
    Raw,
}

/// A public key and a Swift object that signs with its private half.
pub(crate) struct SwiftSigner {
    pub(crate) public_key: PublicKey,
    pub(crate) signer: Box<dyn ExternalSigner>,
    pub(crate) encoding: SignatureEncoding,
}

impl Signer for SwiftSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature> {
        let failed = |message: String| Error::new(ErrorKind::Signer, message);
        let answer = self.signer.sign(message.to_vec()).map_err(|error| match &error {
            ImagxpError::Failure { code, message } if code != CALLBACK => {
                failed(format!("the signer failed: {message}"))
            }
            ImagxpError::Failure { .. } => failed("the signer failed".into()),
        })?;
        let signature = match self.encoding {
            SignatureEncoding::Der => Signature::from_ecdsa_der(&answer)
                .ok_or_else(|| failed("the signer's answer is not DER".into()))?,
            SignatureEncoding::Raw => answer
                .try_into()
                .map(Signature::from_bytes)
                .map_err(|_| failed("the signer's answer is not 64 bytes".into()))?,
        };
        // A key that was changed elsewhere would otherwise show only as refusals at every publisher.
        if self.public_key.verify(message, &signature) {
            Ok(signature)
        } else {
            Err(failed("the signer's answer does not verify with the public key".into()))
        }
    }
}

/// The code of an error whose text is not repeated.
pub(crate) const CALLBACK: &str = "usage.callback";
