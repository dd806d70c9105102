//! The result of a verification: one fixed structure in every language (PROTOCOL §6).

use crate::agent_id::AgentId;
use crate::amount::Amount;
use crate::code::{Code, Retry};
use crate::crypto::Thumbprint;
use crate::json::{self, Object, Value};
use crate::purpose::Purpose;
use std::borrow::Cow;

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with this wire name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// Whether the request may pass.
    Outcome {
        /// It may.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
        /// Nobody knows yet; answer 5xx unless `needs` can be met.
        Undecided = "undecided",
    }
}

named! {
    /// Who asks.
    Visitor {
        /// An agent whose signature was verified.
        VerifiedAgent = "verified_agent",
        /// No signature, and it looks like a browser. A guess.
        UnsignedBrowser = "unsigned_browser",
        /// No signature, and it does not look like a browser.
        UnsignedClient = "unsigned_client",
        /// It claims to be an agent, and that has not been verified.
        InvalidAgent = "invalid_agent",
    }
}

named! {
    /// What vouches for the key.
    KeyBinding {
        /// The agent's domain publishes it.
        Domain = "domain",
        /// Nothing but the request itself.
        KeyOnly = "key_only",
        /// There is no verified key.
        None = "none",
    }
}

named! {
    /// How the request is paid for.
    PaymentState {
        /// It need not be.
        NotRequired = "not_required",
        /// By a visa.
        Visa = "visa",
        /// By displayed ads.
        Ads = "ads",
        /// It ought to be, and is not.
        Unpaid = "unpaid",
    }
}

named! {
    /// What the caller may fetch and hand back.
    NeedKind {
        /// An agent's manifest: GET the URL, then `supply`.
        Manifest = "manifest",
        /// An issuer's key set: GET the URL, then `supply`.
        Jwks = "jwks",
        /// A broker's word on a visa: POST to the URL, then answer the pending verification.
        Redeem = "redeem",
        /// A replay store's answer: ask it to insert what the pending verification names, then answer that. There is no URL.
        Replay = "replay",
    }
}

named! {
    /// Something worth knowing that did not decide.
    Warning {
        /// The User-Agent lacks `IMAGXP/1.0`.
        UserAgentMissing = "header.user_agent_missing",
        /// The visa is a bearer token: whoever holds it could have sent it.
        PaymentBearer = "payment.bearer",
        /// Refreshing the manifest failed; keys from the last hour were used.
        ManifestStale = "identity.manifest_stale",
        /// The manifest came from a name that DNSSEC does not protect. Only a fetcher that validates can say so.
        DnssecInsecure = "identity.dnssec_insecure",
        /// Refreshing the broker's keys failed; keys from the last hour were used.
        JwksStale = "payment.jwks_stale",
    }
}

/// How the request is paid for, with the token's name when there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFacts {
    /// How.
    pub state: PaymentState,
    /// The token's `jti`.
    pub jti: Option<String>,
    /// The token's `iss`.
    pub issuer: Option<String>,
    /// What the token pays.
    pub amount: Option<Amount>,
    /// In which currency.
    pub currency: Option<String>,
}

impl PaymentFacts {
    pub(crate) const fn new(state: PaymentState) -> Self {
        Self { state, jti: None, issuer: None, amount: None, currency: None }
    }
}

/// Something that the caller may fetch and hand back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub kind: NeedKind,
    /// Where it is; empty for [`NeedKind::Replay`].
    pub url: String,
}

/// The result of a verification. A claim never overwrites any of these.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether the request may pass.
    pub outcome: Outcome,
    /// Why not; in observe mode why it would not have; `None` when nothing is wrong.
    pub code: Option<Code>,
    /// The status to answer with: 200, 4xx or 5xx.
    pub http: u16,
    /// One sentence, safe to send to a stranger.
    pub message: &'static str,
    /// What to do, safe to send to a stranger.
    pub hint: Option<Cow<'static, str>>,
    /// More, for the log only.
    pub detail: Option<Cow<'static, str>>,
    /// Whether and how the agent may try again.
    pub retry: Retry,
    /// Who asks.
    pub visitor: Visitor,
    /// In observe mode: whether enforcing would have refused.
    pub would_deny: bool,
    /// Who, when verified.
    pub agent_id: Option<AgentId>,
    /// With which key, when verified.
    pub key_id: Option<Thumbprint>,
    /// Why, when verified.
    pub purpose: Option<Purpose>,
    /// What, when verified: the signed resource after normalisation.
    pub resource: Option<String>,
    /// What vouches for the key.
    pub binding: KeyBinding,
    /// How the request is paid for.
    pub payment: PaymentFacts,
    /// Things worth knowing.
    pub warnings: Vec<Warning>,
    /// What the caller may fetch and hand back.
    pub needs: Vec<Need>,
    /// Headers to add to the response, whatever it will be.
    pub response_headers: Vec<(&'static str, String)>,
    /// For 402: the offer, as a JSON object.
    pub offer: Option<Object<'static>>,
    /// 32 hex digits that name this verification in logs.
    pub trace_id: String,
}

impl Verdict {
    /// A verdict that says of a request only whose it was: for languages in which verdicts are plain data, to name the carrier of feedback.
    pub fn on_agent(agent_id: AgentId, key_id: Option<Thumbprint>) -> Self {
        Self {
            outcome: Outcome::Allow,
            code: None,
            http: 200,
            message: "the request may pass",
            hint: None,
            detail: None,
            retry: Retry::Never,
            visitor: Visitor::VerifiedAgent,
            would_deny: false,
            agent_id: Some(agent_id),
            key_id,
            purpose: None,
            resource: None,
            binding: KeyBinding::Domain,
            payment: PaymentFacts::new(PaymentState::NotRequired),
            warnings: Vec::new(),
            needs: Vec::new(),
            response_headers: Vec::new(),
            offer: None,
            trace_id: String::new(),
        }
    }

    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// The JSON body to answer a refusal with: `{"error": {code, message, hint, retry, trace_id}, "offer"?: {…}}`; RFC 8785 form.
    pub fn body(&self) -> Vec<u8> {
        let mut error = Object::new();
        error.insert("code", self.code.map_or("ok", Code::as_str));
        error.insert("message", self.message);
        if let Some(hint) = &self.hint {
            error.insert("hint", hint.clone().into_owned());
        }
        error.insert("retry", self.retry.to_string());
        error.insert("trace_id", self.trace_id.clone());
        let mut body = Object::new();
        body.insert("error", error);
        if let Some(offer) = &self.offer {
            body.insert("offer", offer.clone());
        }
        json::object_to_canonical(&body)
    }

    /// The fields of PROTOCOL §6, `detail` included, as a JSON object; what is absent is null. The offer is in [`Verdict::body`].
    pub fn to_json(&self) -> Object<'static> {
        let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
        let mut payment = Object::new();
        payment.insert("state", self.payment.state.as_str());
        payment.insert("jti", text(self.payment.jti.clone()));
        payment.insert("issuer", text(self.payment.issuer.clone()));
        payment.insert("amount", text(self.payment.amount.map(|amount| amount.to_string())));
        payment.insert("currency", text(self.payment.currency.clone()));
        let needs = self.needs.iter().map(|need| {
            let mut object = Object::new();
            object.insert("kind", need.kind.as_str());
            object.insert("url", need.url.clone());
            Value::Object(object)
        });
        let headers = self
            .response_headers
            .iter()
            .map(|(name, value)| Value::Array(vec![(*name).into(), value.clone().into()]));
        let mut object = Object::new();
        object.insert("outcome", self.outcome.as_str());
        object.insert("code", text(self.code.map(|code| code.as_str().to_owned())));
        object.insert("http", u32::from(self.http));
        object.insert("message", self.message);
        object.insert("hint", text(self.hint.clone().map(Cow::into_owned)));
        object.insert("detail", text(self.detail.clone().map(Cow::into_owned)));
        object.insert("retry", self.retry.to_string());
        object.insert("visitor", self.visitor.as_str());
        object.insert("would_deny", self.would_deny);
        object.insert("agent_id", text(self.agent_id.as_ref().map(ToString::to_string)));
        object.insert("key_id", text(self.key_id.as_ref().map(|id| id.as_str().to_owned())));
        object.insert("purpose", text(self.purpose.map(|purpose| purpose.as_str().to_owned())));
        object.insert("resource", text(self.resource.clone()));
        object.insert("binding", self.binding.as_str());
        object.insert("payment", payment);
        object.insert(
            "warnings",
            self.warnings.iter().map(|warning| Value::from(warning.as_str())).collect::<Vec<_>>(),
        );
        object.insert("needs", needs.collect::<Vec<_>>());
        object.insert("response_headers", headers.collect::<Vec<_>>());
        object.insert("trace_id", self.trace_id.clone());
        object
    }
}
