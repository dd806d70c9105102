//! The result of a verification: the fixed structure of PROTOCOL §6.

use crate::boundary;
use crate::json::JsonObject;
use crate::verification::Pending;
use imagxp::Code;
use imagxp::json::object_to_canonical;
use imagxp::publisher as core;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use std::sync::{Mutex, PoisonError};

/// How the request is paid for.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Payment {
    /// `not_required`, `visa`, `ads` or `unpaid`.
    #[napi(ts_type = "'not_required' | 'visa' | 'ads' | 'unpaid'")]
    pub state: &'static str,
    /// The token's `jti`.
    pub jti: Option<String>,
    /// The token's `iss`.
    pub issuer: Option<String>,
    /// What the token pays: a decimal string.
    pub amount: Option<String>,
    /// In which currency.
    pub currency: Option<String>,
}

/// Something that the caller may fetch and hand back.
#[napi(object, object_from_js = false)]
pub struct Need {
    /// `manifest`, `jwks`, `redeem` or `replay`.
    #[napi(ts_type = "'manifest' | 'jwks' | 'redeem' | 'replay'")]
    pub kind: &'static str,
    /// Where it is; of `replay`, which `Pending.insert` does, empty.
    pub url: String,
}

/// The result of a verification. It is an object, and so always truthy: ask `isAllowed`.
///
/// What is not read costs nothing: each member is made when it is asked for.
#[napi]
pub struct Verdict {
    inner: core::Verdict,
    /// What `Verification.pending` takes, once.
    pending: Mutex<Option<Pending>>,
}

impl Verdict {
    pub(crate) const fn core(&self) -> &core::Verdict {
        &self.inner
    }

    pub(crate) const fn new(inner: core::Verdict) -> Self {
        Self::with_pending(inner, None)
    }

    pub(crate) const fn with_pending(inner: core::Verdict, pending: Option<Pending>) -> Self {
        Self { inner, pending: Mutex::new(pending) }
    }
}

#[napi]
impl Verdict {
    /// Whether the request may pass.
    #[napi(getter)]
    pub fn is_allowed(&self) -> bool {
        self.inner.is_allowed()
    }

    /// `allow`, `deny` or `undecided`.
    #[napi(getter, ts_return_type = "'allow' | 'deny' | 'undecided'")]
    pub fn outcome(&self) -> &'static str {
        self.inner.outcome.as_str()
    }

    /// Why not; in observe mode why it would not have; `null` when nothing is wrong.
    #[napi(getter)]
    pub fn code(&self) -> Option<&'static str> {
        self.inner.code.map(Code::as_str)
    }

    /// The status to answer with.
    #[napi(getter)]
    pub fn http(&self) -> u16 {
        self.inner.http
    }

    /// One sentence, safe to send to a stranger.
    #[napi(getter)]
    pub fn message(&self) -> &'static str {
        self.inner.message
    }

    /// What to do, safe to send to a stranger.
    #[napi(getter)]
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// More, for the log only.
    #[napi(getter)]
    pub fn detail(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    /// `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`.
    #[napi(getter)]
    pub fn retry(&self) -> String {
        self.inner.retry.to_string()
    }

    /// Who asks, as far as can be told. That a visitor is a browser is a guess.
    #[napi(
        getter,
        ts_return_type = "'verified_agent' | 'unsigned_browser' | 'unsigned_client' | 'invalid_agent'"
    )]
    pub fn visitor(&self) -> &'static str {
        self.inner.visitor.as_str()
    }

    /// In observe mode: whether enforcing would have refused.
    #[napi(getter)]
    pub fn would_deny(&self) -> bool {
        self.inner.would_deny
    }

    /// Who, when verified.
    #[napi(getter)]
    pub fn agent_id(&self) -> Option<&str> {
        self.inner.agent_id.as_ref().map(imagxp::AgentId::as_str)
    }

    /// With which key (its thumbprint), when verified.
    #[napi(getter)]
    pub fn key_id(&self) -> Option<&str> {
        self.inner.key_id.as_ref().map(imagxp::crypto::Thumbprint::as_str)
    }

    /// Why, when verified.
    #[napi(getter, ts_return_type = "Purpose | null")]
    pub fn purpose(&self) -> Option<&'static str> {
        self.inner.purpose.map(imagxp::Purpose::as_str)
    }

    /// What, when verified: the signed resource after normalisation.
    #[napi(getter)]
    pub fn resource(&self) -> Option<&str> {
        self.inner.resource.as_deref()
    }

    /// What vouches for the key: `domain`, `key_only` or `none`.
    #[napi(getter, ts_return_type = "'domain' | 'key_only' | 'none'")]
    pub fn binding(&self) -> &'static str {
        self.inner.binding.as_str()
    }

    /// How the request is paid for.
    #[napi(getter)]
    pub fn payment(&self) -> Payment {
        let facts = &self.inner.payment;
        Payment {
            state: facts.state.as_str(),
            jti: facts.jti.clone(),
            issuer: facts.issuer.clone(),
            amount: facts.amount.map(|amount| amount.to_string()),
            currency: facts.currency.clone(),
        }
    }

    /// Codes of things worth knowing that did not decide.
    #[napi(getter)]
    pub fn warnings(&self) -> Vec<&'static str> {
        self.inner.warnings.iter().map(|warning| warning.as_str()).collect()
    }

    /// What the caller may fetch and hand back.
    #[napi(getter)]
    pub fn needs(&self) -> Vec<Need> {
        let need = |need: &core::Need| Need { kind: need.kind.as_str(), url: need.url.clone() };
        self.inner.needs.iter().map(need).collect()
    }

    /// Headers to add to the response, whatever it will be.
    #[napi(getter)]
    pub fn response_headers(&self) -> Vec<(String, String)> {
        let pair = |(name, value): &(&'static str, String)| ((*name).to_owned(), value.clone());
        self.inner.response_headers.iter().map(pair).collect()
    }

    /// For 402: price, currency, purposes and brokers.
    #[napi(getter, ts_return_type = "JsonObject | null")]
    pub fn offer(&self) -> Option<JsonObject> {
        self.inner.offer.clone().map(JsonObject)
    }

    /// 32 hex digits that name this verification in logs.
    #[napi(getter)]
    pub fn trace_id(&self) -> &str {
        &self.inner.trace_id
    }

    /// The JSON body to answer a refusal with.
    #[napi]
    pub fn body(&self) -> Result<Buffer> {
        boundary::compute(|| self.inner.body().into())
    }

    /// Every field with the names of PROTOCOL §6, `detail` included; `JSON.stringify` calls it.
    #[napi(js_name = "toJSON", ts_return_type = "JsonObject")]
    pub fn to_json(&self) -> Result<JsonObject> {
        boundary::compute(|| JsonObject(self.inner.to_json()))
    }

    /// The same in RFC 8785 form.
    #[napi]
    pub fn to_bytes(&self) -> Result<Buffer> {
        boundary::compute(|| object_to_canonical(&self.inner.to_json()).into())
    }

    /// Takes what is pending: for the class `Verification` of `index.cjs`.
    #[napi(js_name = "_pending", skip_typescript)]
    pub fn take_pending(&self) -> Option<Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
