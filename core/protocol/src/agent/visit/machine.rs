//! The machine: states, events and actions.

use super::door::Places;
use super::pay::Bargain;
use super::receipt::Claimed;
use super::redirect::{self, MAX_HOPS, is_redirect};
use super::report::{PaymentState, Refusal, Report};
use crate::agent::offer::web_url;
use crate::agent::reader::{Reader, Redirects};
use crate::agent::sign::SignRequest;
use crate::agent::spend::Settlement;
use crate::agent::token_request::{TokenRequest, Visa};
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Value};
use crate::resource::{Resource, to_uri};
use crate::time::Timestamp;
use std::sync::Arc;

/// The largest refusal body whose `retry` is read, in bytes.
const MAX_REFUSAL: usize = 16 * 1024;

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Nothing yet.
    Start,
    /// An answer came to what the last action asked for.
    Answered {
        /// Its status.
        status: u16,
        /// Its header lines, in order. They must match the body: a robots.txt or policy with a `Content-Encoding` counts as one that cannot be
        /// had, so a client that has decoded the body takes that line off.
        headers: &'a [(String, String)],
        /// Its whole body. A receipt speaks of the bytes that came, not of what they decode to.
        body: &'a [u8],
    },
    /// No answer came.
    Failed {
        /// Whether bytes of the request may have reached the peer.
        sent: bool,
        /// Why, for the report.
        detail: &'a str,
    },
    /// Nothing was sent, because too much else is under way here. Says nothing about the site, so nothing is remembered of it.
    Busy {
        /// With what, for the report.
        detail: &'a str,
    },
}

/// What to do next.
#[derive(Debug)]
pub enum Action {
    /// GET this, unsigned, and hand the answer back.
    FetchRobots {
        /// Where.
        url: String,
    },
    /// GET this, unsigned, and hand the answer back.
    FetchPolicy {
        /// Where.
        url: String,
    },
    /// GET the publisher's manifest, unsigned, by the fetch rules of PROTOCOL §4, and hand the answer back.
    FetchManifest {
        /// Where.
        url: String,
    },
    /// Send this request, without following redirects, and hand the answer back.
    Send(Send),
    /// POST this to the broker, without following redirects, and hand the answer back. It is paid for from here on.
    RequestToken(TokenRequest),
    /// The last answer is the content, or an answer that ends the visit.
    Done(Box<Report>),
    /// There is no content.
    Refused(Box<Refusal>),
}

/// A signed request. `Debug` shows header names only.
#[derive(Clone)]
pub struct Send {
    /// The method.
    pub method: String,
    /// The URL that was signed.
    pub url: String,
    /// `user-agent` and the IMAGXP headers.
    pub headers: Vec<(&'static str, String)>,
}

/// One read under way.
#[derive(Debug)]
pub struct Visit {
    pub(super) reader: Arc<Reader>,
    method: String,
    content_digest: Option<String>,
    pub(super) url: String,
    pub(super) resource: Resource,
    state: State,
    hops: usize,
    pub(super) robots_hops: usize,
    signed_again: bool,
    /// Whether this hop's request was answered with 402 and sent again with a visa.
    pub(super) paid_retry: bool,
    /// Whether a visa was bought during this visit.
    pub(super) bought: bool,
    pub(super) visa: Option<Visa>,
    pub(super) report: Report,
}

#[derive(Debug)]
pub(super) enum State {
    Start,
    Robots { url: String },
    Policy { url: String, places: Places },
    Page,
    Token(Box<Bargain>),
    Manifest(Box<Claimed>),
    Over,
}

/// What a step leads to: an action, or the reason why there is none.
pub(super) type Next = Result<Action>;

impl Reader {
    /// Begins one read. `content_digest` is the RFC 9530 digest of the body, for methods that have one. What may not stand in a URI is
    /// percent-encoded; the rest of the URL is signed and sent as it is written.
    ///
    /// Error: `usage.argument` for what is not an https URL (a fragment is cut off) and for a method other than GET and HEAD, unless
    /// redirects are the caller's.
    pub fn visit(self: &Arc<Self>, method: &str, url: &str, content_digest: Option<&str>) -> Result<Visit> {
        let url = url.split_once('#').map_or(url, |(before, _)| before);
        let sent = to_uri(url);
        let resource =
            Resource::parse(&sent).filter(|_| web_url(&sent, self.options().allow_loopback).is_some());
        let resource = resource
            .ok_or_else(|| Error::argument(format!("`{url}` is not an https URL that can be read")))?;
        if !matches!(method, "GET" | "HEAD") && self.options().redirects != Redirects::Return {
            return Err(Error::argument("an agent reads with GET or HEAD"));
        }
        Ok(Visit {
            reader: Arc::clone(self),
            method: method.to_owned(),
            content_digest: content_digest.map(str::to_owned),
            url: sent.into_owned(),
            resource,
            state: State::Start,
            hops: 0,
            robots_hops: 0,
            signed_again: false,
            paid_retry: false,
            bought: false,
            visa: None,
            report: Report::default(),
        })
    }
}

impl Visit {
    /// Takes what happened and says what to do next.
    ///
    /// `nonce` is a fresh random UUID for each call (16 to 128 bytes of `A-Z a-z 0-9 - . _ ~`). After [`Action::Done`] or
    /// [`Action::Refused`] the visit is over.
    pub fn step(&mut self, event: &Event<'_>, now: Timestamp, nonce: &str) -> Action {
        let state = core::mem::replace(&mut self.state, State::Over);
        let next = match (state, event) {
            (State::Start, Event::Start) => self.arrive(now, nonce),
            (State::Robots { url }, event) => self.robots(&url, event, now, nonce),
            (State::Policy { url, places }, event) => self.policy(&url, places, event, now, nonce),
            (State::Page, Event::Answered { status, headers, body }) => {
                self.page(*status, headers, body, now, nonce)
            }
            (State::Page, Event::Failed { sent, detail }) => self.unreached(*sent, detail),
            (State::Page, Event::Busy { detail }) => {
                self.return_visa();
                let url = self.url.clone();
                Err(self.too_busy("request", &url, detail))
            }
            (State::Token(bargain), event) => self.token(*bargain, event, now, nonce),
            (State::Manifest(claimed), event) => self.manifest(*claimed, event, now),
            (State::Start | State::Page | State::Over, _) => {
                Err(Error::argument("this is not what the visit waits for"))
            }
        };
        next.unwrap_or_else(|error| {
            self.state = State::Over;
            self.refuse(error)
        })
    }

    /// The URL of the request under way, and after the visit of the answer.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn refuse(&mut self, error: Error) -> Action {
        self.report.url.clone_from(&self.url);
        Action::Refused(Box::new(Refusal { error, report: core::mem::take(&mut self.report) }))
    }

    /// Ends the visit with the last answer as its result.
    pub(super) fn done(&mut self) -> Action {
        self.state = State::Over;
        self.report.url.clone_from(&self.url);
        Action::Done(Box::new(core::mem::take(&mut self.report)))
    }

    pub(super) fn wait(&mut self, state: State, action: Action) -> Next {
        self.state = state;
        Ok(action)
    }

    pub(super) fn note(&mut self, what: &'static str, note: impl Into<String>) {
        self.report.note(what, &self.url, note);
    }

    pub(super) fn origin(&self) -> String {
        self.resource.origin.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Signs and sends the request of this hop, with the visa at hand if there is one.
    pub(super) fn send(&mut self, now: Timestamp, nonce: &str) -> Next {
        let options = self.reader.options();
        let request = SignRequest {
            content_digest: self.content_digest.as_deref(),
            payment: self.visa.as_ref().map(Visa::token),
            compatible: options.compatible,
            ..SignRequest::new(&self.method, &self.url, options.purpose)
        };
        let signed = match self.reader.identity().sign(&request, now, nonce) {
            Ok(signed) => signed,
            Err(error) => {
                self.return_visa();
                return Err(error);
            }
        };
        let mut headers = vec![("user-agent", self.reader.user_agent().to_owned())];
        headers.extend(signed.iter().map(|(name, value)| (name, value.to_owned())));
        let send = Send { method: self.method.clone(), url: self.url.clone(), headers };
        self.wait(State::Page, Action::Send(send))
    }

    fn page(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
        nonce: &str,
    ) -> Next {
        self.report.status = Some(status);
        let with = if self.visa.is_some() { " with a visa" } else { "" };
        self.note("request", format!("{} {status}{with}", self.method));
        self.learn_link(headers, now);
        match status {
            402 => return self.asked_to_pay(body, now, nonce),
            401 | 409 if !self.signed_again && says_new_nonce(body) => {
                self.signed_again = true;
                return self.send(now, nonce);
            }
            200..=399 => self.visa = None,
            _ => self.return_visa(),
        }
        if is_redirect(status)
            && self.reader.options().redirects != Redirects::Return
            && let Some(location) = redirect::location(headers)?
        {
            return self.follow(location, now, nonce);
        }
        self.receipt(status, headers, body, now)
    }

    /// Each hop is signed for its own URL and asked about at its own door; nothing of the last one is carried on.
    fn follow(&mut self, location: &str, now: Timestamp, nonce: &str) -> Next {
        let options = self.reader.options();
        if self.hops >= MAX_HOPS {
            return Err(redirect::denied(format!("there were more than {MAX_HOPS} redirects")));
        }
        let target = redirect::resolve(&self.resource, location, options.allow_loopback)?;
        if target.origin != self.resource.origin && options.redirects != Redirects::AnyOrigin {
            let place = target.origin.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(redirect::denied(format!("the redirect leads to another origin, {place}")));
        }
        self.hops += 1;
        self.robots_hops = 0;
        self.paid_retry = false;
        self.note("redirect", format!("to {target}"));
        self.url = target.to_string();
        self.resource = target;
        self.arrive(now, nonce)
    }

    fn unreached(&mut self, sent: bool, detail: &str) -> Next {
        let paid = self.visa.is_some();
        self.return_visa();
        self.note("request", format!("no answer: {detail}"));
        Err(Error::new(
            ErrorKind::Io,
            match (paid, sent) {
                (true, true) => {
                    "no answer came to the paid request; its visa is kept and tried at the next read"
                }
                _ => "the publisher does not answer",
            },
        ))
    }

    /// What is said when there was no turn for a request to this place.
    pub(super) fn too_busy(&mut self, what: &'static str, url: &str, detail: &str) -> Error {
        self.report.note(what, url, format!("not asked: {detail}"));
        Error::new(ErrorKind::Io, "too many fetches are under way here, so the site was not asked")
    }

    pub(super) fn return_visa(&mut self) {
        if let Some(visa) = self.visa.take() {
            self.reader.purse().wallet().give_back(&visa);
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// A visit that is given up leaves no reservation that looks as if it were still under way.
impl Drop for Visit {
    fn drop(&mut self) {
        self.return_visa();
        if let State::Token(bargain) = &self.state {
            let _ = self.reader.purse().spend().settle(&bargain.purchase.id, Settlement::Unknown);
        }
    }
}

impl Report {
    pub(super) fn unpaid(&mut self) {
        if self.payment.state == PaymentState::None {
            self.payment.state = PaymentState::Unpaid;
        }
    }
}

/// Whether the verdict's `retry` says that the same request, signed again, may pass (PROTOCOL §6).
fn says_new_nonce(body: &[u8]) -> bool {
    let limits = json::Limits { max_bytes: MAX_REFUSAL, ..json::Limits::CLAIM };
    let Ok(object) = json::parse_object(body, &limits) else { return false };
    let retry = object.get("error").and_then(Value::as_object).and_then(|error| error.get("retry"));
    retry.and_then(Value::as_str) == Some("new_nonce")
}

impl core::fmt::Debug for Send {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Send")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .finish()
    }
}
