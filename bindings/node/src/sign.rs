//! What an agent signs.

use crate::identity::random_uuid;
use crate::js::{self, Anything, JsBoolean, JsString, List, argument};
use crate::json::Json;
use crate::options::options;
use crate::purpose;
use crate::time::Time;
use imagxp::Purpose;
use imagxp::agent::SignRequest;
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
    method: JsString,
    url: JsString,
    purpose: Purpose,
    context: Option<String>,
    options: Option<SignOptions>,
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
        let context = options.as_ref().and_then(|options| options.context.as_ref());
        // What JavaScript writes is UTF-8; bytes that are not are refused when the claim is made.
        let context = context.map(|context| String::from_utf8_lossy(&context.0).into_owned());
        Ok(Self { method, url, purpose: purpose::parse(purpose)?, context, options })
    }

    /// The request as the core takes it.
    pub(crate) fn request(&self) -> SignRequest<'_> {
        let request = SignRequest::new(&self.method, &self.url, self.purpose);
        let Some(options) = &self.options else { return request };
        SignRequest {
            ads_displayed: options.ads_displayed.map(|flag| flag.0),
            context: self.context.as_deref(),
            content_digest: options.content_digest.as_deref(),
            payment: options.payment.as_deref(),
            proof: options.proof.as_deref(),
            compatible: options.compatible.is_some_and(|flag| flag.0),
            ..request
        }
    }

    /// The time that was given.
    pub(crate) fn now(&self) -> Option<Time> {
        self.options.as_ref().and_then(|options| options.now)
    }

    /// The nonce that was given, or a random one.
    pub(crate) fn nonce(&self) -> imagxp::Result<Cow<'_, str>> {
        match self.options.as_ref().and_then(|options| options.nonce.as_deref()) {
            Some(nonce) => Ok(Cow::Borrowed(nonce)),
            None => random_uuid().map(Cow::Owned),
        }
    }
}
