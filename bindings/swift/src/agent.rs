//! One read of an agent as a machine without I/O: the caller sends with URLSession, or whatever it has.

use crate::error::ImagxpError;
use crate::headers::{Header, list, pairs};
use crate::identity::{Identity, random_uuid};
use crate::json;
use crate::wallet::Wallet;
use crate::{boundary, time};
use imagxp::agent::offer::TrustedBroker;
use imagxp::agent::reader::{Purse, Reader, ReaderOptions};
use imagxp::agent::visit::{self, Event, Refusal, Report};
use imagxp::{Purpose, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use imagxp::agent::reader::{Receipts as ReceiptRule, Redirects as RedirectRule};

/// What to do with an answer that redirects.
#[uniffi::remote(Enum)]
pub(crate) enum RedirectRule {
    /// Follow within the origin, sign anew for each hop, and refuse to leave it.
    SameOrigin,
    /// Follow to other origins too: each is visited as a new site.
    AnyOrigin,
    /// Hand the redirect to the caller.
    Return,
}

/// What to do about provenance receipts.
#[uniffi::remote(Enum)]
pub(crate) enum ReceiptRule {
    /// Verify those that come, and report.
    Verify,
    /// Verify, and refuse content without a good one.
    Require,
    /// Ignore them.
    Ignore,
}

/// A broker that the agent trusts with its money.
#[derive(uniffi::Record)]
pub(crate) struct Broker {
    /// The exact `iss` of its visas, an https URL.
    pub(crate) issuer: String,
    /// The only token endpoint to use, when it is not at the issuer's origin.
    #[uniffi(default = None)]
    pub(crate) token_endpoint: Option<String>,
}

/// An agent that reads pages: robots.txt, signature, payment within the wallet's caps, receipt. Shared between tasks.
#[derive(uniffi::Object)]
pub(crate) struct Agent(Arc<Reader>);

#[uniffi::export]
impl Agent {
    /// An agent.
    ///
    /// `product` is the token that robots.txt may name: letters, `-` and `_`. `userAgent` is the product token when empty. `brokers`: the
    /// preferred one first; without any, nothing is bought. `discover: false` asks neither robots.txt nor the policy, for callers that do
    /// so themselves. `compatible`: also send `x-imagxp-credential`, for publishers that run the reference SDK.
    #[uniffi::constructor(default(wallet = None, brokers = [], user_agent = "", discover = true, redirects = None, receipts = None,
        compatible = false, allow_loopback = false))]
    #[expect(clippy::too_many_arguments, reason = "labelled arguments of Swift")]
    pub(crate) fn new(
        identity: Arc<Identity>,
        purpose: Purpose,
        product: String,
        wallet: Option<Arc<Wallet>>,
        brokers: Vec<Broker>,
        user_agent: String,
        discover: bool,
        redirects: Option<RedirectRule>,
        receipts: Option<ReceiptRule>,
        compatible: bool,
        allow_loopback: bool,
    ) -> Result<Arc<Self>, ImagxpError> {
        let purse = wallet.map_or_else(|| Arc::new(Purse::in_memory([])), |wallet| Arc::clone(&wallet.0));
        boundary::call(|| {
            let brokers = brokers.into_iter().map(|broker| broker.trust(allow_loopback));
            let options = ReaderOptions {
                user_agent,
                brokers: brokers.collect::<imagxp::Result<_>>()?,
                discover,
                redirects: redirects.unwrap_or_default(),
                receipts: receipts.unwrap_or_default(),
                compatible,
                allow_loopback,
                ..ReaderOptions::new(purpose, product)
            };
            Reader::new(identity.inner.clone(), options, purse).map(|reader| Arc::new(Self(Arc::new(reader))))
        })
    }

    /// Begins one read: `Visit.start` and the answers to it say what to send. Throws `usage.argument` for a URL that is none.
    #[uniffi::method(default(content_digest = None))]
    pub(crate) fn visit(
        &self,
        method: &str,
        url: &str,
        content_digest: Option<String>,
    ) -> Result<Arc<Visit>, ImagxpError> {
        let visit = boundary::call(|| self.0.visit(method, url, content_digest.as_deref()))?;
        Ok(Arc::new(Visit(Mutex::new(visit))))
    }
}

impl Broker {
    fn trust(self, allow_loopback: bool) -> imagxp::Result<TrustedBroker> {
        let broker = TrustedBroker::new(&self.issuer, allow_loopback)?;
        match self.token_endpoint {
            Some(endpoint) => broker.with_token_endpoint(&endpoint, allow_loopback),
            None => Ok(broker),
        }
    }
}

/// One read as a machine without I/O. Each answer is handed back once, in order.
#[derive(uniffi::Object)]
pub(crate) struct Visit(Mutex<visit::Visit>);

#[uniffi::export]
impl Visit {
    /// The first thing to do.
    #[uniffi::method(default(now = None, nonce = None))]
    pub(crate) fn start(&self, now: Option<Timestamp>, nonce: Option<String>) -> Result<Action, ImagxpError> {
        self.step(&Event::Start, now, nonce)
    }

    /// Hands an answer back; `body` may be empty where nobody reads it (a page without receipts, for example).
    #[uniffi::method(default(now = None, nonce = None))]
    pub(crate) fn answered(
        &self,
        status: u16,
        headers: Vec<Header>,
        body: &[u8],
        now: Option<Timestamp>,
        nonce: Option<String>,
    ) -> Result<Action, ImagxpError> {
        let headers = pairs(headers);
        self.step(&Event::Answered { status, headers: &headers, body }, now, nonce)
    }

    /// Says that no answer came; `sent`: bytes of the request may have reached the peer. When in doubt, they have.
    #[uniffi::method(default(sent = true, now = None, nonce = None))]
    pub(crate) fn failed(
        &self,
        detail: &str,
        sent: bool,
        now: Option<Timestamp>,
        nonce: Option<String>,
    ) -> Result<Action, ImagxpError> {
        self.step(&Event::Failed { sent, detail }, now, nonce)
    }
}

impl Visit {
    fn step(
        &self,
        event: &Event<'_>,
        now: Option<Timestamp>,
        nonce: Option<String>,
    ) -> Result<Action, ImagxpError> {
        let action = boundary::call(|| {
            let nonce = nonce.map_or_else(random_uuid, Ok)?;
            let mut visit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(visit.step(event, time::or_now(now), &nonce))
        })?;
        Ok(Action::of(action))
    }
}

/// What is to be done.
#[derive(Clone, Copy, uniffi::Enum)]
pub(crate) enum ActionKind {
    /// GET this, unsigned, and hand the answer back.
    FetchRobots,
    /// GET this, unsigned, and hand the answer back.
    FetchPolicy,
    /// GET the publisher's manifest, unsigned, and hand the answer back.
    FetchManifest,
    /// Send this request, without following redirects, and hand the answer back.
    Send,
    /// POST this to the broker, without following redirects, and hand the answer back. It is paid for from here on.
    RequestToken,
    /// The last answer is the content, or an answer that ends the visit.
    Done,
    /// There is no content; `error` says why.
    Refused,
}

/// What to do next in a visit. `request` is the same as a `URLRequest`.
#[derive(uniffi::Record)]
pub(crate) struct Action {
    /// What.
    pub(crate) kind: ActionKind,
    /// The method to use.
    pub(crate) method: String,
    /// The URL to ask, without following redirects; in the end the one that was read last.
    pub(crate) url: String,
    /// The headers to send.
    pub(crate) headers: Vec<Header>,
    /// The body to send: the form of a token request.
    pub(crate) body: Vec<u8>,
    /// What happened, in the end, as JSON: `url`, `status`, `offer`, `payment`, `receipt` and each of the `steps`.
    pub(crate) report: Option<Vec<u8>>,
    /// Why there is no content.
    pub(crate) error: Option<ImagxpError>,
}

impl Action {
    fn of(action: visit::Action) -> Self {
        let plain = |kind, url| Self {
            kind,
            method: "GET".into(),
            url,
            headers: Vec::new(),
            body: Vec::new(),
            report: None,
            error: None,
        };
        match action {
            visit::Action::FetchRobots { url } => plain(ActionKind::FetchRobots, url),
            visit::Action::FetchPolicy { url } => plain(ActionKind::FetchPolicy, url),
            visit::Action::FetchManifest { url } => plain(ActionKind::FetchManifest, url),
            visit::Action::Send(send) => {
                Self { method: send.method, headers: list(send.headers), ..plain(ActionKind::Send, send.url) }
            }
            visit::Action::RequestToken(request) => Self {
                method: "POST".into(),
                headers: list(request.headers),
                body: request.body.into_bytes(),
                ..plain(ActionKind::RequestToken, request.url)
            },
            visit::Action::Done(found) => {
                let report = report(&found);
                Self { report, ..plain(ActionKind::Done, found.url) }
            }
            visit::Action::Refused(refusal) => {
                let Refusal { error, report: found } = *refusal;
                let report = report(&found);
                Self { report, error: Some(error.into()), ..plain(ActionKind::Refused, found.url) }
            }
        }
    }
}

fn report(report: &Report) -> Option<Vec<u8>> {
    Some(json::text(&report.to_json()))
}
