//! Bytes that wait for a signature which is made elsewhere and later.

use crate::errors::{self, Thrown, raise};
use crate::{headers, json};
use core::cell::RefCell;
use imagxp::agent::SignedHeaders;
use imagxp::crypto::{self, Signature};
use wasm_bindgen::prelude::*;

type Complete = Box<dyn FnOnce(Signature) -> imagxp::Result<JsValue>>;

/// Something that is complete but for its signature: have `message` signed (WebCrypto, a KMS), then `complete` it, once.
#[wasm_bindgen]
pub struct Prepared {
    message: Vec<u8>,
    complete: RefCell<Option<Complete>>,
}

impl Prepared {
    pub(crate) fn headers(prepared: crypto::Prepared<SignedHeaders>) -> Self {
        Self::new(prepared, |headers| headers::signed(&headers))
    }

    pub(crate) fn text(prepared: crypto::Prepared<String>) -> Self {
        Self::new(prepared, JsValue::from)
    }

    pub(crate) fn json(prepared: crypto::Prepared<Vec<u8>>) -> Self {
        Self::new(prepared, |bytes| json::text(bytes).into())
    }

    fn new<T: 'static>(prepared: crypto::Prepared<T>, convert: impl FnOnce(T) -> JsValue + 'static) -> Self {
        let message = prepared.message().to_vec();
        let complete: Complete = Box::new(|signature| prepared.complete(signature).map(convert));
        Self { message, complete: RefCell::new(Some(complete)) }
    }
}

#[wasm_bindgen]
impl Prepared {
    /// The bytes to sign. The signer hashes them itself: ECDSA with SHA-256, or Ed25519.
    #[wasm_bindgen(getter)]
    pub fn message(&self) -> Vec<u8> {
        self.message.clone()
    }

    /// Puts the signature in: 64 bytes, r and s as WebCrypto gives them, or Ed25519's. Returns what signing at once would return.
    ///
    /// `usage.signer` when the identity's public key did not make it.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub fn complete(&self, signature: &[u8]) -> Result<JsValue, Thrown> {
        let signature = signature
            .try_into()
            .map_err(|_| errors::argument("a signature has 64 bytes: r and s, not DER"))?;
        let complete = self.complete.borrow_mut().take();
        let complete = complete.ok_or_else(|| errors::argument("this has been completed already"))?;
        complete(Signature::from_bytes(signature)).map_err(raise)
    }
}
