//! Names for requests: ours, and the caller's trace (W3C Trace Context).

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use imagxp::encoding::hex_encode;
use std::time::Instant;
use tracing::Instrument as _;

tokio::task_local! {
    static CURRENT: String;
}

/// The header that carries a request's name back to the caller.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// In place of the status of an answer that nobody waited for.
const GONE: &str = "gone";

/// The name of the request that this task answers; empty outside of one.
pub(crate) fn current() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a task under the name of the request that began it.
pub(crate) async fn carry<F: Future>(name: String, future: F) -> F::Output {
    CURRENT.scope(name, future).await
}

/// Names each request, logs how it went and counts it. The outermost layer.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let mut random = [0; 24];
    // Without entropy names repeat, which harms nobody but the reader of the log.
    let _ = getrandom::fill(&mut random);
    let (id, span_id) = random.split_at(16);
    let id = hex_encode(id);
    let parent = parent(request.headers());
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        trace_id = parent.as_ref().map_or(id.as_str(), |(trace, _)| trace.as_str()),
        span_id = %hex_encode(span_id),
        parent_id = parent.as_ref().map(|(_, span)| span.as_str()),
    );
    carry(id.clone(), answer(request, next, id).instrument(span)).await
}

async fn answer(request: Request, next: Next, id: String) -> Response {
    let mut request = request;
    let mut at_work = AtWork::begin(method(request.method()));
    request.extensions_mut().insert(at_work.slot.clone());
    let mut response = next.run(request).await;
    at_work.status = Some(response.status().as_u16());
    drop(at_work);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A request at work. When it ends, with an answer or because its client has hung up, it is counted and logged.
struct AtWork {
    begun: Instant,
    method: &'static str,
    slot: RouteSlot,
    /// What it was answered with.
    status: Option<u16>,
}

impl AtWork {
    fn begin(method: &'static str) -> Self {
        metrics::gauge!("imagxp_http_requests_in_flight").increment(1.0);
        Self { begun: Instant::now(), method, slot: RouteSlot::default(), status: None }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        metrics::gauge!("imagxp_http_requests_in_flight").decrement(1.0);
        let (method, took) = (self.method, self.begun.elapsed());
        let route = self.slot.0.get().cloned().unwrap_or_else(|| "none".to_owned());
        let status = self.status.map_or_else(|| GONE.to_owned(), |status| status.to_string());
        let labels = [("method", method.to_owned()), ("route", route.clone()), ("status", status)];
        metrics::counter!("imagxp_http_requests_total", &labels).increment(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match self.status {
            Some(status) => {
                metrics::histogram!("imagxp_http_request_seconds", "route" => route.clone())
                    .record(took.as_secs_f64());
                tracing::info!(method, route, status, micros, "answered");
            }
            None => tracing::info!(method, route, micros, "the client hung up before the answer"),
        }
    }
}

/// Where the router writes which route it took: the outermost layer cannot see it, and a path as it came is no name for a metric.
#[derive(Clone, Default)]
struct RouteSlot(std::sync::Arc<std::sync::OnceLock<String>>);

/// Notes the route; the innermost layer.
pub(crate) fn note_route(request: &Request) {
    let slot = request.extensions().get::<RouteSlot>();
    if let (Some(slot), Some(path)) = (slot, request.extensions().get::<MatchedPath>()) {
        let _ = slot.0.set(path.as_str().to_owned());
    }
}

/// A known method's name: strangers invent others, and each would be a time series.
fn method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The trace and span of `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, lower case, neither of them zero.
fn parent(headers: &HeaderMap) -> Option<(String, String)> {
    let mut lines = headers.get_all("traceparent").iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let mut parts = line.to_str().ok()?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    // Later versions may add parts (Trace Context §3.2.4).
    let whole = version != "ff" && (version != "00" || parts.next().is_none());
    (whole
        && hex(version, 2)
        && hex(trace, 32)
        && hex(span, 16)
        && hex(flags, 2)
        && !zero(trace)
        && !zero(span))
    .then(|| (trace.to_owned(), span.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_parents() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
            parent(&headers)
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read(good).unwrap().0, "0af7651916cd43dd8448eb211c80319c");
        assert!(read(&format!("{}-more", good.replacen("00-", "01-", 1))).is_some());
        for bad in [
            format!("{good}-more"),
            good.to_uppercase(),
            good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replacen("00-", "ff-", 1),
            "00-1-2-3".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }
}
