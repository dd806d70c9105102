//! Verdicts: every field of PROTOCOL §6.

use crate::boundary::{accessor, boundary};
use crate::bytes::{give_bytes, imagxp_bytes, imagxp_slice};
use crate::error::imagxp_error;
use crate::handle::need;
use crate::purpose::{imagxp_purpose, to_number};
use crate::status::{IMAGXP_INTERNAL, IMAGXP_OK, imagxp_status};
use core::mem::MaybeUninit;
use imagxp::crypto::Thumbprint;
use imagxp::publisher::{
    KeyBinding, Outcome, PaymentState, Pending, Verdict, Verification, Visitor, Warning,
};
use imagxp::{AgentId, Code, Error, Result, Retry, json};

/// A verdict on one request. Slices that its accessors return live as long as it does. All accessors accept NULL, and then answer
/// like a verdict that allows nothing.
pub struct imagxp_verdict {
    pub(crate) verdict: Verdict,
    pub(crate) pending: Option<Pending>,
    /// As text, so that the accessor can lend it.
    amount: Option<String>,
}

/// Whether the request may pass. 0 is none of them.
pub type imagxp_outcome = u32;

/// The request may pass.
pub const IMAGXP_OUTCOME_ALLOW: imagxp_outcome = 1;
/// It may not.
pub const IMAGXP_OUTCOME_DENY: imagxp_outcome = 2;
/// Nobody knows yet; answer with the verdict's http status unless its needs can be met.
pub const IMAGXP_OUTCOME_UNDECIDED: imagxp_outcome = 3;

/// Whether and how the agent may try again.
pub type imagxp_retry = u32;

/// It will be refused again.
pub const IMAGXP_RETRY_NEVER: imagxp_retry = 1;
/// Sign again with a new nonce and time.
pub const IMAGXP_RETRY_NEW_NONCE: imagxp_retry = 2;
/// Obtain a visa, then sign again.
pub const IMAGXP_RETRY_PAY: imagxp_retry = 3;
/// Repair the request first.
pub const IMAGXP_RETRY_FIX: imagxp_retry = 4;
/// After `imagxp_verdict_retry_after_s` seconds.
pub const IMAGXP_RETRY_AFTER: imagxp_retry = 5;

/// Who asks.
pub type imagxp_visitor = u32;

/// An agent whose signature was verified.
pub const IMAGXP_VISITOR_VERIFIED_AGENT: imagxp_visitor = 1;
/// No signature, and it looks like a browser. A guess.
pub const IMAGXP_VISITOR_UNSIGNED_BROWSER: imagxp_visitor = 2;
/// No signature, and it does not look like a browser.
pub const IMAGXP_VISITOR_UNSIGNED_CLIENT: imagxp_visitor = 3;
/// It claims to be an agent, and that has not been verified.
pub const IMAGXP_VISITOR_INVALID_AGENT: imagxp_visitor = 4;

/// What vouches for the key.
pub type imagxp_binding = u32;

/// The agent's domain publishes it.
pub const IMAGXP_BINDING_DOMAIN: imagxp_binding = 1;
/// Nothing but the request itself.
pub const IMAGXP_BINDING_KEY_ONLY: imagxp_binding = 2;
/// There is no verified key.
pub const IMAGXP_BINDING_NONE: imagxp_binding = 3;

/// How the request is paid for.
pub type imagxp_payment = u32;

/// It need not be.
pub const IMAGXP_PAYMENT_NOT_REQUIRED: imagxp_payment = 1;
/// By a visa.
pub const IMAGXP_PAYMENT_VISA: imagxp_payment = 2;
/// By displayed ads.
pub const IMAGXP_PAYMENT_ADS: imagxp_payment = 3;
/// It ought to be, and is not.
pub const IMAGXP_PAYMENT_UNPAID: imagxp_payment = 4;

impl imagxp_verdict {
    pub(crate) fn new(verification: Verification) -> Self {
        let Verification { verdict, pending } = verification;
        Self { amount: verdict.payment.amount.map(|amount| amount.to_string()), verdict, pending }
    }

    pub(crate) fn take_pending(&mut self) -> Result<Pending> {
        self.pending
            .take()
            .ok_or_else(|| Error::argument("the verdict is not pending, or has been resumed already"))
    }
}

pub(crate) fn text<'a>(
    this: Option<&'a imagxp_verdict>,
    field: impl FnOnce(&'a Verdict) -> Option<&'a str>,
) -> imagxp_slice<'a> {
    accessor(imagxp_slice::NONE, || this.and_then(|this| field(&this.verdict)).into())
}

/// Whether the request may pass. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_outcome(verdict: Option<&imagxp_verdict>) -> imagxp_outcome {
    accessor(0, || {
        verdict.map_or(0, |this| match this.verdict.outcome {
            Outcome::Allow => IMAGXP_OUTCOME_ALLOW,
            Outcome::Deny => IMAGXP_OUTCOME_DENY,
            Outcome::Undecided => IMAGXP_OUTCOME_UNDECIDED,
        })
    })
}

/// Whether the outcome is `IMAGXP_OUTCOME_ALLOW`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_is_allowed(verdict: Option<&imagxp_verdict>) -> bool {
    accessor(false, || verdict.is_some_and(|this| this.verdict.is_allowed()))
}

/// Whether the verification can be taken up again by `imagxp_publisher_resume`.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_is_pending(verdict: Option<&imagxp_verdict>) -> bool {
    accessor(false, || verdict.is_some_and(|this| this.pending.is_some()))
}

/// Why not; in observe mode why it would not have; `IMAGXP_OK` when nothing is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_code(verdict: Option<&imagxp_verdict>) -> imagxp_status {
    accessor(IMAGXP_INTERNAL, || {
        verdict.map_or(IMAGXP_INTERNAL, |this| this.verdict.code.map_or(IMAGXP_OK, Code::number))
    })
}

/// The HTTP status to answer with: 200, 4xx or 5xx. 500 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_http(verdict: Option<&imagxp_verdict>) -> u32 {
    accessor(500, || verdict.map_or(500, |this| u32::from(this.verdict.http)))
}

/// One sentence, safe to send to a stranger.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_message(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| Some(verdict.message))
}

/// What to do, safe to send to a stranger; empty when there is nothing to say.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_hint(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.hint.as_deref())
}

/// More, for the log only; empty when there is nothing to say.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_detail(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.detail.as_deref())
}

/// Whether and how the agent may try again. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_retry(verdict: Option<&imagxp_verdict>) -> imagxp_retry {
    accessor(0, || {
        verdict.map_or(0, |this| match this.verdict.retry {
            Retry::Never => IMAGXP_RETRY_NEVER,
            Retry::NewNonce => IMAGXP_RETRY_NEW_NONCE,
            Retry::Pay => IMAGXP_RETRY_PAY,
            Retry::Fix => IMAGXP_RETRY_FIX,
            Retry::After(_) => IMAGXP_RETRY_AFTER,
        })
    })
}

/// With `IMAGXP_RETRY_AFTER`, the seconds to wait; otherwise 0.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_retry_after_s(verdict: Option<&imagxp_verdict>) -> u32 {
    accessor(0, || match verdict.map(|this| this.verdict.retry) {
        Some(Retry::After(seconds)) => seconds,
        _ => 0,
    })
}

/// Who asks. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_visitor(verdict: Option<&imagxp_verdict>) -> imagxp_visitor {
    accessor(0, || {
        verdict.map_or(0, |this| match this.verdict.visitor {
            Visitor::VerifiedAgent => IMAGXP_VISITOR_VERIFIED_AGENT,
            Visitor::UnsignedBrowser => IMAGXP_VISITOR_UNSIGNED_BROWSER,
            Visitor::UnsignedClient => IMAGXP_VISITOR_UNSIGNED_CLIENT,
            Visitor::InvalidAgent => IMAGXP_VISITOR_INVALID_AGENT,
        })
    })
}

/// In observe mode: whether enforcing would have refused.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_would_deny(verdict: Option<&imagxp_verdict>) -> bool {
    accessor(true, || verdict.is_none_or(|this| this.verdict.would_deny))
}

/// The agent's domain; empty unless verified.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_agent_id(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.agent_id.as_ref().map(AgentId::as_str))
}

/// The thumbprint of the key; empty unless verified.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_key_id(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.key_id.as_ref().map(Thumbprint::as_str))
}

/// Why the agent reads; 0 unless verified.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_purpose(verdict: Option<&imagxp_verdict>) -> imagxp_purpose {
    accessor(0, || verdict.and_then(|this| this.verdict.purpose).map_or(0, to_number))
}

/// The signed resource, normalised; empty unless verified.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_resource(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.resource.as_deref())
}

/// What vouches for the key. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_binding(verdict: Option<&imagxp_verdict>) -> imagxp_binding {
    accessor(0, || {
        verdict.map_or(0, |this| match this.verdict.binding {
            KeyBinding::Domain => IMAGXP_BINDING_DOMAIN,
            KeyBinding::KeyOnly => IMAGXP_BINDING_KEY_ONLY,
            KeyBinding::None => IMAGXP_BINDING_NONE,
        })
    })
}

/// How the request is paid for. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_payment(verdict: Option<&imagxp_verdict>) -> imagxp_payment {
    accessor(0, || {
        verdict.map_or(0, |this| match this.verdict.payment.state {
            PaymentState::NotRequired => IMAGXP_PAYMENT_NOT_REQUIRED,
            PaymentState::Visa => IMAGXP_PAYMENT_VISA,
            PaymentState::Ads => IMAGXP_PAYMENT_ADS,
            PaymentState::Unpaid => IMAGXP_PAYMENT_UNPAID,
        })
    })
}

/// The token's `jti`; empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_payment_jti(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.payment.jti.as_deref())
}

/// The token's issuer; empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_payment_issuer(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.payment.issuer.as_deref())
}

/// What the token pays, a decimal string such as `0.001`; empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_payment_amount(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    accessor(imagxp_slice::NONE, || verdict.and_then(|this| this.amount.as_deref()).into())
}

/// In which currency; empty when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_payment_currency(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.payment.currency.as_deref())
}

/// How many warnings there are.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_warning_count(verdict: Option<&imagxp_verdict>) -> usize {
    accessor(0, || verdict.map_or(0, |this| this.verdict.warnings.len()))
}

/// The n-th warning, counted from 0: a dotted string such as `payment.bearer`. Empty beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_warning(verdict: Option<&imagxp_verdict>, index: usize) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.warnings.get(index).copied().map(Warning::as_str))
}

/// How many headers to add to the response, whatever it will be.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_response_header_count(verdict: Option<&imagxp_verdict>) -> usize {
    accessor(0, || verdict.map_or(0, |this| this.verdict.response_headers.len()))
}

/// The name of the n-th response header, counted from 0. Empty beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_response_header_name(
    verdict: Option<&imagxp_verdict>,
    index: usize,
) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.response_headers.get(index).map(|(name, _)| *name))
}

/// The value of the n-th response header. Empty beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_response_header_value(
    verdict: Option<&imagxp_verdict>,
    index: usize,
) -> imagxp_slice<'_> {
    text(verdict, |verdict| verdict.response_headers.get(index).map(|(_, value)| value.as_str()))
}

/// 32 hex digits that name this verification in logs.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_trace_id(verdict: Option<&imagxp_verdict>) -> imagxp_slice<'_> {
    text(verdict, |verdict| Some(verdict.trace_id.as_str()))
}

/// The wire name of an outcome, for example `undecided`; it lives forever. Empty for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_outcome_name(outcome: imagxp_outcome) -> imagxp_slice<'static> {
    match outcome {
        IMAGXP_OUTCOME_ALLOW => Outcome::Allow.as_str().into(),
        IMAGXP_OUTCOME_DENY => Outcome::Deny.as_str().into(),
        IMAGXP_OUTCOME_UNDECIDED => Outcome::Undecided.as_str().into(),
        _ => imagxp_slice::NONE,
    }
}

/// The wire name of a visitor, for example `verified_agent`; it lives forever. Empty for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_visitor_name(visitor: imagxp_visitor) -> imagxp_slice<'static> {
    match visitor {
        IMAGXP_VISITOR_VERIFIED_AGENT => Visitor::VerifiedAgent.as_str().into(),
        IMAGXP_VISITOR_UNSIGNED_BROWSER => Visitor::UnsignedBrowser.as_str().into(),
        IMAGXP_VISITOR_UNSIGNED_CLIENT => Visitor::UnsignedClient.as_str().into(),
        IMAGXP_VISITOR_INVALID_AGENT => Visitor::InvalidAgent.as_str().into(),
        _ => imagxp_slice::NONE,
    }
}

/// The wire name of a way to pay, for example `not_required`; it lives forever. Empty for unknown numbers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_payment_name(payment: imagxp_payment) -> imagxp_slice<'static> {
    match payment {
        IMAGXP_PAYMENT_NOT_REQUIRED => PaymentState::NotRequired.as_str().into(),
        IMAGXP_PAYMENT_VISA => PaymentState::Visa.as_str().into(),
        IMAGXP_PAYMENT_ADS => PaymentState::Ads.as_str().into(),
        IMAGXP_PAYMENT_UNPAID => PaymentState::Unpaid.as_str().into(),
        _ => imagxp_slice::NONE,
    }
}

/// Writes the JSON body to answer a refusal with; for 402 it carries the offer.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_body(
    verdict: Option<&imagxp_verdict>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || give_bytes(json, || Ok(need(verdict, "verdict")?.verdict.body())))
}

/// Writes every field as a JSON object, `detail` included: for logs, not for strangers.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_json(
    verdict: Option<&imagxp_verdict>,
    json: Option<&mut MaybeUninit<imagxp_bytes>>,
    err: Option<&mut MaybeUninit<*mut imagxp_error>>,
) -> imagxp_status {
    boundary(err, || {
        give_bytes(json, || Ok(json::object_to_canonical(&need(verdict, "verdict")?.verdict.to_json())))
    })
}

/// Frees the verdict. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn imagxp_verdict_free(verdict: Option<Box<imagxp_verdict>>) {
    accessor((), || drop(verdict));
}
