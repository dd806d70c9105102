//! The result of a verification: the fixed structure of PROTOCOL §6.

use crate::headers::{Header, list};
use crate::json;
use imagxp::publisher as core;
use imagxp::{Code, Purpose};
use std::sync::Arc;

pub(crate) use imagxp::publisher::{KeyBinding, NeedKind, Outcome, PaymentState, Visitor};

/// Whether the request may pass.
#[uniffi::remote(Enum)]
pub(crate) enum Outcome {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// Nobody knows yet; answer 5xx unless `needs` can be met.
    Undecided,
}

/// Who asks.
#[uniffi::remote(Enum)]
pub(crate) enum Visitor {
    /// An agent whose signature was verified.
    VerifiedAgent,
    /// No signature, and it looks like a browser. A guess.
    UnsignedBrowser,
    /// No signature, and it does not look like a browser.
    UnsignedClient,
    /// It claims to be an agent, and that has not been verified.
    InvalidAgent,
}

/// What vouches for the key.
#[uniffi::remote(Enum)]
pub(crate) enum KeyBinding {
    /// The agent's domain publishes it.
    Domain,
    /// Nothing but the request itself.
    KeyOnly,
    /// There is no verified key.
    None,
}

/// How a request is paid for.
#[uniffi::remote(Enum)]
pub(crate) enum PaymentState {
    /// It need not be.
    NotRequired,
    /// By a visa.
    Visa,
    /// By displayed ads.
    Ads,
    /// It ought to be, and is not.
    Unpaid,
}

/// What the caller may fetch and hand back.
#[uniffi::remote(Enum)]
pub(crate) enum NeedKind {
    /// An agent's manifest: GET the URL, then `supply`.
    Manifest,
    /// An issuer's key set: GET the URL, then `supply`.
    Jwks,
    /// A broker's word on a visa: POST to the URL, then `redeemed`.
    Redeem,
    /// The word of a replay store that answered `.later`: ask it to insert `Pending.insertion()`, then `inserted`. There is no URL.
    Replay,
}

/// How a request is paid for, with the token's name when there is one.
#[derive(uniffi::Record)]
pub(crate) struct Payment {
    /// How.
    pub(crate) state: PaymentState,
    /// The token's `jti`.
    pub(crate) jti: Option<String>,
    /// The token's `iss`.
    pub(crate) issuer: Option<String>,
    /// What the token pays: a decimal string.
    pub(crate) amount: Option<String>,
    /// In which currency.
    pub(crate) currency: Option<String>,
}

/// Something that the caller may fetch and hand back.
#[derive(uniffi::Record)]
pub(crate) struct Need {
    /// What it is.
    pub(crate) kind: NeedKind,
    /// Where it is.
    pub(crate) url: String,
}

/// The result of a verification. A claim never overwrites any of these.
#[derive(uniffi::Record)]
pub(crate) struct Verdict {
    /// Whether the request may pass.
    pub(crate) outcome: Outcome,
    /// Why not; in observe mode why it would not have; nil when nothing is wrong.
    pub(crate) code: Option<String>,
    /// The status to answer with.
    pub(crate) http: u16,
    /// One sentence, safe to send to a stranger.
    pub(crate) message: String,
    /// What to do, safe to send to a stranger.
    pub(crate) hint: Option<String>,
    /// More, for the log only.
    pub(crate) detail: Option<String>,
    /// `never`, `new_nonce`, `pay`, `fix` or `after:<seconds>`.
    pub(crate) retry: String,
    /// Who asks.
    pub(crate) visitor: Visitor,
    /// In observe mode: whether enforcing would have refused.
    pub(crate) would_deny: bool,
    /// Who, when verified.
    pub(crate) agent_id: Option<String>,
    /// With which key (its thumbprint), when verified.
    pub(crate) key_id: Option<String>,
    /// Why, when verified.
    pub(crate) purpose: Option<Purpose>,
    /// What, when verified: the signed resource after normalisation.
    pub(crate) resource: Option<String>,
    /// What vouches for the key.
    pub(crate) binding: KeyBinding,
    /// How the request is paid for.
    pub(crate) payment: Payment,
    /// Codes of things worth knowing that did not decide.
    pub(crate) warnings: Vec<String>,
    /// What the caller may fetch and hand back.
    pub(crate) needs: Vec<Need>,
    /// Headers to add to the response, whatever it will be.
    pub(crate) response_headers: Vec<Header>,
    /// For 402: price, currency, purposes and brokers, as JSON.
    pub(crate) offer: Option<Vec<u8>>,
    /// 32 hex digits that name this verification in logs.
    pub(crate) trace_id: String,
    /// The verdict as the core keeps it: for `body()`, `toJson()` and `Publisher.feedback(value:carrier:)`.
    pub(crate) record: Arc<VerdictRecord>,
}

/// The verdict as the core keeps it.
#[derive(uniffi::Object)]
pub(crate) struct VerdictRecord(pub(crate) core::Verdict);

#[uniffi::export]
impl VerdictRecord {
    /// The JSON body to answer a refusal with.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.0.body()
    }

    /// Every field with the names of PROTOCOL §6, `detail` included, as JSON in RFC 8785 form.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        json::text(&self.0.to_json())
    }
}

impl Verdict {
    pub(crate) fn of(verdict: core::Verdict) -> Self {
        let payment = &verdict.payment;
        Self {
            outcome: verdict.outcome,
            code: verdict.code.map(Code::as_str).map(str::to_owned),
            http: verdict.http,
            message: verdict.message.to_owned(),
            hint: verdict.hint.as_deref().map(str::to_owned),
            detail: verdict.detail.as_deref().map(str::to_owned),
            retry: verdict.retry.to_string(),
            visitor: verdict.visitor,
            would_deny: verdict.would_deny,
            agent_id: verdict.agent_id.as_ref().map(ToString::to_string),
            key_id: verdict.key_id.as_ref().map(|id| id.as_str().to_owned()),
            purpose: verdict.purpose,
            resource: verdict.resource.clone(),
            binding: verdict.binding,
            payment: Payment {
                state: payment.state,
                jti: payment.jti.clone(),
                issuer: payment.issuer.clone(),
                amount: payment.amount.map(|amount| amount.to_string()),
                currency: payment.currency.clone(),
            },
            warnings: verdict.warnings.iter().map(|warning| warning.as_str().to_owned()).collect(),
            needs: verdict.needs.iter().map(|need| Need { kind: need.kind, url: need.url.clone() }).collect(),
            response_headers: list(verdict.response_headers.iter().map(|(name, value)| (name, value))),
            offer: verdict.offer.as_ref().map(json::text),
            trace_id: verdict.trace_id.clone(),
            record: Arc::new(VerdictRecord(verdict)),
        }
    }
}
