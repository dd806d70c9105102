//! One read of an agent as a machine without I/O.

#![expect(
    clippy::too_many_arguments,
    reason = "header lines cross as three arguments, and are one in JavaScript"
)]

use crate::headers::Joined;
use crate::identity::random_uuid;
use crate::js::{JsBoolean, JsNumber, JsString, Text};
use crate::json::JsonObject;
use crate::options::options;
use crate::time::{self, Time};
use crate::{boundary, errors, worker};
use imagxp::agent::visit::{self, Event, Refusal};
use imagxp::json::object_to_canonical;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Unknown};
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::{Arc, Mutex, TryLockError};

options! {
    /// What each step of a visit also takes.
    StepOptions {
        /// The clock's time unless given.
        now: Option<Time>,
        /// A random UUID unless given.
        nonce: Option<JsString>,
    }
}

options! {
    /// What `Visit.failed` also takes.
    FailedOptions {
        /// Whether bytes of the request may have reached the peer. When in doubt, they have: `true` unless given.
        sent: Option<JsBoolean>,
        /// The clock's time unless given.
        now: Option<Time>,
        /// A random UUID unless given.
        nonce: Option<JsString>,
    }
}

/// One read as a machine without I/O, for HTTP clients of one's own. Each answer is handed back once, in order.
///
/// With a wallet in a file a payment is written and synced before the step returns. `answeredAsync` and `failedAsync` do that away from the
/// event loop, one step at a time: another one meanwhile is an error with the code `usage.argument`.
#[napi]
pub struct Visit(Arc<Mutex<visit::Visit>>);

#[napi]
impl Visit {
    /// The first thing to do.
    #[napi]
    pub fn start(&self, options: Option<StepOptions>) -> Result<Action> {
        let (now, nonce) = options.map_or((None, None), |options| (options.now, options.nonce));
        self.step(&Event::Start, now, nonce)
    }

    /// Hands an answer back; `body` may be empty where nobody reads it (a page without receipts, for example). Headers and body must match: a
    /// robots.txt or policy with a `Content-Encoding` counts as one that cannot be had, and `fetch` decodes a body without taking that line
    /// off.
    #[napi(
        ts_args_type = "status: number, headers: Headers, body: Text, options?: StepOptions",
        ts_return_type = "Action"
    )]
    pub fn answered(
        &self,
        status: JsNumber,
        headers: Joined,
        count: u32,
        separator: u32,
        body: Text,
        options: Option<StepOptions>,
    ) -> Result<Option<Action>> {
        let Some(headers) = texts(&headers, count, separator) else { return Ok(None) };
        let (now, nonce) = options.map_or((None, None), |options| (options.now, options.nonce));
        let event = Event::Answered { status: status.whole("status")?, headers: &headers, body: &body.0 };
        self.step(&event, now, nonce).map(Some)
    }

    /// The same away from the event loop.
    #[napi(
        ts_args_type = "status: number, headers: Headers, body: Text, options?: StepOptions",
        ts_return_type = "Promise<Action>"
    )]
    pub fn answered_async(
        &self,
        env: Env,
        status: JsNumber,
        headers: Joined,
        count: u32,
        separator: u32,
        body: Text,
        options: Option<StepOptions>,
    ) -> Result<Option<PromiseRaw<'static, Action>>> {
        let Some(headers) = texts(&headers, count, separator) else { return Ok(None) };
        let (now, nonce) = options.map_or((None, None), |options| (options.now, options.nonce));
        let status = status.whole("status")?;
        let step = self.later(now, nonce);
        let work = move || step(&Event::Answered { status, headers: &headers, body: &body.0 });
        worker::run(&env, work, done).map(Some)
    }

    /// Says that no answer came.
    #[napi]
    pub fn failed(&self, detail: JsString, options: Option<FailedOptions>) -> Result<Action> {
        let (sent, now, nonce) =
            options.map_or((None, None, None), |options| (options.sent, options.now, options.nonce));
        let sent = sent.is_none_or(|flag| flag.0);
        self.step(&Event::Failed { sent, detail: &detail }, now, nonce)
    }

    /// The same away from the event loop.
    #[napi(ts_return_type = "Promise<Action>")]
    pub fn failed_async(
        &self,
        env: Env,
        detail: JsString,
        options: Option<FailedOptions>,
    ) -> Result<PromiseRaw<'static, Action>> {
        let (sent, now, nonce) =
            options.map_or((None, None, None), |options| (options.sent, options.now, options.nonce));
        let sent = sent.is_none_or(|flag| flag.0);
        let step = self.later(now, nonce);
        worker::run(&env, move || step(&Event::Failed { sent, detail: &detail }), done)
    }
}

impl Visit {
    pub(crate) fn new(visit: visit::Visit) -> Self {
        Self(Arc::new(Mutex::new(visit)))
    }

    fn step(&self, event: &Event<'_>, now: Option<Time>, nonce: Option<JsString>) -> Result<Action> {
        boundary::call(|| self.later(now, nonce)(event)).map(Action)
    }

    /// One step, on whatever thread.
    fn later(
        &self,
        now: Option<Time>,
        nonce: Option<JsString>,
    ) -> impl FnOnce(&Event<'_>) -> imagxp::Result<visit::Action> + Send + use<> {
        let (visit, now) = (Arc::clone(&self.0), time::or_now(now));
        move |event| {
            let nonce = nonce.map_or_else(random_uuid, |nonce| Ok(nonce.0))?;
            // A step elsewhere may wait for this thread, for a signer in JavaScript: this one must not wait for that.
            let mut visit = match visit.try_lock() {
                Ok(visit) => visit,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    return Err(imagxp::Error::argument("a step of this visit is under way"));
                }
            };
            Ok(visit.step(event, now, &nonce))
        }
    }
}

/// What a step on another thread led to.
fn done(stepped: imagxp::Result<visit::Action>) -> Result<Action> {
    stepped.map(Action).map_err(|error| errors::raise(&error))
}

/// Header lines as text, when there are `count` names and values.
fn texts(headers: &Joined, count: u32, separator: u32) -> Option<Vec<(String, String)>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = headers.lines(count, separator)?;
    Some(lines.into_iter().map(|(name, value)| (text(name), text(value))).collect())
}

/// What to do next in a visit.
#[napi]
pub struct Action(visit::Action);

#[napi]
impl Action {
    /// What it is.
    #[napi(
        getter,
        ts_return_type = "'fetch_robots' | 'fetch_policy' | 'fetch_manifest' | 'send' | 'request_token' | 'done' | 'refused'"
    )]
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            visit::Action::FetchRobots { .. } => "fetch_robots",
            visit::Action::FetchPolicy { .. } => "fetch_policy",
            visit::Action::FetchManifest { .. } => "fetch_manifest",
            visit::Action::Send(_) => "send",
            visit::Action::RequestToken(_) => "request_token",
            visit::Action::Done(_) => "done",
            visit::Action::Refused(_) => "refused",
        }
    }

    /// The method to use.
    #[napi(getter)]
    pub fn method(&self) -> &str {
        match &self.0 {
            visit::Action::Send(send) => &send.method,
            visit::Action::RequestToken(_) => "POST",
            _ => "GET",
        }
    }

    /// The URL to ask, without following redirects; in the end the one that was read last.
    #[napi(getter)]
    pub fn url(&self) -> &str {
        match &self.0 {
            visit::Action::FetchRobots { url }
            | visit::Action::FetchPolicy { url }
            | visit::Action::FetchManifest { url } => url,
            visit::Action::Send(send) => &send.url,
            visit::Action::RequestToken(request) => &request.url,
            visit::Action::Done(report) => &report.url,
            visit::Action::Refused(refusal) => &refusal.report.url,
        }
    }

    /// The headers to send.
    #[napi(getter)]
    pub fn headers(&self) -> Vec<(String, String)> {
        let lines = match &self.0 {
            visit::Action::Send(send) => &send.headers,
            visit::Action::RequestToken(request) => &request.headers,
            visit::Action::Done(_) | visit::Action::Refused(_) => return Vec::new(),
            // What is fetched for the machine itself is read as it comes.
            _ => return vec![("accept-encoding".to_owned(), "identity".to_owned())],
        };
        lines.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// The body to send: the form of a token request.
    #[napi(getter)]
    pub fn body(&self) -> Buffer {
        match &self.0 {
            visit::Action::RequestToken(request) => request.body.clone().into_bytes().into(),
            _ => Vec::new().into(),
        }
    }

    /// What happened, in the end.
    #[napi(getter, ts_return_type = "JsonObject | null")]
    pub fn report(&self) -> Option<JsonObject> {
        match &self.0 {
            visit::Action::Done(report) => Some(JsonObject(report.to_json())),
            visit::Action::Refused(refusal) => Some(JsonObject(refusal.report.to_json())),
            _ => None,
        }
    }

    /// Why there is no content: a `ReadError`, not thrown.
    #[napi(getter, ts_return_type = "ImagxpError | null")]
    pub fn error(&self, env: Env) -> Option<Unknown<'static>> {
        match &self.0 {
            visit::Action::Refused(refusal) => Some(errors::value(env, refused(refusal))),
            _ => None,
        }
    }
}

/// A refusal as an error: `usage.*` for misuse, `ReadError` with the report for everything else.
pub(crate) fn refused(refusal: &Refusal) -> napi::Error {
    if refusal.error.code().starts_with("usage.") {
        return errors::raise(&refusal.error);
    }
    let mut members = imagxp::json::Object::new();
    members.insert("report", refusal.report.to_json());
    let members = String::from_utf8_lossy(&object_to_canonical(&members)).into_owned();
    errors::with_members("read", refusal.error.code(), refusal.error.message(), members)
}
