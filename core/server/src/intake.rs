//! Bodies are read before a request takes its place at work: who sends slowly waits in a connection of his own, and nobody else does.

use crate::app::App;
use crate::auth::{self, SESSION_COOKIE};
use crate::clock;
use crate::problem::Problem;
use crate::visas::token;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use core::future::poll_fn;
use core::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A thousand visas with their requests are more than anything else that is sent here.
const REDEEM: &str = "/v1/visas/redeem";
/// What is asked without saying by a header who asks.
const OPEN: [&str; 2] = ["/oauth/token", "/v1/session"];
/// Bytes of large bodies at one time, over all connections.
const LARGE: u32 = 64 << 20;

/// The memory that large bodies share.
pub(crate) struct Intake(Semaphore);

impl Default for Intake {
    fn default() -> Self {
        Self(Semaphore::new(LARGE as usize))
    }
}

/// Reads the body, within a size and a time.
pub(crate) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match read(&app, request).await {
        Ok((request, _room)) => next.run(request).await,
        Err(problem) => token::refused_at(&path, problem),
    }
}

async fn read(app: &App, request: Request) -> Result<(Request, Option<SemaphorePermit<'_>>), Problem> {
    let (parts, body) = request.into_parts();
    let limits = &app.config.limits;
    let path = parts.uri.path();
    let shows = shows_somebody(&parts.headers);
    if (!shows && !OPEN.contains(&path)) || path.starts_with("/v1/verify") {
        // Whatever is answered does not depend on the body: of whom nobody knows it is refused, and proxies ask by headers.
        return Ok((Request::from_parts(parts, Body::empty()), None));
    }
    let large = path == REDEEM && limits.redeem_bytes > limits.body_bytes;
    let (limit, seconds) = if large {
        (limits.redeem_bytes, limits.header_s.saturating_add(limits.handler_s))
    } else {
        (limits.body_bytes, limits.header_s)
    };
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body.too_large",
            format!("the body is cut off, or has more than {limit} bytes"),
        )
    };
    if said.is_some_and(|said: usize| said > limit) {
        return Err(too_large());
    }
    if large && !may_be_somebody(app, &parts.headers) {
        return Ok((Request::from_parts(parts, Body::empty()), None));
    }
    let room = large.then_some((&app.intake, limits.body_bytes));
    let reading = fill(body, limit, room, too_large);
    let (bytes, room) = match tokio::time::timeout(Duration::from_secs(seconds), reading).await {
        Ok(read) => read?,
        Err(_) => {
            metrics::counter!("imagxp_http_refused_total", "why" => "slow").increment(1);
            let message = format!("the body did not come within {seconds} s");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body.timeout", message));
        }
    };
    Ok((Request::from_parts(parts, Body::from(bytes)), room))
}

/// Reads a body to its end. Of a large one each byte takes its room when it has come: what is only announced keeps nobody out. The first bytes,
/// as many as any other body may have, take none: whoever presents one visa is let in however many large bodies do not end.
async fn fill(
    mut body: Body,
    limit: usize,
    intake: Option<(&Intake, usize)>,
    too_large: impl Fn() -> Problem,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Problem> {
    let (mut bytes, mut room) = (Vec::new(), None::<SemaphorePermit<'_>>);
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| too_large())?.into_data() else { continue };
        if data.len() > limit.saturating_sub(bytes.len()) {
            return Err(too_large());
        }
        if let Some((Intake(all), free)) = intake {
            let taken = bytes.len().saturating_add(data.len()).max(free) - bytes.len().max(free);
            let more = all.try_acquire_many(u32::try_from(taken).unwrap_or(LARGE));
            let more =
                more.map_err(|_| Problem::busy("server.busy", "too many large bodies are on their way", 1))?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, room))
}

/// Whether the token holds, when one is shown: that can be told before the body. A signature cannot, for it names the body.
fn may_be_somebody(app: &App, headers: &HeaderMap) -> bool {
    match auth::bearer(headers) {
        Ok(Some(token)) => auth::by_token(app, token, clock::now()).is_ok(),
        // Refused for its form, whatever the body is.
        Err(_) => false,
        Ok(None) => true,
    }
}

/// Whether the request shows a token, a session or a signature. Whether it holds, is looked at later.
fn shows_somebody(headers: &HeaderMap) -> bool {
    let cookie = || {
        headers
            .get_all(header::COOKIE)
            .iter()
            .any(|line| line.to_str().is_ok_and(|line| line.contains(SESSION_COOKIE)))
    };
    headers.contains_key(header::AUTHORIZATION)
        || (headers.contains_key(imagxp::headers::PAYLOAD)
            && headers.contains_key(imagxp::headers::SIGNATURE))
        || cookie()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_room_what_is_small_is_read() {
        let too_large = || Problem::bad("body.too_large", "");
        let read = async |room: usize, size: usize| {
            let intake = Intake(Semaphore::new(room));
            let read = fill(Body::from(vec![b' '; size]), 1000, Some((&intake, 64)), too_large).await;
            let left = intake.0.available_permits();
            read.map(|(bytes, _room)| (bytes.len(), left)).map_err(|problem| problem.code)
        };
        // Strangers have all the room.
        assert_eq!(read(0, 64).await, Ok((64, 0)));
        assert_eq!(read(0, 65).await, Err("server.busy".into()));
        assert_eq!(read(100, 80).await, Ok((80, 84)), "what is beyond takes room");
        assert_eq!(read(100, 64 + 101).await, Err("server.busy".into()));
        assert_eq!(read(2000, 1001).await, Err("body.too_large".into()));
    }
}
