//! What happens, for those who watch: `GET /v1/events`, server-sent events (WHATWG HTML §9.2).

use crate::app::App;
use crate::auth::{Caller, bearer, by_session_cookie, by_token, cookie};
use crate::clock;
use crate::listen::stopped;
use crate::operators::Role;
use crate::problem::{ErrorBody, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};
use hyper::body::Frame;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Events that a watcher may lag behind, and that a new one is given when it names the last one it saw.
const KEPT: usize = 1024;
/// A comment now and then keeps proxies from cutting a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often is looked whether the watcher may still watch.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    id: u64,
    kind: &'static str,
    data: Arc<str>,
}

/// Hands events to whoever watches. What nobody watches is kept for a while.
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    kept: Mutex<VecDeque<Event>>,
    places: Arc<Semaphore>,
}

impl Events {
    pub(crate) fn new(streams: usize) -> Self {
        Self {
            sender: broadcast::Sender::new(KEPT),
            kept: Mutex::new(VecDeque::with_capacity(KEPT)),
            places: Arc::new(Semaphore::new(streams)),
        }
    }

    /// Tells an event. `kind` is `verdict`, `ledger` or `status`.
    pub(crate) fn tell(&self, kind: &'static str, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.back().map_or(1, |last| last.id.saturating_add(1));
        let event = Event { id, kind, data: data.into() };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Within the lock, so that a new watcher misses none and gets none twice.
        let _ = self.sender.send(event);
    }

    /// The events after `last` that are still known, newest last, and those to come.
    fn follow(&self, last: Option<u64>) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = last.map(|last| kept.iter().filter(|event| event.id > last).cloned().collect());
        (missed.unwrap_or_default(), self.sender.subscribe())
    }
}

/// A stream of what happens, for operators: `verdict`, `ledger` and `status` events with JSON data
#[utoipa::path(
    get, path = "/v1/events", tag = "dashboard",
    security(("operator_token" = ["viewer"]), ("operator_session" = ["viewer"])),
    params(("last-event-id" = Option<u64>, Header, description = "continues after this event, as far as it is still known")),
    responses((status = 200, description = "the stream", content_type = "text/event-stream", body = String), (status = 503, body = ErrorBody))
)]
pub(crate) async fn events(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let credential = Credential::of(&headers)?;
    let place = Arc::clone(&app.events.places).try_acquire_owned();
    let place = place.map_err(|_| Problem::busy("server.busy", "too many streams are open", 30))?;
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let (missed, receiver) = app.events.follow(last);
    let watcher = Watcher {
        missed: missed.into(),
        receiver,
        stop: app.stop.clone(),
        _place: place,
        begun: false,
        looked: Instant::now(),
        credential,
        app: Arc::clone(&app),
    };
    metrics::gauge!("imagxp_streams").increment(1.0);
    let frames = Frames(Some(Box::pin(step(watcher))));
    let mut response = (StatusCode::OK, Body::new(frames)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Watcher {
    missed: VecDeque<Event>,
    receiver: broadcast::Receiver<Event>,
    stop: tokio::sync::watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
    begun: bool,
    looked: Instant,
    credential: Credential,
    app: Arc<App>,
}

/// By what the watcher was let in.
enum Credential {
    Token(Zeroizing<String>),
    Session(Zeroizing<String>),
}

impl Credential {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match bearer(headers)? {
            Some(token) => Ok(Self::Token(Zeroizing::new(token.to_owned()))),
            None => cookie(headers)
                .map(|session| Self::Session(Zeroizing::new(session)))
                .ok_or_else(|| Problem::unauthorized("auth.required", "log in")),
        }
    }

    /// Whether it still lets an operator in who may read.
    fn holds(&self, app: &App) -> bool {
        let caller = match self {
            Self::Token(token) => by_token(app, token, clock::now()),
            Self::Session(session) => by_session_cookie(app, session, clock::now()),
        };
        matches!(caller, Ok(Caller::Operator { role, .. }) if role.may(Role::Viewer))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        metrics::gauge!("imagxp_streams").decrement(1.0);
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            return Some("retry: 2000\n\n".to_owned());
        }
        let mut quiet = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            if self.looked.elapsed() >= LOOK_AGAIN {
                if !self.credential.holds(&self.app) {
                    return None;
                }
                self.looked = Instant::now();
            }
            let again = self.looked + LOOK_AGAIN;
            tokio::select! {
                text = self.event() => return text,
                _ = quiet.tick() => return Some(": still here\n\n".to_owned()),
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    async fn event(&mut self) -> Option<String> {
        if let Some(event) = self.missed.pop_front() {
            return Some(line(&event));
        }
        tokio::select! {
            () = stopped(&mut self.stop) => None,
            event = self.receiver.recv() => match event {
                Ok(event) => Some(line(&event)),
                // The watcher reads slower than things happen: it is told so, and reads the lists anew.
                Err(broadcast::error::RecvError::Lagged(missed)) => Some(format!("event: lagged\ndata: {{\"missed\":{missed}}}\n\n")),
                Err(broadcast::error::RecvError::Closed) => None,
            },
        }
    }
}

fn line(event: &Event) -> String {
    format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind, event.data)
}

type Step = Pin<Box<dyn Future<Output = Option<(String, Watcher)>> + Send>>;

async fn step(mut watcher: Watcher) -> Option<(String, Watcher)> {
    let text = watcher.next().await?;
    Some((text, watcher))
}

/// Each event as a frame of the body.
struct Frames(Option<Step>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(step) = self.0.as_mut() else { return Poll::Ready(None) };
        match step.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.0 = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some((text, watcher))) => {
                self.0 = Some(Box::pin(self::step(watcher)));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
            }
        }
    }
}
