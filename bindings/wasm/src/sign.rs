//! What an agent signs.

use crate::errors::{self, Thrown};
use crate::identity::random_uuid;
use crate::options::Options;
use crate::purpose;
use imagxp::Timestamp;
use imagxp::agent::SignRequestOf;
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// One request to sign: the arguments of a call, or one of a batch.
pub(crate) struct Wanted {
    pub(crate) request: SignRequestOf<String>,
    pub(crate) nonce: String,
    pub(crate) now: Option<Timestamp>,
}

impl Wanted {
    pub(crate) fn new(method: String, url: String, purpose: &str, options: JsValue) -> Result<Self, Thrown> {
        let names =
            ["now", "nonce", "adsDisplayed", "context", "contentDigest", "payment", "proof", "compatible"];
        let options = Options::new(options, &names)?;
        let context = options.document("context")?.map(String::from_utf8).transpose();
        let purpose = purpose::parse(purpose)?;
        let request = SignRequestOf {
            ads_displayed: options.maybe("adsDisplayed")?,
            context: context.map_err(|_| errors::argument("`context` is not text"))?,
            content_digest: options.text("contentDigest")?,
            payment: options.text("payment")?,
            proof: options.text("proof")?,
            compatible: options.flag("compatible")?,
            ..SignRequestOf::new(method, url, purpose)
        };
        Ok(Self {
            request,
            nonce: options.text("nonce")?.map_or_else(random_uuid, Ok)?,
            now: options.time("now")?,
        })
    }

    /// Reads `[method, url, purpose, options?]`.
    pub(crate) fn read(value: &JsValue) -> Result<Self, Thrown> {
        let wrong = || errors::argument("a request is not [method, url, purpose, options?]");
        let parts =
            value.dyn_ref::<Array>().filter(|parts| matches!(parts.length(), 3 | 4)).ok_or_else(wrong)?;
        let text = |index| parts.get(index).as_string().ok_or_else(wrong);
        Self::new(text(0)?, text(1)?, &text(2)?, parts.get(3))
    }
}
