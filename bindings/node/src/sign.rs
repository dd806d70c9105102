//! What an agent signs.

use crate::identity::random_uuid;
use crate::js::{self, Anything, JsBoolean, JsString, List, argument};
use crate::json::Json;
use crate::options::options;
use crate::purpose;
use crate::time::Time;
use imagxp::agent::SignRequestOf;
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use std::borrow::Cow;

options! {
    /// What `Identity.sign` also takes, and each request of a batch.
    SignOptions {
        /// The time of the claim; the clock's unless given.
        now: Option<Time>,
        /// 16 to 128 characters that occur once; a random UUID unless given.
        nonce: Option<JsString>,
        /// Whether the agent displays ads.
        ads_displayed: Option<JsBoolean>,
        /// An object that is signed along.
        context: Option<Json>,
        /// `contentDigest(body)` when there is a body.
        content_digest: Option<JsString>,
        /// A visa.
        payment: Option<JsString>,
        /// An ad-impression proof.
        proof: Option<JsString>,
        /// Also sends the header names of the reference SDK.
        compatible: Option<JsBoolean>,
    }
}

/// One request to sign: the arguments of a call, or `[method, url, purpose, options?]` of a batch.
pub struct Wanted {
    pub(crate) request: SignRequestOf<String>,
    pub(crate) now: Option<Time>,
    nonce: Option<JsString>,
}
argument!(Wanted);

impl FromNapiValue for Wanted {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: as this function's.
        let parts = unsafe { List::<Anything>::from_napi_value(env, value) }?;
        let (method, url, purpose, options) = match parts.0.as_slice() {
            [method, url, purpose] => (method, url, purpose, None),
            [method, url, purpose, options] => (method, url, purpose, options.read()?),
            _ => return Err(js::expected("[method, url, purpose, options?]")),
        };
        Self::new(method.read()?, url.read()?, &purpose.read::<JsString>()?, options)
    }
}

impl Wanted {
    /// Error: a purpose that is none.
    pub(crate) fn new(
        method: JsString,
        url: JsString,
        purpose: &str,
        options: Option<SignOptions>,
    ) -> Result<Self> {
        let request = SignRequestOf::new(method.0, url.0, purpose::parse(purpose)?);
        let Some(options) = options else { return Ok(Self { request, now: None, nonce: None }) };
        let request = SignRequestOf {
            ads_displayed: options.ads_displayed.map(|flag| flag.0),
            // What JavaScript writes is UTF-8; bytes that are not are refused when the claim is made.
            context: options.context.map(|context| String::from_utf8_lossy(&context.0).into_owned()),
            content_digest: options.content_digest.map(|digest| digest.0),
            payment: options.payment.map(|visa| visa.0),
            proof: options.proof.map(|proof| proof.0),
            compatible: options.compatible.is_some_and(|flag| flag.0),
            ..request
        };
        Ok(Self { request, now: options.now, nonce: options.nonce })
    }

    /// The nonce that was given, or a random one.
    pub(crate) fn nonce(&self) -> imagxp::Result<Cow<'_, str>> {
        match &self.nonce {
            Some(nonce) => Ok(Cow::Borrowed(nonce)),
            None => random_uuid().map(Cow::Owned),
        }
    }
}
